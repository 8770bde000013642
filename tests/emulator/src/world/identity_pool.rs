//! The `identity_pools` section: Cognito identity pools.

use serde::Deserialize;

/// `[identity_pools."REGION:GUID"]`: an identity pool.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityPool {
    /// `providers`: user pool app clients whose ID tokens are accepted as logins.
    #[serde(default)]
    pub providers: Vec<Provider>,
    /// `developer_provider`: the developer provider name.
    pub developer_provider: Option<String>,
    /// `authenticated_role`: role ARN for identities with a login. It need not exist:
    /// a wrong one answers `InvalidIdentityPoolConfigurationException`.
    pub authenticated_role: Option<String>,
    /// `unauthenticated_role`: role ARN for guests.
    pub unauthenticated_role: Option<String>,
    /// `allow_unauthenticated`: whether guests get identities.
    #[serde(default)]
    pub allow_unauthenticated: bool,
    /// `allow_classic_flow`: whether `GetOpenIdToken` works (the basic flow).
    #[serde(default)]
    pub allow_classic_flow: bool,
}

/// A user pool app client an identity pool accepts.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// `pool`: user pool id.
    pub pool: String,
    /// `client`: app client id, the `aud` of its ID tokens.
    pub client: String,
}
