//! What all sources share that go through the AWS SDK: the client settings, the identity that signs, and the one table from
//! AWS error codes to kinds.
//!
//! The SDK makes one attempt per call; the engine decides about the next. Credentials for signing are obtained as a stage
//! of their own and handed to the client, so that a failure there keeps its kind and its words.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::OnceCell;

use super::upstream::{EXCHANGE, Upstream, innermost, unreachable};
use super::{AwsCredentials, Failure, FailureKind, Stage};
use crate::clock::Clock;
use crate::lease::Issued;

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
    pub fn new(config: Config, upstream: Upstream) -> Self {
        Self { config, upstream, regional: OnceCell::new(), own: OnceCell::new() }
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
            .http_client(self.upstream.http_client())
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

/// Checks temporary credentials before they may replace anything. Their end is absolute and seen through this machine's wall
/// clock; were that slow, they would seem to live longer than any credentials do, so `longest` bounds their life.
///
/// # Errors
/// `Malformed` if a part is missing or the end of life lies behind us.
pub fn issued(
    what: &str,
    parts: &Parts<'_>,
    role: (Option<String>, Option<String>),
    longest: Duration,
    sent_at: crate::clock::Moment,
    clock: &Clock,
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
    Ok(Issued::new(value, sent_at, clock.moment_of(expiration).min(sent_at.plus(longest))))
}

/// An SDK timestamp as a wall-clock instant.
pub fn wall(timestamp: &aws_smithy_types::DateTime) -> Option<SystemTime> {
    SystemTime::try_from(*timestamp).ok()
}

/// Why `operation` of `what` failed: the kind by the error code, and a remedy. AWS's own message is left out, for a
/// validation error quotes the value that it found wrong.
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
        SdkError::ServiceError(service) => answered(&upstream, service.err().code(), service.raw()),
        SdkError::ResponseError(response) => answered(&upstream, None, response.raw()),
        other => Failure::new(FailureKind::Misconfigured, format!("{upstream} cannot be asked: {}", innermost(other))),
    }
}

fn answered(upstream: &str, code: Option<&str>, response: &HttpResponse) -> Failure {
    let status = response.status().as_u16();
    let (kind, remedy) = match code {
        Some(code) => by_code(code).unwrap_or_else(|| by_status(status)),
        None => by_status(status),
    };
    let said =
        code.filter(|code| code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"._".contains(&b)));
    let said = said.map_or_else(|| format!("status {status}"), ToOwned::to_owned);
    let mut failure = Failure::new(kind, format!("{upstream} answered {said}: {remedy}"));
    failure.retry_after = retry_after(response);
    failure.secret_refused = code == Some("NotAuthorizedException");
    failure
}

fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let header = |name| response.headers().get(name).and_then(|value| value.trim().parse().ok());
    header("x-amz-retry-after").map(Duration::from_millis).or_else(|| header("retry-after").map(Duration::from_secs))
}

fn by_status(status: u16) -> (FailureKind, &'static str) {
    match status {
        429 => (FailureKind::Throttled, "too many requests; it is asked again later"),
        403 => (FailureKind::Denied, "check the permissions of the broker's identity, and any firewall in between"),
        500.. => (FailureKind::Unavailable, "it is asked again"),
        _ => (FailureKind::Malformed, "that is no answer of this AWS API; check the endpoint"),
    }
}

