//! Cognito's GetClientToken: the client_credentials grant as an API operation, which needs no domain.
//!
//! The SDK models it as a signed operation although IAM is not evaluated for it. The client here has no credentials and
//! allows no authentication, both of which it takes for the request to be sent unsigned.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_cognitoidentityprovider::operation::RequestId as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::aws::{self, Sdk};
use super::bearer::{self, Grant};
use super::keyring::{Keyring, Keys, Place};
use super::{Ask, BearerToken, Failure, FailureKind, Source};
use crate::clock::Clock;
use crate::lease::Issued;

const WHAT: &str = "Amazon Cognito user pools";

/// One app client of one user pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The pool's region.
    pub region: String,
    /// The app client's id.
    pub client_id: String,
    /// Where its secret is, or its two.
    pub client_secret: Vec<Place>,
    /// What is asked for, unless a request narrows it.
    pub scopes: Vec<String>,
    /// `ClientMetadata`, for the pool's triggers.
    pub metadata: std::collections::BTreeMap<String, String>,
}

/// The source.
pub struct ClientToken {
    config: Config,
    sdk: Arc<Sdk>,
    clock: Clock,
    keys: Keys,
}

impl ClientToken {
    /// Asks with `config`.
    pub fn new(config: Config, sdk: Arc<Sdk>, clock: Clock, keyring: Keyring) -> Self {
        let keys = Keys::new(config.client_secret.clone(), keyring, clock.clone());
        Self { config, sdk, clock, keys }
    }

    #[expect(clippy::disallowed_methods, reason = "the secret is a parameter of the operation")]
    async fn ask(&self, ask: &Ask, secret: SecretString) -> Result<Issued<BearerToken>, Failure> {
        let config = &self.config;
        let settings = self.sdk.unsigned(&config.region).await;
        let client = aws_sdk_cognitoidentityprovider::Client::from_conf(
            aws_sdk_cognitoidentityprovider::config::Builder::from(&settings).allow_no_auth().build(),
        );
        let scopes = ask.scopes.clone().unwrap_or_else(|| config.scopes.clone());
        let metadata = config.metadata.clone().into_iter().collect::<std::collections::HashMap<_, _>>();
        let sent_at = self.clock.now();
        let output = client
            .get_client_token()
            .client_id(&config.client_id)
            .secret(secret.expose_secret())
            .set_scopes((!scopes.is_empty()).then(|| scopes.clone()))
            .set_client_metadata((!metadata.is_empty()).then_some(metadata))
            .send()
            .await
            .map_err(|error| aws::failure(WHAT, "GetClientToken", &error))?;
        let missing = || {
            Failure::new(
                FailureKind::Malformed,
                format!("{WHAT} (GetClientToken) answered without a token; it is asked again"),
            )
        };
        let result = output.client_authentication_result().ok_or_else(missing)?;
        let grant = Grant {
            access_token: SecretString::from(result.access_token().ok_or_else(missing)?),
            token_type: result.token_type().unwrap_or("Bearer").to_owned(),
            expires_in: Some(u64::try_from(result.expires_in()).unwrap_or(0)),
            scope: None,
        };
        let issued = bearer::issued(WHAT, grant, &scopes, sent_at, self.sdk.reading())?;
        Ok(issued.by_request(output.request_id()))
    }
}

#[async_trait]
impl Source<BearerToken> for ClientToken {
    async fn fetch(&self, ask: &Ask) -> Result<Issued<BearerToken>, Failure> {
        self.keys.attempt(|secret| self.ask(ask, secret)).await
    }

    async fn is_mended(&self) -> bool {
        self.keys.is_mended().await
    }
}
