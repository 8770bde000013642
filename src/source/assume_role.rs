//! STS AssumeRole, signed with the broker's own identity or with another entry's credentials.
//!
//! A role assumed with temporary credentials (a chain) lives an hour at most; STS refuses more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sts::operation::RequestId as _;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};

use super::aws::{self, Identity, Parts, Sdk};
use super::session_policy::{self, Policy};
use super::template::Template;
use super::{Ask, AwsCredentials, Failure, FailureKind, Source};
use crate::clock::Clock;
use crate::lease::Issued;

const WHAT: &str = "AWS STS";
/// What STS grants when no `DurationSeconds` is asked for.
const DEFAULT_DURATION: Duration = Duration::from_secs(3_600);

/// One role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The role's ARN.
    pub role_arn: String,
    /// What CloudTrail shows as the session.
    pub session_name: Template,
    /// How long the session shall live; STS grants an hour if nothing is said.
    pub duration: Option<Duration>,
    /// What the role's trust policy may ask for.
    pub external_id: Option<String>,
    /// Who is behind the session; stays with it through chains.
    pub source_identity: Option<Template>,
    /// A session policy that narrows the role.
    pub policy: Option<Policy>,
    /// Managed policies that narrow the role.
    pub policy_arns: Vec<String>,
    /// Session tags.
    pub tags: BTreeMap<String, Template>,
    /// Tags that stay with the session through chains.
    pub transitive_tags: Vec<String>,
}

impl Config {
    /// Does what is asked for depend on who asks?
    pub fn names_caller(&self) -> bool {
        self.session_name.names_caller()
            || self.source_identity.as_ref().is_some_and(Template::names_caller)
            || self.tags.values().any(Template::names_caller)
    }
}

/// The source.
pub struct AssumeRole {
    config: Config,
    sdk: Arc<Sdk>,
    identity: Identity,
    host: Arc<str>,
    clock: Clock,
}

impl AssumeRole {
    /// Assumes the role of `config` as `identity`, on the machine called `host`.
    pub fn new(config: Config, sdk: Arc<Sdk>, identity: Identity, host: Arc<str>, clock: Clock) -> Self {
        Self { config, sdk, identity, host, clock }
    }

    fn tags(&self, ask: &Ask) -> Result<Option<Vec<Tag>>, Failure> {
        let tag =
            |(key, value): (&String, &Template)| Tag::builder().key(key).value(value.render(ask, &self.host)).build();
        let tags: Result<Vec<Tag>, _> = self.config.tags.iter().map(tag).collect();
        let tags =
            tags.map_err(|_| Failure::new(FailureKind::Misconfigured, "a session tag has no key or no value"))?;
        Ok(some(tags))
    }

    async fn assume(&self, ask: &Ask, signer: &AwsCredentials) -> Result<Issued<AwsCredentials>, Failure> {
        let client = aws_sdk_sts::Client::new(&self.sdk.signing_at_home(signer).await?);
        let config = &self.config;
        let arns = config.policy_arns.iter().map(|arn| PolicyDescriptorType::builder().arn(arn).build()).collect();
        let request = client
            .assume_role()
            .role_arn(&config.role_arn)
            .role_session_name(config.session_name.session_name(ask, &self.host))
            .set_duration_seconds(config.duration.map(|d| i32::try_from(d.as_secs()).unwrap_or(i32::MAX)))
            .set_external_id(config.external_id.clone())
            .set_source_identity(config.source_identity.as_ref().map(|id| id.session_name(ask, &self.host)))
            .set_policy(session_policy::text_of(config.policy.as_ref()).await?)
            .set_policy_arns(some(arns))
            .set_tags(self.tags(ask)?)
            .set_transitive_tag_keys(some(config.transitive_tags.clone()));
        let sent_at = self.clock.now();
        let output = request.send().await.map_err(|error| aws::failure(WHAT, "AssumeRole", &error))?;
        let parts = Parts::from(output.credentials());
        let account = output.assumed_role_user().and_then(|user| aws::account_of(user.arn()));
        let longest = config.duration.unwrap_or(DEFAULT_DURATION);
        let role = (account, Some(config.role_arn.clone()));
        let issued = aws::issued(WHAT, &parts, role, longest, sent_at, self.sdk.reading())?;
        Ok(issued.by_request(output.request_id()))
    }
}

/// An empty list is left out of the request.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

#[async_trait]
impl Source<AwsCredentials> for AssumeRole {
    async fn fetch(&self, ask: &Ask) -> Result<Issued<AwsCredentials>, Failure> {
        aws::signed_by(&self.sdk, &self.identity, ask, |signer| async move { self.assume(ask, &signer.value).await })
            .await
    }
}
