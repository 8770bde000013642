//! The world file: which accounts, pools, clients, users and roles exist.
//!
//! ```toml
//! region  = "eu-west-1"      # the only region signatures and pools may name
//! account = "111122223333"   # twelve digits
//! outbound_federation = true # whether `GetWebIdentityToken` works; the default
//!
//! [iam.users.NAME]           # see `IamUser`
//! [iam.roles.NAME]           # see `Role`
//! [pools."REGION_ID"]        # see `Pool`
//! [identity_pools."REGION:GUID"]   # see `IdentityPool`
//! [authorization_servers.NAME]     # see `AuthorizationServer`
//! [secrets.NAME]             # see `Secret`
//! ```
//!
//! Unknown keys are refused, and every mistake the checks find is reported in one run.

mod authorization_server;
mod check;
mod error;
mod iam;
mod identity_pool;
mod secret;
mod user_pool;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use self::authorization_server::{
    AuthorizationServer, ClientAuth, ExpiresIn, Jwk, Metadata, OAuthClient, SigningAlgorithm, TokenFormat,
};
pub use self::error::WorldError;
pub use self::iam::{Iam, IamUser, OidcProvider, Role, Trust};
pub use self::identity_pool::{IdentityPool, Provider};
pub use self::secret::Secret;
pub use self::user_pool::{Client, Issuer, Pool, User};

/// Everything that exists when the emulator starts.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// `region`: the AWS region of all pools and of every accepted signature.
    pub region: String,
    /// `account`: the twelve-digit account all principals live in.
    pub account: String,
    /// `iam`: users with access keys, and roles.
    #[serde(default)]
    pub iam: Iam,
    /// `pools`: Cognito user pools by pool id.
    #[serde(default)]
    pub pools: BTreeMap<String, Pool>,
    /// `identity_pools`: Cognito identity pools by identity pool id.
    #[serde(default)]
    pub identity_pools: BTreeMap<String, IdentityPool>,
    /// `authorization_servers`: OAuth 2.0 servers that are not Cognito, by name.
    #[serde(default)]
    pub authorization_servers: BTreeMap<String, AuthorizationServer>,
    /// `secrets`: secrets of Secrets Manager by name.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// `outbound_federation`: whether the account may issue JWTs about itself (`GetWebIdentityToken`).
    #[serde(default = "yes")]
    pub outbound_federation: bool,
}

impl World {
    /// Reads and checks a world file.
    ///
    /// # Errors
    ///
    /// Every mistake found, in words; values are not repeated, since they may be secrets.
    pub fn from_toml(text: &str) -> Result<World, WorldError> {
        let world: World = toml::from_str(text).map_err(|e| WorldError::syntax(text, &e))?;
        world.check()?;
        Ok(world)
    }

    /// Checks what the shape alone cannot say: references, patterns, ranges.
    ///
    /// # Errors
    ///
    /// All mistakes together.
    pub fn check(&self) -> Result<(), WorldError> {
        check::all(self)
    }

    /// The pool, its id and the app client, for a client id (unique over all pools).
    pub(crate) fn client(&self, client_id: &str) -> Option<(&str, &Pool, &Client)> {
        self.pools.iter().find_map(|(id, pool)| {
            let client = pool.clients.get(client_id)?;
            Some((id.as_str(), pool, client))
        })
    }

    /// The pool that owns a prefix domain.
    pub(crate) fn pool_by_domain(&self, domain: &str) -> Option<&str> {
        self.pools.iter().find(|(_, pool)| pool.domain.as_deref() == Some(domain)).map(|(id, _)| id.as_str())
    }

    /// The pool that owns a custom domain.
    pub(crate) fn pool_by_custom_domain(&self, domain: &str) -> Option<&str> {
        let owns = |(_, pool): &(&String, &Pool)| pool.custom_domain.as_deref() == Some(domain);
        self.pools.iter().find(owns).map(|(id, _)| id.as_str())
    }

    /// The role an ARN names, when it is in this account and exists.
    pub(crate) fn role(&self, arn: &str) -> Option<(&str, &Role)> {
        let name = arn.strip_prefix(&format!("arn:aws:iam::{}:role/", self.account))?;
        let (name, role) = self.iam.roles.get_key_value(name)?;
        Some((name, role))
    }

    /// The `iss` of a pool's tokens: always the public form, never the emulator's address.
    pub(crate) fn issuer(&self, pool_id: &str, pool: &Pool) -> String {
        let host = match pool.issuer {
            Issuer::Original => "cognito-idp",
            Issuer::Updated => "issuer-cognito-idp",
        };
        format!("https://{host}.{}.amazonaws.com/{pool_id}", self.region)
    }

    /// The key under which a user pool's ID token is passed in `Logins`.
    pub(crate) fn login_key(&self, pool_id: &str) -> String {
        format!("cognito-idp.{}.amazonaws.com/{pool_id}", self.region)
    }
}

fn yes() -> bool {
    true
}
