//! The `pools` section: Cognito user pools.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `[pools."REGION_ID"]`: a user pool.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// `domain`: prefix of the hosted domain `PREFIX.auth.REGION.amazoncognito.com`.
    pub domain: Option<String>,
    /// `issuer`: `original` (default) or `updated`, the form of the `iss` claim.
    #[serde(default)]
    pub issuer: Issuer,
    /// `resource_servers`: scope names by resource server identifier.
    #[serde(default)]
    pub resource_servers: BTreeMap<String, Vec<String>>,
    /// `clients`: app clients by client id.
    #[serde(default)]
    pub clients: BTreeMap<String, Client>,
    /// `users`: users by user name.
    #[serde(default)]
    pub users: BTreeMap<String, User>,
}

/// `IssuerConfiguration.Type` of a user pool.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Issuer {
    /// `https://cognito-idp.REGION.amazonaws.com/POOL`
    #[default]
    Original,
    /// `https://issuer-cognito-idp.REGION.amazonaws.com/POOL`
    Updated,
}

/// `[pools.….clients.ID]`: an app client.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// `secrets`: none (a public client), one, or two that are both accepted; 24 to 64 of `[\w+]`.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// `oauth_flows`: of `client_credentials`, `code`, `implicit`.
    #[serde(default)]
    pub oauth_flows: Vec<String>,
    /// `explicit_auth_flows`: `ALLOW_CLIENT_TOKEN_AUTH` alone, or user flows.
    #[serde(default)]
    pub explicit_auth_flows: Vec<String>,
    /// `scopes`: `resource-server/scope` names the client may ask for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// `access_token_validity`: seconds, 300 to 86400, default 3600.
    #[serde(default = "one_hour")]
    pub access_token_validity: u64,
    /// `id_token_validity`: seconds, 300 to 86400, default 3600.
    #[serde(default = "one_hour")]
    pub id_token_validity: u64,
    /// `refresh_token_validity`: seconds, 3600 to 315360000, default 30 days.
    #[serde(default = "thirty_days")]
    pub refresh_token_validity: u64,
    /// `refresh_token_rotation`: whether each use of a refresh token gives the next one. Then only
    /// `GetTokensFromRefreshToken` renews.
    #[serde(default)]
    pub refresh_token_rotation: bool,
    /// `retry_grace_period`: seconds, 0 to 60, that a replaced refresh token still works.
    #[serde(default)]
    pub retry_grace_period: u64,
}

impl Client {
    pub(crate) fn has_flow(&self, flow: &str) -> bool {
        self.explicit_auth_flows.iter().any(|f| f == flow)
    }

    pub(crate) fn has_grant(&self, grant: &str) -> bool {
        self.oauth_flows.iter().any(|f| f == grant)
    }
}

impl Pool {
    /// The user of this name or alias, with the real name.
    pub(crate) fn user(&self, name: &str) -> Option<(&str, &User)> {
        let meant = |(real, user): &(&String, &User)| *real == name || user.alias.as_deref() == Some(name);
        self.users.iter().find(meant).map(|(real, user)| (real.as_str(), user))
    }
}

/// `[pools.….users.NAME]`: a user.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// `password`: what `USER_PASSWORD_AUTH` must send.
    pub password: String,
    /// `alias`: another name to sign in with, such as an e-mail address.
    pub alias: Option<String>,
    /// `sub`: the user's immutable id.
    pub sub: String,
    /// `groups`: becomes `cognito:groups` when not empty.
    #[serde(default)]
    pub groups: Vec<String>,
    /// `roles`: role ARNs, becomes `cognito:roles` when not empty.
    #[serde(default)]
    pub roles: Vec<String>,
    /// `challenge`: `InitiateAuth` answers this challenge instead of tokens.
    pub challenge: Option<String>,
}

fn one_hour() -> u64 {
    3600
}

fn thirty_days() -> u64 {
    30 * 24 * 3600
}
