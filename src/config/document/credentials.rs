//! `[credentials.*]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Override;
use crate::config::text::{IdentityPoolId, PolicyArn, Read, RoleArn};
use crate::source::template::Template;

/// Temporary AWS credentials the broker can obtain.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct CredentialsTable {
    /// Where they come from.
    #[serde(flatten)]
    pub source: CredentialsSource,
    /// How they are kept fresh.
    #[serde(flatten)]
    pub refresh: Override,
}

/// Where credentials come from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum CredentialsSource {
    /// STS AssumeRole.
    AssumeRole(Box<AssumeRole>),
    /// STS AssumeRoleWithWebIdentity.
    WebIdentity(WebIdentity),
    /// A Cognito identity pool.
    IdentityPool(IdentityPool),
    /// The broker's own identity, as it is.
    Ambient(Ambient),
}

/// The broker's own identity, as it is.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Ambient {}

/// STS AssumeRole.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct AssumeRole {
    /// The role.
    pub role_arn: Read<RoleArn>,
    /// The credentials that assume it; the broker's own by default.
    #[serde(rename = "as")]
    #[schemars(extend("x-ref" = ["credentials"]))]
    pub identity: Option<String>,
    /// What CloudTrail shows as the session; {caller} and {host} may stand in it.
    pub session_name: Option<Read<Template>>,
    /// How long the session lives, 15 min to 12 h; 1 h at most in a chain.
    pub duration: Option<Read<Duration>>,
    /// What the role's trust policy may ask for.
    #[schemars(length(min = 2, max = 1224))]
    pub external_id: Option<String>,
    /// Who is behind the session; {caller} and {host} may stand in it.
    pub source_identity: Option<Read<Template>>,
    /// A session policy that narrows the role.
    pub policy: Option<PolicyPlace>,
    /// Managed policies that narrow the role.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub policy_arns: Vec<Read<PolicyArn>>,
    /// Session tags; {caller} and {host} may stand in their values.
    #[serde(default)]
    pub tags: BTreeMap<String, Read<Template>>,
    /// Tags that stay with the session through chains.
    #[serde(default)]
    pub transitive_tags: Vec<String>,
    /// Not for a daemon: a code of multi-factor authentication comes from a person.
    #[schemars(extend("x-refused" = NO_PERSON))]
    pub mfa_serial: Option<String>,
    /// Not for a daemon, as mfa_serial.
    #[schemars(extend("x-refused" = NO_PERSON))]
    pub token_code: Option<String>,
}

/// Why multi-factor authentication is refused.
const NO_PERSON: &str = "multi-factor authentication needs a person, and nobody is here when the role is assumed; \
     let the role's trust policy name the broker's identity without it";

/// A session policy: exactly one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-one-of" = ["file", "json"]))]
pub struct PolicyPlace {
    /// In a file, read at each use.
    #[schemars(length(min = 1))]
    pub file: Option<PathBuf>,
    /// As JSON text.
    pub json: Option<String>,
}

/// STS AssumeRoleWithWebIdentity.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct WebIdentity {
    /// The role.
    pub role_arn: Read<RoleArn>,
    /// The token: "tokens.NAME", { file = … }, or "caller" for a subject token.
    pub token: WebIdentityToken,
    /// With token = "caller": who verifies the subject token first. STS verifies it in any case.
    #[schemars(extend("x-ref" = ["issuers"]))]
    pub issuer: Option<String>,
    /// With token = "caller": so many subject tokens are held at a time, 1000 if nothing is said; the least recently used one
    /// makes room.
    #[schemars(range(min = 1, max = 10000))]
    pub max_subjects: Option<u32>,
    /// What CloudTrail shows as the session; {caller} and {host} may stand in it.
    pub session_name: Option<Read<Template>>,
    /// How long the session lives, 15 min to 12 h.
    pub duration: Option<Read<Duration>>,
    /// A session policy that narrows the role.
    pub policy: Option<PolicyPlace>,
    /// Managed policies that narrow the role.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub policy_arns: Vec<Read<PolicyArn>>,
}

/// Where a web identity token comes from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum WebIdentityToken {
    /// A token of the broker, or the caller's.
    Named(#[schemars(extend("x-ref" = ["tokens", "caller"]))] String),
    /// In a file, read at each use.
    File(TokenFile),
}

/// A token in a file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenFile {
    /// The file.
    #[schemars(length(min = 1))]
    pub file: PathBuf,
}

/// A Cognito identity pool.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct IdentityPool {
    /// The identity pool's id.
    pub identity_pool: Read<IdentityPoolId>,
    /// Whose credentials: "tokens.NAME" (an ID token), "caller" (a subject token), { provider, user } (a developer
    /// identity), or nothing for a guest.
    pub login: Option<Login>,
    /// With login = "caller": who verifies the subject token first.
    #[schemars(extend("x-ref" = ["issuers"]))]
    pub issuer: Option<String>,
    /// Which flow.
    #[serde(default)]
    pub flow: PoolFlow,
    /// With login = "caller": so many subject tokens are held at a time, 1000 if nothing is said; the least recently used one
    /// makes room.
    #[schemars(range(min = 1, max = 10000))]
    pub max_subjects: Option<u32>,
    /// Enhanced flow: CustomRoleArn. Basic flow: the role.
    pub role_arn: Option<Read<RoleArn>>,
    /// Basic flow: what CloudTrail shows as the session; {caller} and {host} may stand in it.
    pub session_name: Option<Read<Template>>,
    /// Basic flow: how long the session lives, 15 min to 12 h.
    pub duration: Option<Read<Duration>>,
}

/// Who an identity pool's credentials are for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Login {
    /// The user of a token of the broker, or of the caller's.
    Named(#[schemars(extend("x-ref" = ["tokens", "caller"]))] String),
    /// A developer identity.
    Developer(DeveloperLogin),
}

/// A developer identity.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeveloperLogin {
    /// The developer provider's name.
    #[schemars(length(min = 1, max = 128))]
    pub provider: String,
    /// Our name for the user; {caller} and {host} may stand in it.
    pub user: Read<Template>,
    /// PrincipalTags of the session; {caller} and {host} may stand in their values.
    #[serde(default)]
    pub tags: BTreeMap<String, Read<Template>>,
}

/// The flows of an identity pool.
#[derive(Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum PoolFlow {
    /// GetId and GetCredentialsForIdentity.
    #[default]
    Enhanced,
    /// GetId, GetOpenIdToken and AssumeRoleWithWebIdentity.
    Basic,
}
