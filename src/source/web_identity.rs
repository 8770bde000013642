//! STS AssumeRoleWithWebIdentity: AWS credentials for a token of somebody else. Not signed.
//!
//! The token is another entry's, a file's, which is read at each use because whoever writes it replaces it, or a subject
//! token. STS fetches the issuer's keys: when it cannot (IDPCommunicationError) the same request may do a moment later. An
//! expired token (ExpiredTokenException) is looked for once more before it counts as a failure.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sts::operation::RequestId as _;
use aws_sdk_sts::types::PolicyDescriptorType;
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::aws::{self, Parts, Sdk};
use super::session_policy::{self, Policy};
use super::subject::no_subject;
use super::template::Template;
use super::{Ask, AwsCredentials, BearerToken, Failure, FailureKind, Source, Stage};
use crate::clock::{Clock, Moment};
use crate::lease::Issued;
use crate::secret::Secret;

const WHAT: &str = "AWS STS";
/// What STS grants when no `DurationSeconds` is asked for.
const DEFAULT_DURATION: Duration = Duration::from_secs(3_600);
/// So often STS is asked while it cannot reach the token's issuer …
const ATTEMPTS: u32 = 3;
/// … within this, …
const BUDGET: Duration = Duration::from_secs(5);
/// … with a pause that doubles from here.
const PAUSE: Duration = Duration::from_millis(100);

const EXPIRED_SUBJECT: &str =
    "AWS STS says that the subject token has expired: hand in a new one, and check this machine's clock";

/// The role that a token is exchanged for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// The role's ARN.
    pub role_arn: String,
    /// What CloudTrail shows as the session.
    pub session_name: Template,
    /// How long the session shall live; STS grants an hour if nothing is said.
    pub duration: Option<Duration>,
    /// A session policy that narrows the role.
    pub policy: Option<Policy>,
    /// Managed policies that narrow the role.
    pub policy_arns: Vec<String>,
}

/// Where the token comes from.
pub enum Token {
    /// Another entry.
    Held(Arc<dyn Stage<BearerToken>>),
    /// A file, read at each use.
    File(PathBuf),
    /// The caller.
    Subject,
}

/// The source.
pub struct WebIdentity {
    assumption: Assumption,
    token: Token,
    sdk: Arc<Sdk>,
    host: Arc<str>,
    clock: Clock,
}

impl WebIdentity {
    /// Exchanges `token` as `assumption` says, on the machine called `host`.
    pub fn new(assumption: Assumption, token: Token, sdk: Arc<Sdk>, host: Arc<str>, clock: Clock) -> Self {
        Self { assumption, token, sdk, host, clock }
    }

    async fn exchange(&self, ask: &Ask, token: &SecretString) -> Result<Issued<AwsCredentials>, Failure> {
        let settings = self.sdk.unsigned_at_home().await?;
        self.assumption.credentials(&settings, token, ask, &self.host, &self.sdk, &self.clock).await
    }

    async fn with_held(
        &self,
        ask: &Ask,
        stage: &Arc<dyn Stage<BearerToken>>,
    ) -> Result<Issued<AwsCredentials>, Failure> {
        let lease = stage.held(ask).await?;
        match self.exchange(ask, &lease.value.token).await {
            Err(refused) if refused.expired => match stage.newer(ask, &lease).await {
                Some(newer) => self.exchange(ask, &newer.value.token).await,
                None => Err(refused),
            },
            outcome => outcome,
        }
    }

    async fn with_file(&self, ask: &Ask, path: &Path) -> Result<Issued<AwsCredentials>, Failure> {
        let token = read(path).await?;
        let refused = match self.exchange(ask, &token).await {
            Err(refused) if refused.expired => refused,
            outcome => return outcome,
        };
        let again = read(path).await?;
        if is_same(&token, &again) {
            let message = format!(
                "{refused}; the token in {} has expired: whoever writes that file does not renew it",
                path.display()
            );
            return Err(Failure { message, ..refused });
        }
        self.exchange(ask, &again).await
    }

    async fn with_subject(&self, ask: &Ask) -> Result<Issued<AwsCredentials>, Failure> {
        let subject = ask.subject.as_ref().ok_or_else(no_subject)?;
        // Nobody renews it but the caller, so asking again with the same one is in vain.
        self.exchange(ask, subject.token()).await.map_err(|refused| match refused.expired {
            true => Failure::new(FailureKind::Denied, EXPIRED_SUBJECT),
            false => refused,
        })
    }
}

async fn read(path: &Path) -> Result<SecretString, Failure> {
    Ok(Secret::File(path.to_owned()).obtain(&Arc::default()).await?)
}

#[expect(clippy::disallowed_methods, reason = "two readings of one file are compared")]
fn is_same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

impl Assumption {
    /// Does what is asked for depend on who asks?
    pub fn names_caller(&self) -> bool {
        self.session_name.names_caller()
    }

    /// Credentials of the role for `token`.
    ///
    /// # Errors
    /// As STS answers.
    #[expect(clippy::disallowed_methods, reason = "the token is a parameter of the operation")]
    pub async fn credentials(
        &self,
        settings: &SdkConfig,
        token: &SecretString,
        ask: &Ask,
        host: &str,
        sdk: &Sdk,
        clock: &Clock,
    ) -> Result<Issued<AwsCredentials>, Failure> {
        let arns: Vec<_> =
            self.policy_arns.iter().map(|arn| PolicyDescriptorType::builder().arn(arn).build()).collect();
        let request = aws_sdk_sts::Client::new(settings)
            .assume_role_with_web_identity()
            .role_arn(&self.role_arn)
            .role_session_name(self.session_name.session_name(ask, host))
            .web_identity_token(token.expose_secret())
            .set_duration_seconds(self.duration.map(|d| i32::try_from(d.as_secs()).unwrap_or(i32::MAX)))
            .set_policy(session_policy::text_of(self.policy.as_ref()).await?)
            .set_policy_arns((!arns.is_empty()).then_some(arns));
        let (mut attempt, first_at) = (1, clock.now());
        let may_pass = |error: &str, attempt: u32, now: Moment| {
            error == "IDPCommunicationError" && attempt < ATTEMPTS && now.since(first_at) < BUDGET
        };
        let (sent_at, output) = loop {
            let sent_at = clock.now();
            match request.clone().send().await {
                Ok(output) => break (sent_at, output),
                Err(error) if may_pass(error.code().unwrap_or_default(), attempt, clock.now()) => {
                    let pause = PAUSE.saturating_mul(1 << (attempt - 1)).mul_f64(fastrand::f64());
                    clock.sleep_until(clock.now().plus(pause)).await;
                    attempt += 1;
                }
                Err(error) => return Err(aws::failure(WHAT, "AssumeRoleWithWebIdentity", &error)),
            }
        };
        let parts = Parts::from(output.credentials());
        let account = output.assumed_role_user().and_then(|user| aws::account_of(user.arn()));
        let longest = self.duration.unwrap_or(DEFAULT_DURATION);
        let role = (account, Some(self.role_arn.clone()));
        Ok(aws::issued(WHAT, &parts, role, longest, sent_at, sdk.reading())?.by_request(output.request_id()))
    }
}

#[async_trait]
impl Source<AwsCredentials> for WebIdentity {
    async fn fetch(&self, ask: &Ask) -> Result<Issued<AwsCredentials>, Failure> {
        match &self.token {
            Token::Held(stage) => self.with_held(ask, stage).await,
            Token::File(path) => self.with_file(ask, path).await,
            Token::Subject => self.with_subject(ask).await,
        }
    }
}
