//! What all sources share that go through the AWS SDK: the client settings, the identity that signs, and the one table from
//! AWS error codes to kinds ([`refusal`]).
//!
//! The SDK makes one attempt per call; the engine decides about the next. Credentials for signing are obtained as a stage
//! of their own and handed to the client, so that a failure there keeps its kind and its words.

mod hour;
mod refusal;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::types::Credentials as SentBySts;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::OnceCell;

use self::hour::{Dated, Hour};
use self::refusal::Said;
use super::upstream::{EXCHANGE, Upstream, innermost, unreachable};
use super::{Ask, AwsCredentials, Failure, FailureKind, Stage};
use crate::clock::{Clock, Moment, Reading};
use crate::lease::{Issued, Lease};

/// What AWS is called where its time is told.
pub const AWS: &str = "AWS";

/// The broker's own place in AWS: `[aws]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The region of STS; the SDK's own chain otherwise.
    pub region: Option<String>,
    /// The profile of the broker's own identity; the SDK's own chain otherwise.
    pub profile: Option<String>,
}

/// The SDK's settings. What concerns the broker's own place is resolved at first use, because finding the region may need
/// the network; a user pool or an identity pool has its region in its id and needs none of that.
#[derive(Debug)]
pub struct Sdk {
    config: Config,
    upstream: Upstream,
    clock: Clock,
    regional: OnceCell<SdkConfig>,
    own: OnceCell<Own>,
}

/// The broker's own place.
#[derive(Debug)]
struct Own {
    unsigned: SdkConfig,
    identity: Option<SharedCredentialsProvider>,
}

impl Sdk {
    /// Settings for clients that go out through `upstream`.
    pub fn new(config: Config, upstream: Upstream, clock: Clock) -> Self {
        Self { config, upstream, clock, regional: OnceCell::new(), own: OnceCell::new() }
    }

    /// Settings for a client in `region` that signs nothing.
    pub async fn unsigned(&self, region: &str) -> SdkConfig {
        let region = Region::new(region.to_owned());
        let any =
            self.regional.get_or_init(async || unsigned(&self.loader().region(region.clone()).load().await)).await;
        any.clone().into_builder().region(region).build()
    }

    /// The same, signing with `credentials`.
    pub async fn signing(&self, region: &str, credentials: &AwsCredentials) -> SdkConfig {
        signed(self.unsigned(region).await, credentials)
    }

    /// Settings for a client in the broker's own region, signing with `credentials`.
    ///
    /// # Errors
    /// `Misconfigured` if no region can be found; it is looked for again the next time.
    pub async fn signing_at_home(&self, credentials: &AwsCredentials) -> Result<SdkConfig, Failure> {
        Ok(signed(self.own().await?.unsigned.clone(), credentials))
    }

    /// Settings for a client in the broker's own region that signs nothing.
    ///
    /// # Errors
    /// As [`Self::signing_at_home`].
    pub async fn unsigned_at_home(&self) -> Result<SdkConfig, Failure> {
        Ok(self.own().await?.unsigned.clone())
    }

    /// The broker's own identity by the SDK's chain.
    ///
    /// # Errors
    /// As [`Self::signing_at_home`]: some providers of the chain ask STS in the broker's region.
    pub async fn identity(&self) -> Result<Option<SharedCredentialsProvider>, Failure> {
        Ok(self.own().await?.identity.clone())
    }

    /// What time it is at AWS, as far as it has said so.
    pub fn reading(&self) -> Reading {
        self.clock.reading_of(AWS)
    }

    /// What time it is where an identity was obtained with a request sent at `sent_at`: at the service of the host that gives it
    /// out, if that was asked, else at AWS.
    pub fn reading_of_identity(&self, sent_at: Moment) -> Reading {
        let host = self.clock.told_by(hour::HOST).filter(|reading| reading.taken_at() >= sent_at);
        host.unwrap_or_else(|| self.reading())
    }

    async fn own(&self) -> Result<&Own, Failure> {
        self.own.get_or_try_init(|| self.find_own()).await
    }

    async fn find_own(&self) -> Result<Own, Failure> {
        let mut loader = self.loader();
        if let Some(region) = &self.config.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let config = loader.load().await;
        if config.region().is_none() {
            let remedy =
                "the broker's own AWS region is not known; set region under [aws], or AWS_REGION for the daemon";
            return Err(Failure::new(FailureKind::Misconfigured, remedy));
        }
        Ok(Own { unsigned: unsigned(&config), identity: config.credentials_provider() })
    }

    fn loader(&self) -> ConfigLoader {
        let timeouts = TimeoutConfig::builder().operation_timeout(EXCHANGE).operation_attempt_timeout(EXCHANGE).build();
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(Dated::client(&self.upstream, &self.clock))
            .time_source(Hour(self.clock.clone()))
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        match &self.config.profile {
            Some(profile) => loader.profile_name(profile),
            None => loader,
        }
    }
}

fn unsigned(config: &SdkConfig) -> SdkConfig {
    let mut builder = config.clone().into_builder();
    builder.set_credentials_provider(None);
    builder.build()
}

fn signed(config: SdkConfig, credentials: &AwsCredentials) -> SdkConfig {
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(for_sdk(credentials))).build()
}

