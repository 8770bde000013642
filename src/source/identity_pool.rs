//! Cognito identity pools, enhanced flow: GetId, then GetCredentialsForIdentity. Neither is signed.
//!
//! A login is a user pool's **ID token** under the pool's provider name; an access token is refused there for want of `aud`.
//! A developer identity is vouched for by the broker's own identity: GetOpenIdTokenForDeveloperIdentity (signed) gives an
//! OpenID token, which is then the login under `cognito-identity.amazonaws.com`. Credentials live one hour, fixed. The
//! identity that comes back can differ from the one sent, when logins were merged; it is adopted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_cognitoidentity::Client;
use secrecy::ExposeSecret as _;

use super::aws::{self, Identity, Parts, Sdk};
use super::template::Template;
use super::{Ask, AwsCredentials, BearerToken, Failure, FailureKind, Source, Stage};
use crate::clock::Clock;
use crate::lease::Issued;

const WHAT: &str = "the Cognito identity pool";
/// What the enhanced flow grants, always.
const LIFETIME: Duration = Duration::from_secs(3_600);
const OWN_PROVIDER: &str = "cognito-identity.amazonaws.com";

/// One identity pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `REGION:GUID`.
    pub identity_pool: String,
    /// The pool's region.
    pub region: String,
    /// `CustomRoleArn`, one of the token's `cognito:roles`.
    pub role_arn: Option<String>,
}

/// Who the credentials are for.
pub enum Login {
    /// Nobody in particular.
    Guest,
    /// The user of a token.
    Token {
        /// The provider's name in `Logins`.
        provider: String,
        /// Where the token comes from.
        token: Arc<dyn Stage<BearerToken>>,
    },
    /// A user we vouch for.
    Developer {
        /// The developer provider's name.
        provider: String,
        /// Our name for the user.
        user: Template,
        /// Who vouches.
        identity: Identity,
    },
}

/// The source.
pub struct IdentityPool {
    config: Config,
    login: Login,
    sdk: Arc<Sdk>,
    host: Arc<str>,
    clock: Clock,
    /// The identity of each login, so that GetId, with its small quota, is asked once.
    identities: Mutex<HashMap<Ask, String>>,
}

/// An identity with the proof that it is ours.
struct Proven {
    identity_id: String,
    logins: HashMap<String, String>,
}

impl IdentityPool {
    /// Asks the pool of `config` as `login`.
    pub fn new(config: Config, login: Login, sdk: Arc<Sdk>, host: Arc<str>, clock: Clock) -> Self {
        Self { config, login, sdk, host, clock, identities: Mutex::default() }
    }

    fn known(&self, ask: &Ask) -> Option<String> {
        self.identities.lock().unwrap_or_else(PoisonError::into_inner).get(ask).cloned()
    }

    fn remember(&self, ask: &Ask, identity_id: Option<&str>) {
        let mut identities = self.identities.lock().unwrap_or_else(PoisonError::into_inner);
        match identity_id {
            Some(id) => identities.insert(ask.clone(), id.to_owned()),
            None => identities.remove(ask),
        };
    }

    /// After a refusal the identity may be one that was deleted: the next attempt looks it up again.
    fn doubt(&self, ask: &Ask, failure: &Failure) {
        if failure.kind.is_terminal() {
            self.remember(ask, None);
        }
    }

    async fn prove(&self, client: &Client, ask: &Ask) -> Result<Proven, Failure> {
        match &self.login {
            Login::Guest => self.identified(client, ask, HashMap::new()).await,
            Login::Token { provider, token } => {
                let lease = token.held(ask).await?;
                #[expect(clippy::disallowed_methods, reason = "the login token is a parameter of the operation")]
                let logins = HashMap::from([(provider.clone(), lease.value.token.expose_secret().to_owned())]);
                self.identified(client, ask, logins).await
            }
            Login::Developer { provider, user, identity } => {
                self.vouched(provider, &user.render(ask, &self.host), identity, ask).await
            }
        }
    }

    async fn identified(&self, client: &Client, ask: &Ask, logins: HashMap<String, String>) -> Result<Proven, Failure> {
        if let Some(identity_id) = self.known(ask) {
            return Ok(Proven { identity_id, logins });
        }
        let request = client.get_id().identity_pool_id(&self.config.identity_pool);
        let request = request.set_logins((!logins.is_empty()).then(|| logins.clone()));
        let output = request.send().await.map_err(|error| aws::failure(WHAT, "GetId", &error))?;
        let identity_id = output.identity_id().ok_or_else(|| without("GetId", "an identity"))?.to_owned();
        self.remember(ask, Some(&identity_id));
        Ok(Proven { identity_id, logins })
    }

    async fn vouched(&self, provider: &str, user: &str, identity: &Identity, ask: &Ask) -> Result<Proven, Failure> {
        let signer = identity.held(ask).await?;
        let client = Client::new(&self.sdk.signing(&self.config.region, &signer.value).await);
        let output = client
            .get_open_id_token_for_developer_identity()
            .identity_pool_id(&self.config.identity_pool)
            .set_identity_id(self.known(ask))
            .logins(provider, user)
            .send()
            .await
            .map_err(|error| aws::failure(WHAT, "GetOpenIdTokenForDeveloperIdentity", &error))?;
        let (Some(identity_id), Some(token)) = (output.identity_id(), output.token()) else {
            return Err(without("GetOpenIdTokenForDeveloperIdentity", "an identity and a token"));
        };
        self.remember(ask, Some(identity_id));
        let logins = HashMap::from([(OWN_PROVIDER.to_owned(), token.to_owned())]);
        Ok(Proven { identity_id: identity_id.to_owned(), logins })
    }
}

fn without(operation: &str, part: &str) -> Failure {
    Failure::new(FailureKind::Malformed, format!("{WHAT} ({operation}) answered without {part}; it is asked again"))
}

#[async_trait]
impl Source<AwsCredentials> for IdentityPool {
    async fn fetch(&self, ask: &Ask) -> Result<Issued<AwsCredentials>, Failure> {
        let client = Client::new(&self.sdk.unsigned(&self.config.region).await);
        let proven = self.prove(&client, ask).await.inspect_err(|failure| self.doubt(ask, failure))?;
        let sent_at = self.clock.now();
        let output = client
            .get_credentials_for_identity()
            .identity_id(&proven.identity_id)
            .set_logins((!proven.logins.is_empty()).then_some(proven.logins))
            .set_custom_role_arn(self.config.role_arn.clone())
            .send()
            .await
            .map_err(|error| aws::failure(WHAT, "GetCredentialsForIdentity", &error))
            .inspect_err(|failure| self.doubt(ask, failure))?;
        if let Some(adopted) = output.identity_id() {
            self.remember(ask, Some(adopted));
        }
        let credentials = output.credentials();
        let parts = Parts {
            access_key_id: credentials.and_then(|c| c.access_key_id()),
            secret: credentials.and_then(|c| c.secret_key()),
            session_token: credentials.and_then(|c| c.session_token()),
            expiration: credentials.and_then(|c| c.expiration()).and_then(aws::wall),
        };
        aws::issued(WHAT, &parts, (None, self.config.role_arn.clone()), LIFETIME, sent_at, &self.clock)
    }
}
