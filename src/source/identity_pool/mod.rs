//! Cognito identity pools. Enhanced flow: GetId, then GetCredentialsForIdentity. Basic flow: GetId, GetOpenIdToken, then
//! AssumeRoleWithWebIdentity of STS. None of them is signed.
//!
//! A login is a user pool's **ID token** under the pool's provider name; an access token is refused there for want of `aud`.
//! A developer identity is vouched for by the broker's own identity: GetOpenIdTokenForDeveloperIdentity (signed) gives an
//! OpenID token, which is then the login under `cognito-identity.amazonaws.com`. Credentials of the enhanced flow live one
//! hour, fixed; those of the basic flow as long as STS is asked for. The identity that comes back can differ from the one
//! sent, when logins were merged; it is adopted.

mod identities;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_cognitoidentity::Client;
use aws_sdk_cognitoidentity::operation::RequestId as _;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use identities::Identities;
use secrecy::{ExposeSecret as _, SecretString};

use super::aws::{self, Identity, Parts, Sdk};
use super::subject::no_subject;
use super::template::Template;
use super::web_identity::Assumption;
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
    /// How its credentials are had.
    pub flow: Flow,
}

/// The flows of an identity pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The pool chooses the role, or takes the `CustomRoleArn` given, one of the token's `cognito:roles`.
    Enhanced(Option<String>),
    /// The role is assumed here; the pool must allow the classic flow.
    Basic(Assumption),
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
    /// The user of a subject token.
    Subject {
        /// The provider's name in `Logins`.
        provider: String,
    },
    /// A user we vouch for.
    Developer {
        /// Our name for the user.
        user: DeveloperUser,
        /// Who vouches.
        identity: Identity,
    },
}

/// A user we vouch for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeveloperUser {
    /// The developer provider's name.
    pub provider: String,
    /// Our name for the user.
    pub name: Template,
    /// `PrincipalTags` of the session.
    pub tags: BTreeMap<String, Template>,
}

impl DeveloperUser {
    /// Does what is asked for depend on who asks?
    pub fn names_caller(&self) -> bool {
        self.name.names_caller() || self.tags.values().any(Template::names_caller)
    }
}

/// The source.
pub struct IdentityPool {
    config: Config,
    login: Login,
    sdk: Arc<Sdk>,
    host: Arc<str>,
    clock: Clock,
    identities: Identities,
}

/// An identity with the proof that it is ours.
struct Proven {
    identity_id: String,
    logins: HashMap<String, String>,
}

impl IdentityPool {
    /// Asks the pool of `config` as `login`.
    pub fn new(config: Config, login: Login, sdk: Arc<Sdk>, host: Arc<str>, clock: Clock) -> Self {
        Self { config, login, sdk, host, clock, identities: Identities::default() }
    }

    /// `operation` was refused with the identity of `ask`: it may be one that was deleted or merged, and is looked up again the next
    /// time. A guest's only where it is not there, for each look-up makes a new guest.
    fn refused<E>(&self, ask: &Ask, operation: &str, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let is_gone = match error.code() {
            Some("ResourceNotFoundException") => true,
            Some("NotAuthorizedException") => !matches!(self.login, Login::Guest),
            _ => false,
        };
        if is_gone {
            self.identities.forget(ask);
        }
        aws::failure(WHAT, operation, error)
    }

    async fn prove(&self, client: &Client, ask: &Ask) -> Result<Proven, Failure> {
        match &self.login {
            Login::Guest => self.identified(client, ask, HashMap::new()).await,
            Login::Token { provider, token } => {
                let lease = token.held(ask).await?;
                self.identified(client, ask, login(provider, &lease.value.token)).await
            }
            Login::Subject { provider } => {
                let subject = ask.subject.as_ref().ok_or_else(no_subject)?;
                self.identified(client, ask, login(provider, subject.token())).await
            }
            Login::Developer { user, identity } => {
                aws::signed_by(&self.sdk, identity, ask, |signer| async move {
                    self.vouched(user, &signer.value, ask).await
                })
                .await
            }
        }
    }

    async fn identified(&self, client: &Client, ask: &Ask, logins: HashMap<String, String>) -> Result<Proven, Failure> {
        if let Some(identity_id) = self.identities.known(ask) {
            return Ok(Proven { identity_id, logins });
        }
        let request = client.get_id().identity_pool_id(&self.config.identity_pool);
        let request = request.set_logins((!logins.is_empty()).then(|| logins.clone()));
        let output = request.send().await.map_err(|error| aws::failure(WHAT, "GetId", &error))?;
        let identity_id = output.identity_id().ok_or_else(|| without("GetId", "an identity"))?.to_owned();
        self.identities.remember(ask, &identity_id);
        Ok(Proven { identity_id, logins })
    }

