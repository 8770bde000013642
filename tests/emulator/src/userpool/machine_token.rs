//! Access tokens for machines. They carry no `username`, no `origin_jti`, and no `aud` unless a trigger adds it.

use serde_json::{Value, json};

use crate::jwt;
use crate::random;
use crate::request::Request;
use crate::world::Client;

/// The scopes granted for those asked: all the client has when none are; `None` when one is not the client's.
/// Dropped ones are left out without a word.
pub(crate) fn granted(client: &Client, asked: &[&str]) -> Option<Vec<String>> {
    let all = || client.scopes.iter().map(String::as_str).collect();
    let asked = if asked.is_empty() { all() } else { asked.to_vec() };
    let known = asked.iter().all(|scope| client.scopes.iter().any(|own| own == scope));
    let kept = asked.into_iter().filter(|scope| !client.drop_scopes.iter().any(|dropped| dropped == scope));
    known.then(|| kept.map(str::to_owned).collect())
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
    let mut claims = json!({
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
    if world.client(client_id).is_some_and(|(_, _, client)| client.add_audience) {
        claims["aud"] = Value::from(client_id);
    }
    request.cloud.with_keys(pool_id, |keys| jwt::mint(keys.access(), &claims)).unwrap_or_default()
}
