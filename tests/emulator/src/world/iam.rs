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
    /// `[iam.oidc_providers.NAME]`: issuers whose tokens `AssumeRoleWithWebIdentity` takes.
    #[serde(default)]
    pub oidc_providers: BTreeMap<String, OidcProvider>,
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

/// An OIDC provider: exactly one of `pool` and `authorization_server` says whose issuer it is.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcProvider {
    /// `pool`: a user pool id.
    pub pool: Option<String>,
    /// `authorization_server`: the name of one.
    pub authorization_server: Option<String>,
    /// `client_ids`: the audiences it may speak for.
    pub client_ids: Vec<String>,
    /// `rejected_subjects`: subjects it has revoked; their tokens answer `IDPRejectedClaim`.
    #[serde(default)]
    pub rejected_subjects: Vec<String>,
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
    /// `cognito-idp.REGION.amazonaws.com/POOL` (bare or as an `oidc-provider` ARN), or `oidc-provider/NAME` for
    /// one of `iam.oidc_providers`.
    pub federated: Option<String>,
    /// `audience`: the `aud` the web identity must carry (required with `federated`).
    pub audience: Option<String>,
    /// `amr`: a value the `amr` claim must contain.
    pub amr: Option<String>,
    /// `subject`: the exact `sub` the web identity must carry.
    pub subject: Option<String>,
    /// `tag_session`: whether a `federated` identity may bring tags (`sts:TagSession`); not by default.
    #[serde(default)]
    pub tag_session: bool,
}

fn one_hour() -> u64 {
    3600
}
