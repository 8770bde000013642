//! Access tokens for machines. They carry no `aud`, no `username` and no `origin_jti`.

use serde_json::json;

use crate::jwt;
use crate::random;
use crate::request::Request;
use crate::world::Client;

/// The scopes granted for those asked: all the client has when none are; `None` when one is not the client's.
pub(crate) fn granted(client: &Client, asked: &[&str]) -> Option<Vec<String>> {
    if asked.is_empty() {
        return Some(client.scopes.clone());
    }
    let known = asked.iter().all(|scope| client.scopes.iter().any(|own| own == scope));
    known.then(|| asked.iter().map(|scope| (*scope).to_owned()).collect())
}

/// An access token of `lifetime` seconds for a client. The same from both doors.
pub(crate) fn mint(
    request: &mut Request<'_>,
    pool_id: &str,
    client_id: &str,
    scopes: &[String],
    lifetime: u64,
) -> String {
    request.asked.note("granted_scopes", scopes.to_vec());
    request.asked.note("granted_seconds", lifetime);
    let world = &request.cloud.world;
    let claims = json!({
        "sub": client_id,
        "token_use": "access",
        "scope": scopes.join(" "),
        "auth_time": request.now,
        "iss": world.pools.get(pool_id).map(|pool| world.issuer(pool_id, pool)),
        "exp": request.now.saturating_add_unsigned(lifetime),
        "iat": request.now,
        "version": 2,
        "jti": random::uuid(),
        "client_id": client_id,
    });
    request.cloud.with_keys(pool_id, |keys| jwt::mint(keys.access(), &claims)).unwrap_or_default()
}
