//! STS GetWebIdentityToken: a JWT that proves an AWS principal to somebody outside of AWS, with no secret at all.
//!
//! Signed with the broker's own identity or with another entry's credentials. The account must have outbound web identity
//! federation enabled. The token lives 60 s to 1 h and may not outlive the session that asks for it, so less is asked for
//! where less is left. AWS itself does not take these tokens back (AssumeRoleWithWebIdentity refuses them).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sts::operation::RequestId as _;
use secrecy::SecretString;

use super::aws::{self, Identity, Sdk};
use super::bearer::{self, Grant};
use super::{Ask, AwsCredentials, BearerToken, Failure, FailureKind, Source};
use crate::clock::Clock;
use crate::lease::{Issued, Lease};

const WHAT: &str = "AWS STS";
/// What STS grants if nothing is said.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);
/// It grants no less.
const SHORTEST: Duration = Duration::from_secs(60);

/// One kind of token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whom it is for: one to ten.
    pub audience: Vec<String>,
    /// How long it shall live.
    pub lifetime: Duration,
    /// `ES384` or `RS256`.
    pub algorithm: &'static str,
}

/// The source.
pub struct IdentityToken {
    config: Config,
    sdk: Arc<Sdk>,
    identity: Identity,
    clock: Clock,
}

impl IdentityToken {
    /// Asks with `config` as `identity`.
    pub fn new(config: Config, sdk: Arc<Sdk>, identity: Identity, clock: Clock) -> Self {
        Self { config, sdk, identity, clock }
    }

    fn lifetime(&self, signer: &Lease<AwsCredentials>) -> Result<i32, Failure> {
        // A second for the way, so that the session is sure to outlive the token.
        let left = signer.remaining(self.clock.now()).saturating_sub(Duration::from_secs(1));
        if left < SHORTEST {
            let message = "the session that asks for the identity token ends within a minute; it is asked again with its successor";
            return Err(Failure::new(FailureKind::Unavailable, message));
        }
        Ok(i32::try_from(self.config.lifetime.min(left).as_secs()).unwrap_or(i32::MAX))
    }

    async fn ask(&self, signer: &Lease<AwsCredentials>) -> Result<Issued<BearerToken>, Failure> {
        let client = aws_sdk_sts::Client::new(&self.sdk.signing_at_home(&signer.value).await?);
        let lifetime = self.lifetime(signer)?;
        let sent_at = self.clock.now();
        let output = client
            .get_web_identity_token()
            .set_audience(Some(self.config.audience.clone()))
            .signing_algorithm(self.config.algorithm)
            .duration_seconds(lifetime)
            .send()
            .await
            .map_err(|error| aws::failure(WHAT, "GetWebIdentityToken", &error))?;
        let missing = || {
            let message = format!("{WHAT} (GetWebIdentityToken) answered without a token; it is asked again");
            Failure::new(FailureKind::Malformed, message)
        };
        let grant = Grant {
            access_token: SecretString::from(output.web_identity_token().ok_or_else(missing)?),
            token_type: "Bearer".to_owned(),
            expires_in: Some(u64::try_from(lifetime).unwrap_or_default()),
            scope: None,
        };
        let issued = bearer::issued(WHAT, grant, &[], sent_at, self.sdk.reading())?;
        Ok(issued.by_request(output.request_id()))
    }
}

#[async_trait]
impl Source<BearerToken> for IdentityToken {
    async fn fetch(&self, ask: &Ask) -> Result<Issued<BearerToken>, Failure> {
        aws::signed_by(&self.sdk, &self.identity, ask, |signer| async move { self.ask(&signer).await }).await
    }
}
