//! Tokens for a signed-in user: an ID token with `aud`, an access token without.

use serde_json::{Value, json};

use super::refresh_tokens::SignIn;
use crate::failure::Failure;
use crate::jwt;
use crate::random;
use crate::request::Request;
use crate::world::{Client, User};

/// `AuthenticationResult` without the refresh token.
pub(super) fn authentication_result(request: &mut Request<'_>, sign_in: &SignIn) -> Result<Value, Failure> {
    let world = &request.cloud.world;
    let pool = world.pools.get(&sign_in.pool);
    let found =
        pool.and_then(|pool| Some((pool, pool.clients.get(&sign_in.client_id)?, pool.users.get(&sign_in.username)?)));
    let (pool, client, user) = found.ok_or_else(|| Failure::bad("NotAuthorizedException", "User does not exist."))?;
    let issuer = world.issuer(&sign_in.pool, pool);
    let (access_seconds, id_seconds) = lifetimes(request, client);
    request.asked.note("granted_seconds", access_seconds);
    let id = id_claims(request.now, sign_in, user, &issuer, id_seconds);
    let access = access_claims(request.now, sign_in, user, &issuer, access_seconds);
    let minted =
        request.cloud.with_keys(&sign_in.pool, |keys| (jwt::mint(keys.id(), &id), jwt::mint(keys.access(), &access)));
    let (id, access) = minted.unwrap_or_default();
    Ok(json!({ "AccessToken": access, "ExpiresIn": access_seconds, "IdToken": id, "TokenType": "Bearer" }))
}

fn lifetimes(request: &Request<'_>, client: &Client) -> (u64, u64) {
    let cloud = request.cloud;
    match cloud.lifetime(&request.asked.operation).or_else(|| cloud.lifetime("InitiateAuth")) {
        Some(seconds) => (seconds, seconds),
        None => (client.access_token_validity, client.id_token_validity),
    }
}

fn id_claims(now: i64, sign_in: &SignIn, user: &User, issuer: &str, seconds: u64) -> Value {
    let mut claims = json!({
        "sub": user.sub,
        "aud": sign_in.client_id,
        "iss": issuer,
        "token_use": "id",
        "cognito:username": sign_in.username,
        "auth_time": sign_in.auth_time,
        "iat": now,
        "exp": now.saturating_add_unsigned(seconds),
        "jti": random::uuid(),
        "origin_jti": sign_in.origin_jti,
    });
    for (name, values) in [("cognito:groups", &user.groups), ("cognito:roles", &user.roles)] {
        if !values.is_empty() {
            claims[name] = json!(values);
        }
    }
    claims
}

fn access_claims(now: i64, sign_in: &SignIn, user: &User, issuer: &str, seconds: u64) -> Value {
    let mut claims = json!({
        "sub": user.sub,
        "client_id": sign_in.client_id,
        "iss": issuer,
        "token_use": "access",
        "scope": "aws.cognito.signin.user.admin",
        "username": sign_in.username,
        "auth_time": sign_in.auth_time,
        "iat": now,
        "exp": now.saturating_add_unsigned(seconds),
        "jti": random::uuid(),
        "origin_jti": sign_in.origin_jti,
    });
    if !user.groups.is_empty() {
        claims["cognito:groups"] = json!(user.groups);
    }
    claims
}
