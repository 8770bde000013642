//! The `iam` section: users with long-term keys, and roles with trust policies.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `[iam]`: the principals of the account.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Iam {
    /// `[iam.users.NAME]`, principal `arn:aws:iam::ACCOUNT:user/NAME`.
    #[serde(default)]
    pub users: BTreeMap<String, IamUser>,
    /// `[iam.roles.NAME]`, principal `arn:aws:iam::ACCOUNT:role/NAME`.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
}

/// An IAM user with one long-term access key.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IamUser {
    /// `access_key_id`: 16 to 128 of `[A-Za-z0-9_]`, unique.
    pub access_key_id: String,
    /// `secret_access_key`: any non-empty text.
    pub secret_access_key: String,
    /// `allow`: the actions this user may call (`service:Action`, `service:*` or `*`).
    #[serde(default)]
    pub allow: Vec<String>,
}

/// An IAM role.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// `trust`: who may assume the role; any one entry suffices.
    #[serde(default)]
    pub trust: Vec<Trust>,
    /// `allow`: the actions sessions of this role may call.
    #[serde(default)]
    pub allow: Vec<String>,
    /// `max_session_duration`: seconds, 3600 to 43200, default 3600.
    #[serde(default = "one_hour")]
    pub max_session_duration: u64,
}

/// One statement of a trust policy: either `aws` or `federated`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// `aws`: the ARN of a user, a role (stands for all its sessions), one assumed-role session,
    /// or `arn:aws:iam::ACCOUNT:root` for the whole account.
    pub aws: Option<String>,
    /// `external_id`: the `ExternalId` an `aws` caller must send.
    pub external_id: Option<String>,
    /// `federated`: `cognito-identity.amazonaws.com`, or a user pool's
    /// `cognito-idp.REGION.amazonaws.com/POOL` (bare or as an `oidc-provider` ARN).
    pub federated: Option<String>,
    /// `audience`: the `aud` the web identity must carry (required with `federated`).
    pub audience: Option<String>,
    /// `amr`: a value the `amr` claim must contain.
    pub amr: Option<String>,
    /// `subject`: the exact `sub` the web identity must carry.
    pub subject: Option<String>,
}

fn one_hour() -> u64 {
    3600
}
