//! Access tokens: JWTs as RFC 9068 has them, or opaque.

use serde_json::{Value, json};

use super::{algorithm, issuer, ring};
use crate::jwt;
use crate::random;
use crate::request::Request;
use crate::world::{AuthorizationServer, OAuthClient, TokenFormat};

/// What a client was granted.
pub(super) struct Grant<'a> {
    pub(super) client_id: &'a str,
    pub(super) client: &'a OAuthClient,
    pub(super) scopes: &'a [String],
    pub(super) audiences: &'a [String],
    pub(super) lifetime: u64,
}

pub(super) fn mint(request: &Request<'_>, name: &str, server: &AuthorizationServer, grant: &Grant<'_>) -> String {
    if grant.client.token_format == TokenFormat::Opaque {
        return random::opaque();
    }
    let audience = match grant.audiences {
        [one] => json!(one),
        several => json!(several),
    };
    let mut claims = json!({
        "iss": issuer(request.cloud, name),
        "exp": request.now.saturating_add_unsigned(grant.lifetime),
        "aud": audience,
        "sub": grant.client_id,
        "client_id": grant.client_id,
        "iat": request.now,
        "jti": random::uuid(),
    });
    if !grant.scopes.is_empty() {
        claims["scope"] = json!(grant.scopes.join(" "));
    }
    if let Value::Object(members) = &mut claims {
        members.extend(grant.client.claims.clone());
    }
    let key = request.cloud.key_rings.signing(&ring(name), algorithm(server));
    jwt::mint_typed(&key, "at+jwt", &claims)
}
