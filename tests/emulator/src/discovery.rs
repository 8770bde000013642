//! Key sets (RFC 7517) and OpenID discovery documents of user pools and of the identity service.
//!
//! `issuer` is the public form; `jwks_uri` and `token_endpoint` point at the emulator, so that a client that
//! follows them stays on loopback.

use serde_json::json;

use crate::failure::Failure;
use crate::protocol::Outcome;
use crate::request::Request;

/// The issuer of the identity service's OpenID tokens.
pub(crate) const IDENTITY_ISSUER: &str = "https://cognito-identity.amazonaws.com";

/// `/{pool}/.well-known/jwks.json`
pub(crate) fn pool_keys(request: &mut Request<'_>, pool: &str) -> Outcome {
    request.asked.note("pool", pool);
    request.cloud.with_keys(pool, crate::keys::PoolKeys::jwks).ok_or_else(|| no_pool(pool))
}

/// `/{pool}/.well-known/openid-configuration`
pub(crate) fn pool_configuration(request: &mut Request<'_>, pool_id: &str) -> Outcome {
    request.asked.note("pool", pool_id);
    let world = &request.cloud.world;
    let pool = world.pools.get(pool_id).ok_or_else(|| no_pool(pool_id))?;
    let url = &request.cloud.url;
    Ok(json!({
        "authorization_endpoint": format!("{url}/oauth2/authorize"),
        "id_token_signing_alg_values_supported": ["RS256"],
        "issuer": world.issuer(pool_id, pool),
        "jwks_uri": format!("{url}/{pool_id}/.well-known/jwks.json"),
        "response_types_supported": ["code", "token"],
        "scopes_supported": ["openid", "email", "phone", "profile"],
        "subject_types_supported": ["public"],
        "token_endpoint": format!("{url}/oauth2/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }))
}

/// `/.well-known/jwks_uri` of the identity service.
pub(crate) fn identity_keys(request: &mut Request<'_>) -> Outcome {
    Ok(json!({ "keys": [request.cloud.identity_key.jwk()] }))
}

/// `/.well-known/openid-configuration` of the identity service.
pub(crate) fn identity_configuration(request: &mut Request<'_>) -> Outcome {
    Ok(json!({
        "id_token_signing_alg_values_supported": ["RS512"],
        "issuer": IDENTITY_ISSUER,
        "jwks_uri": format!("{}/.well-known/jwks_uri", request.cloud.url),
        "response_types_supported": ["token"],
        "subject_types_supported": ["public"],
    }))
}

fn no_pool(pool: &str) -> Failure {
    Failure::new(404, "ResourceNotFoundException", format!("User pool {pool} does not exist."))
}