    async fn vouched(&self, user: &DeveloperUser, signer: &AwsCredentials, ask: &Ask) -> Result<Proven, Failure> {
        let client = Client::new(&self.sdk.signing(&self.config.region, signer).await);
        let tags: HashMap<String, String> =
            user.tags.iter().map(|(key, value)| (key.clone(), value.render(ask, &self.host))).collect();
        let output = client
            .get_open_id_token_for_developer_identity()
            .identity_pool_id(&self.config.identity_pool)
            .set_identity_id(self.identities.known(ask))
            .logins(&user.provider, user.name.render(ask, &self.host))
            .set_principal_tags((!tags.is_empty()).then_some(tags))
            .send()
            .await
            .map_err(|error| self.refused(ask, "GetOpenIdTokenForDeveloperIdentity", &error))?;
        let (Some(identity_id), Some(token)) = (output.identity_id(), output.token()) else {
            return Err(without("GetOpenIdTokenForDeveloperIdentity", "an identity and a token"));
        };
        self.identities.remember(ask, identity_id);
        let logins = HashMap::from([(OWN_PROVIDER.to_owned(), token.to_owned())]);
        Ok(Proven { identity_id: identity_id.to_owned(), logins })
    }

    async fn enhanced(
        &self,
        client: &Client,
        ask: &Ask,
        proven: Proven,
        role: Option<&String>,
    ) -> Result<Issued<AwsCredentials>, Failure> {
        let sent_at = self.clock.now();
        let output = client
            .get_credentials_for_identity()
            .identity_id(&proven.identity_id)
            .set_logins((!proven.logins.is_empty()).then_some(proven.logins))
            .set_custom_role_arn(role.cloned())
            .send()
            .await
            .map_err(|error| self.refused(ask, "GetCredentialsForIdentity", &error))?;
        self.adopt(ask, output.identity_id());
        let credentials = output.credentials();
        let parts = Parts {
            access_key_id: credentials.and_then(|c| c.access_key_id()),
            secret: credentials.and_then(|c| c.secret_key()),
            session_token: credentials.and_then(|c| c.session_token()),
            expiration: credentials.and_then(|c| c.expiration()).and_then(aws::wall),
        };
        let account = role.and_then(|role| aws::account_of(role));
        let issued = aws::issued(WHAT, &parts, (account, role.cloned()), LIFETIME, sent_at, self.sdk.reading())?;
        Ok(issued.by_request(output.request_id()))
    }

    async fn basic(
        &self,
        client: &Client,
        ask: &Ask,
        proven: Proven,
        assumption: &Assumption,
    ) -> Result<Issued<AwsCredentials>, Failure> {
        let token = match (&self.login, proven.logins.get(OWN_PROVIDER)) {
            // It is the pool's own token already.
            (Login::Developer { .. }, Some(token)) => SecretString::from(token.as_str()),
            _ => self.open_id_token(client, ask, proven).await?,
        };
        let settings = self.sdk.unsigned(&self.config.region).await;
        assumption.credentials(&settings, &token, ask, &self.host, &self.sdk, &self.clock).await
    }

    async fn open_id_token(&self, client: &Client, ask: &Ask, proven: Proven) -> Result<SecretString, Failure> {
        let output = client
            .get_open_id_token()
            .identity_id(&proven.identity_id)
            .set_logins((!proven.logins.is_empty()).then_some(proven.logins))
            .send()
            .await
            .map_err(|error| self.refused(ask, "GetOpenIdToken", &error))?;
        self.adopt(ask, output.identity_id());
        output.token().map(SecretString::from).ok_or_else(|| without("GetOpenIdToken", "a token"))
    }

    fn adopt(&self, ask: &Ask, identity_id: Option<&str>) {
        if let Some(adopted) = identity_id {
            self.identities.remember(ask, adopted);
        }
    }

    async fn obtain(&self, ask: &Ask) -> Result<Issued<AwsCredentials>, Failure> {
        let client = Client::new(&self.sdk.unsigned(&self.config.region).await);
        let proven = self.prove(&client, ask).await?;
        match &self.config.flow {
            Flow::Enhanced(role) => self.enhanced(&client, ask, proven, role.as_ref()).await,
            Flow::Basic(assumption) => self.basic(&client, ask, proven, assumption).await,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the login token is a parameter of the operation")]
fn login(provider: &str, token: &SecretString) -> HashMap<String, String> {
    HashMap::from([(provider.to_owned(), token.expose_secret().to_owned())])
}

fn without(operation: &str, part: &str) -> Failure {
    Failure::new(FailureKind::Malformed, format!("{WHAT} ({operation}) answered without {part}; it is asked again"))
}

#[async_trait]
impl Source<AwsCredentials> for IdentityPool {
    async fn fetch(&self, ask: &Ask) -> Result<Issued<AwsCredentials>, Failure> {
        self.obtain(ask).await
    }
}
