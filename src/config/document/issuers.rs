//! `[issuers.*]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::HandOut;
use crate::config::text::{IssuerUrl, Read, Scope, UpstreamUrl, UserPoolId};

/// An authority whose inbound JWTs the broker verifies: a Cognito user pool, or any issuer by its URL.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-one-of" = ["user_pool", "issuer"]))]
#[schemars(extend("dependentRequired" = { "jwks_uri": ["issuer"], "token_use": ["user_pool"] }))]
pub struct IssuerTable {
    /// The id of a Cognito user pool …
    pub user_pool: Option<Read<UserPoolId>>,
    /// … or an issuer, spelled as its tokens spell it.
    pub issuer: Option<Read<IssuerUrl>>,
    /// With issuer: where its keys are. Without it, its metadata says (RFC 8414, OpenID Connect Discovery).
    pub jwks_uri: Option<Read<UpstreamUrl>>,
    /// With user_pool: which tokens are accepted; "access" if nothing is said.
    pub token_use: Option<HandOut>,
    /// The clients whose tokens are accepted; all of the issuer's, if none is given.
    #[serde(default)]
    pub clients: Vec<String>,
    /// With issuer: the audiences that are accepted; all, if none is given.
    #[serde(default)]
    pub audience: Vec<String>,
    /// The scopes that are all required.
    #[serde(default)]
    pub scopes: Vec<Read<Scope>>,
    /// By how much the issuer's clock and ours may differ, up to 5m; not at all, if nothing is said.
    pub leeway: Option<Read<Duration>>,
}
