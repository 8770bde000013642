//! Tokens of a user pool for users the world need not have: tests want thousands.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cloud::Cloud;
use crate::jwt;
use crate::random;

/// An order for one token of a user pool, signed by the pool's own key.
///
/// As JSON: `{"pool": "…", "client_id": "…", "username": "ann", "sub": "…", "token_use": "id", "lifetime": 3600,
/// "claims": {}}`; the last three may be left out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mint {
    /// User pool id.
    pub pool: String,
    /// App client id: `aud` of an ID token, `client_id` of an access token.
    pub client_id: String,
    /// User name.
    pub username: String,
    /// The user's immutable id.
    pub sub: String,
    /// Which of the two tokens.
    #[serde(default)]
    pub token_use: TokenUse,
    /// Seconds from now; below zero the token is born expired.
    #[serde(default = "one_hour")]
    pub lifetime: i64,
    /// Claims put over the usual ones; null takes one away.
    #[serde(default)]
    pub claims: Map<String, Value>,
}

/// The two tokens of a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenUse {
    /// An ID token.
    #[default]
    Id,
    /// An access token.
    Access,
}

fn one_hour() -> i64 {
    3600
}

/// The token; `None` when the pool or its client does not exist.
pub(crate) fn token(cloud: &Cloud, order: &Mint) -> Option<String> {
    let pool = cloud.world.pools.get(&order.pool).filter(|pool| pool.clients.contains_key(&order.client_id))?;
    let now = cloud.clock.now();
    let mut claims = json!({
        "sub": order.sub,
        "iss": cloud.world.issuer(&order.pool, pool),
        "auth_time": now,
        "iat": now,
        "exp": now.saturating_add(order.lifetime),
        "jti": random::uuid(),
        "origin_jti": random::uuid(),
    });
    for (name, value) in of_use(order).into_iter().chain(order.claims.clone()) {
        match (value, &mut claims) {
            (Value::Null, Value::Object(members)) => drop(members.remove(&name)),
            (value, claims) => claims[name] = value,
        }
    }
    cloud.with_keys(&order.pool, |keys| {
        let key = if order.token_use == TokenUse::Id { keys.id() } else { keys.access() };
        jwt::mint(key, &claims)
    })
}

fn of_use(order: &Mint) -> Map<String, Value> {
    let claims = match order.token_use {
        TokenUse::Id => json!({ "token_use": "id", "aud": order.client_id, "cognito:username": order.username }),
        TokenUse::Access => json!({
            "token_use": "access",
            "client_id": order.client_id,
            "scope": "aws.cognito.signin.user.admin",
            "username": order.username,
        }),
    };
    match claims {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
