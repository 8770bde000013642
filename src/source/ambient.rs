//! The broker's own identity as the AWS SDK's chain finds it: environment, profile, web identity, container, instance.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::provider::{ProvideCredentials as _, error::CredentialsError};
use secrecy::SecretString;

use super::aws::Sdk;
use super::upstream::innermost;
use super::{Ask, AwsCredentials, Failure, FailureKind, Source};
use crate::clock::Clock;
use crate::lease::Issued;

/// Long-term keys name no expiry; they are looked up again, and handed out, for this long.
const LIFE_OF_KEYS: Duration = Duration::from_secs(60 * 60);

/// No session lives longer (AssumeRole); what claims to was seen through a slow wall clock.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);

/// The source.
pub struct Ambient {
    sdk: Arc<Sdk>,
    clock: Clock,
}

impl Ambient {
    /// The identity that `sdk` finds.
    pub fn new(sdk: Arc<Sdk>, clock: Clock) -> Self {
        Self { sdk, clock }
    }
}

#[async_trait]
impl Source<AwsCredentials> for Ambient {
    async fn fetch(&self, _: &Ask) -> Result<Issued<AwsCredentials>, Failure> {
        let sent_at = self.clock.now();
        let provider = self.sdk.identity().await?.ok_or_else(none_found)?;
        let found = provider.provide_credentials().await.map_err(|error| failure(&error))?;
        let expiry = found.expiry().map_or_else(
            || sent_at.plus(LIFE_OF_KEYS),
            |wall| self.sdk.reading_of_identity(sent_at).moment_of(wall).min(sent_at.plus(LONGEST)),
        );
        let value = AwsCredentials {
            access_key_id: found.access_key_id().to_owned(),
            secret_access_key: SecretString::from(found.secret_access_key()),
            session_token: found.session_token().map(SecretString::from),
            account_id: found.account_id().map(|account| account.as_str().to_owned()),
            role_arn: None,
        };
        Ok(Issued::new(value, sent_at, expiry))
    }
}

fn none_found() -> Failure {
    Failure::new(
        FailureKind::Misconfigured,
        "the broker has no AWS identity of its own; give it a role (instance, task, web identity), a profile or keys in its environment",
    )
}

fn failure(error: &CredentialsError) -> Failure {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => none_found(),
        CredentialsError::ProviderTimedOut(_) => {
            Failure::timed_out("the provider of the broker's own AWS identity", Duration::from_secs(5))
        }
        CredentialsError::InvalidConfiguration(_) => Failure::new(
            FailureKind::Misconfigured,
            format!("the broker's own AWS identity is misconfigured: {}", innermost(error)),
        ),
        _ => Failure::new(
            FailureKind::Unavailable,
            format!("the broker's own AWS identity cannot be loaded: {}; it is tried again", innermost(error)),
        ),
    }
}
