//! Client assertions (RFC 7523 section 3): a JWT of the client's own, or one of a trusted issuer.
//!
//! | | `private_key_jwt` | federated |
//! |---|---|---|
//! | `iss` | the client's id | the account's STS issuer |
//! | `sub` | the client's id | what the client is registered with |
//! | `aud` | the issuer or the token endpoint, alone | the issuer |
//! | `exp` | at most five minutes ahead | ahead |
//! | `jti` | required, once only | free |

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::client_auth::invalid_client;
use super::issuer;
use crate::failure::Failure;
use crate::jwk;
use crate::jwt::Unverified;
use crate::request::Request;
use crate::sts::outbound;
use crate::world::OAuthClient;

const FIVE_MINUTES: i64 = 300;
/// How far a client's clock may be ahead, in seconds.
const SKEW: i64 = 60;

/// The assertions that were used, by client and `jti`.
#[derive(Default)]
pub(crate) struct Replays {
    used: Mutex<HashSet<(String, String)>>,
}

impl Replays {
    /// Whether this is the first use.
    fn first(&self, client_id: &str, jti: &str) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert((client_id.to_owned(), jti.to_owned()))
    }
}

/// Why an assertion was refused; the text goes to `error_description`.
fn refused(why: &'static str) -> Failure {
    Failure { message: why.into(), ..invalid_client() }
}

pub(super) fn private_key_jwt(
    request: &mut Request<'_>,
    server: &str,
    client_id: &str,
    client: &OAuthClient,
    jwt: &str,
) -> Result<(), Failure> {
    let token = Unverified::parse(jwt).ok_or_else(|| refused("the assertion is not a JWT"))?;
    signed_by_client(&token, client)?;
    request.asked.note("assertion_algorithm", token.header("alg"));
    request.asked.note("assertion_key", token.header("kid"));
    request.asked.note("assertion_audience", token.audiences());
    if token.text("iss") != Some(client_id) || token.text("sub") != Some(client_id) {
        return Err(refused("iss and sub must be the client id"));
    }
    let issuer = issuer(request.cloud, server);
    let [audience] = &token.audiences()[..] else {
        return Err(refused("aud must be one value"));
    };
    if *audience != issuer && *audience != format!("{issuer}/token") {
        return Err(refused("aud is neither the issuer nor the token endpoint"));
    }
    in_time(&token, request.now)?;
    if token.seconds("exp").is_some_and(|exp| exp > request.now + FIVE_MINUTES) {
        return Err(refused("exp is more than five minutes ahead"));
    }
    let jti = token.text("jti").filter(|jti| !jti.is_empty()).ok_or_else(|| refused("jti is missing"))?;
    if request.cloud.replays.first(client_id, jti) { Ok(()) } else { Err(refused("the assertion was used before")) }
}

fn signed_by_client(token: &Unverified, client: &OAuthClient) -> Result<(), Failure> {
    let algorithm = token.header("alg").unwrap_or_default();
    if !jwk::ALGORITHMS.contains(&algorithm) {
        return Err(refused("alg is not supported"));
    }
    if !matches!(token.header("typ"), None | Some("JWT" | "client-authentication+jwt")) {
        return Err(refused("typ is not JWT"));
    }
    let (message, signed) = token.signed_parts();
    let named = |own: &Option<String>| token.header("kid").is_none_or(|kid| own.as_deref() == Some(kid));
    let keys = client.jwks.iter().filter(|key| named(&key.kid));
    let good = keys.into_iter().any(|key| jwk::verifies(key, algorithm, message, signed));
    if good { Ok(()) } else { Err(refused("no registered key verifies the assertion")) }
}

pub(super) fn federated(
    request: &mut Request<'_>,
    server: &str,
    client: &OAuthClient,
    jwt: &str,
) -> Result<(), Failure> {
    let token = Unverified::parse(jwt).ok_or_else(|| refused("the assertion is not a JWT"))?;
    request.asked.note("assertion_subject", token.text("sub"));
    request.asked.note("assertion_audience", token.audiences());
    if !outbound::signed(request.cloud, &token) {
        return Err(refused("the assertion is not of a trusted issuer"));
    }
    if !token.audiences().contains(&issuer(request.cloud, server)) {
        return Err(refused("aud is not the issuer"));
    }
    if token.text("sub") != client.subject.as_deref() {
        return Err(refused("sub is not the subject this client trusts"));
    }
    in_time(&token, request.now)
}

/// `exp` is required and ahead; `iat` and `nbf`, if they are there, are not.
fn in_time(token: &Unverified, now: i64) -> Result<(), Failure> {
    let expiry = token.seconds("exp").ok_or_else(|| refused("exp is missing"))?;
    if expiry <= now {
        return Err(refused("the assertion has expired"));
    }
    for claim in ["iat", "nbf"] {
        let value = token.claim(claim);
        if !value.is_null() && value.as_i64().is_none_or(|seconds| seconds > now + SKEW) {
            return Err(refused("iat or nbf is ahead or not a number"));
        }
    }
    Ok(())
}