/// Our credentials as the SDK's, for signing.
#[expect(clippy::disallowed_methods, reason = "the SDK signs with them and clears its own copy")]
fn for_sdk(credentials: &AwsCredentials) -> Credentials {
    let mut builder = Credentials::builder()
        .access_key_id(&credentials.access_key_id)
        .secret_access_key(credentials.secret_access_key.expose_secret())
        .provider_name("credbroker");
    if let Some(token) = &credentials.session_token {
        builder = builder.session_token(token.expose_secret());
    }
    builder.build()
}

/// The parts of temporary credentials as STS and the identity pools send them.
pub struct Parts<'a> {
    /// `AccessKeyId`.
    pub access_key_id: Option<&'a str>,
    /// `SecretAccessKey`, or `SecretKey` from an identity pool.
    pub secret: Option<&'a str>,
    /// `SessionToken`.
    pub session_token: Option<&'a str>,
    /// `Expiration`.
    pub expiration: Option<SystemTime>,
}

/// What STS sends.
impl<'a> From<Option<&'a SentBySts>> for Parts<'a> {
    fn from(sent: Option<&'a SentBySts>) -> Self {
        Self {
            access_key_id: sent.map(SentBySts::access_key_id),
            secret: sent.map(SentBySts::secret_access_key),
            session_token: sent.map(SentBySts::session_token),
            expiration: sent.and_then(|sent| wall(sent.expiration())),
        }
    }
}

/// Checks temporary credentials before they may replace anything. Their end is an instant of the clock that `reading` is of; were that
/// slow, they would seem to live longer than any credentials do, so `longest` bounds their life.
///
/// # Errors
/// `Malformed` if a part is missing or the end of life lies behind us.
pub fn issued(
    what: &str,
    parts: &Parts<'_>,
    role: (Option<String>, Option<String>),
    longest: Duration,
    sent_at: Moment,
    reading: Reading,
) -> Result<Issued<AwsCredentials>, Failure> {
    let malformed = |fault: &str| {
        Failure::new(FailureKind::Malformed, format!("{what} issued {fault}; the old ones are kept, if any"))
    };
    let full = |part: Option<&str>| {
        part.filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())).map(str::to_owned)
    };
    let (Some(access_key_id), Some(secret), Some(session_token)) =
        (full(parts.access_key_id), full(parts.secret), full(parts.session_token))
    else {
        return Err(malformed("credentials without a key, a secret and a session token"));
    };
    let Some(expiration) = parts.expiration else {
        return Err(malformed("credentials without an expiration"));
    };
    let (account_id, role_arn) = role;
    let value = AwsCredentials {
        access_key_id,
        secret_access_key: SecretString::from(secret),
        session_token: Some(SecretString::from(session_token)),
        account_id,
        role_arn,
    };
    Ok(Issued::new(value, sent_at, reading.moment_of(expiration).min(sent_at.plus(longest))))
}

/// An SDK timestamp as a wall-clock instant.
pub fn wall(timestamp: &aws_smithy_types::DateTime) -> Option<SystemTime> {
    SystemTime::try_from(*timestamp).ok()
}

/// Why `operation` of `what` failed: the kind by the error code, and a remedy.
pub fn failure<E>(what: &str, operation: &str, error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let upstream = format!("{what} ({operation})");
    match error {
        SdkError::TimeoutError(_) => Failure::timed_out(&upstream, EXCHANGE),
        SdkError::DispatchFailure(failure) => failure.as_connector_error().map_or_else(
            || Failure::new(FailureKind::Unavailable, format!("{upstream} cannot be reached; it is asked again")),
            |cause| unreachable(&upstream, cause),
        ),
        SdkError::ServiceError(service) => {
            let said = Said { code: service.err().code(), message: service.err().message() };
            refusal::failure(what, operation, said, service.raw())
        }
        SdkError::ResponseError(response) => refusal::failure(what, operation, Said::default(), response.raw()),
        other => Failure::new(FailureKind::Misconfigured, format!("{upstream} cannot be asked: {}", innermost(other))),
    }
}

/// The account in an ARN: its fifth field.
pub fn account_of(arn: &str) -> Option<String> {
    arn.split(':')
        .nth(4)
        .filter(|account| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()))
        .map(ToOwned::to_owned)
}

/// The credentials that sign: the broker's own or another entry's.
pub type Identity = Arc<dyn Stage<AwsCredentials>>;

/// Makes `attempt` with what `identity` holds; where AWS says that this has expired, once more with newer credentials, if there
/// are any; and where its answer tells that the signature had the wrong time, once more with the right one.
///
/// # Errors
/// As `identity` and `attempt`.
pub async fn signed_by<T, F, A>(sdk: &Sdk, identity: &Identity, ask: &Ask, attempt: F) -> Result<T, Failure>
where
    F: Fn(Arc<Lease<AwsCredentials>>) -> A + Sync,
    A: Future<Output = Result<T, Failure>> + Send,
    T: Send,
{
    let signer = identity.held(ask).await?;
    let signed_at = sdk.reading();
    match attempt(Arc::clone(&signer)).await {
        Err(refused) if refused.kind.is_terminal() && sdk.reading().differs(signed_at) => attempt(signer).await,
        Err(refused) if refused.expired => match identity.newer(ask, &signer).await {
            Some(newer) => attempt(newer).await,
            None => Err(refused),
        },
        outcome => outcome,
    }
}

#[cfg(test)]
#[path = "aws_tests.rs"]
mod tests;