/// Every error code of the operations in use, with what an operator can do about it.
fn by_code(code: &str) -> Option<(FailureKind, &'static str)> {
    use FailureKind::{Denied, Misconfigured, Throttled, Unavailable};
    Some(match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "SlowDown"
        | "LimitExceededException" => (Throttled, "too many requests for the account's quota; it is asked again later"),
        "NotAuthorizedException" => (
            Denied,
            "the client id, secret, password or login token is wrong, or its flow is not enabled; put the current one in its place",
        ),
        "AccessDenied" | "AccessDeniedException" => {
            (Denied, "allow the action for the broker's identity, and let the role's trust policy name it")
        }
        "RefreshTokenReuseException" => {
            (Denied, "the refresh token was replaced by another one; the machine user signs in again")
        }
        "ForbiddenException" => (Denied, "a web application firewall of the user pool blocks the broker"),
        "UserNotFoundException" => (Denied, "there is no such user; check username"),
        "UserNotConfirmedException" | "PasswordResetRequiredException" => {
            (Denied, "the machine user needs a person first; confirm it or set a permanent password")
        }
        "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidAccessKeyId" => {
            (Denied, "AWS does not know the access key of the broker's identity; replace it")
        }
        "SignatureDoesNotMatch" | "InvalidSignatureException" => {
            (Denied, "the signature is refused; check the secret key of the broker's identity and this machine's clock")
        }
        "MissingAuthenticationToken" | "MissingAuthenticationTokenException" | "IncompleteSignature" => {
            (Denied, "the request was not signed; give the broker an identity of its own")
        }
        "InvalidIdentityToken" | "IDPRejectedClaim" => {
            (Denied, "the identity token is refused; check its issuer and audience")
        }
        "InvalidParameterException" | "ValidationError" | "ValidationException" | "InvalidParameterValue" => {
            (Misconfigured, "a configured value is not accepted; check scopes, duration and names")
        }
        "ResourceNotFoundException" => {
            (Misconfigured, "no such pool, client, identity or secret; check the ids and the region")
        }
        "OperationNotEnabledException" => {
            (Misconfigured, "the operation is not available for this user pool; use the token endpoint (domain)")
        }
        "InvalidIdentityPoolConfigurationException" => {
            (Misconfigured, "the identity pool's role is missing or does not trust the pool")
        }
        "MalformedPolicyDocument" | "MalformedPolicyDocumentException" => {
            (Misconfigured, "the session policy is not a policy")
        }
        "PackedPolicyTooLarge" | "PackedPolicyTooLargeException" => {
            (Misconfigured, "session policy and tags are too large together")
        }
        "OutboundWebIdentityFederationDisabledException" | "OutboundWebIdentityFederationDisabled" => (
            Misconfigured,
            "the account issues no identity tokens; enable outbound web identity federation for it (iam:EnableOutboundWebIdentityFederation)",
        ),
        "JWTPayloadSizeExceededException" => {
            (Misconfigured, "the identity token would be too large; use fewer audiences")
        }
        "InvalidRequestException" => {
            (Misconfigured, "the secret is marked for deletion or cannot be read in this state; restore it")
        }
        "DecryptionFailure" => {
            (Denied, "the secret cannot be decrypted; allow kms:Decrypt with its key for the broker's identity")
        }
        "RegionDisabledException" => (Misconfigured, "STS is not enabled in this region for the account"),
        "ResourceConflictException" | "DeveloperUserAlreadyRegisteredException" => {
            (Misconfigured, "the login belongs to another identity")
        }
        "UserLambdaValidationException" | "UnexpectedLambdaException" | "InvalidLambdaResponseException" => {
            (Misconfigured, "a trigger of the user pool fails; look at its log")
        }
        "UnknownOperationException" | "InvalidAction" | "NotImplemented" => {
            (Misconfigured, "the endpoint does not know the operation; check it")
        }
        "FeatureUnavailableInTierException" => {
            (Misconfigured, "the plan of the user pool does not include it; change the plan or the flow")
        }
        "MFAMethodNotFoundException" | "SoftwareTokenMFANotFoundException" => {
            (Misconfigured, "the user pool asks for a second factor; turn multi-factor authentication off for the user")
        }
        "InvalidUserPoolConfigurationException" => {
            (Misconfigured, "the user pool's configuration is not valid for this flow")
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => (
            Unavailable,
            "what it was asked with has expired; it is asked again with a fresh one (check this machine's clock if it stays)",
        ),
        "SessionDurationEscalationException" => {
            (Unavailable, "the token would outlive the session that asks for it; it is asked again")
        }
        "IDPCommunicationError"
        | "InternalErrorException"
        | "InternalServerException"
        | "InternalFailure"
        | "InternalError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "ExternalServiceException"
        | "RequestTimeout"
        | "RequestTimeoutException" => (Unavailable, "it is asked again"),
        _ => return None,
    })
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

#[cfg(test)]
#[path = "aws_tests.rs"]
mod tests;
