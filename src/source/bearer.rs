//! What every source of bearer tokens shares: a grant, checked before it may replace anything.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::jwt::Claims;
use super::{BearerToken, Failure, FailureKind};
use crate::clock::{Clock, Moment};
use crate::lease::Issued;

/// A lifetime beyond this is cut to it, in seconds: Cognito grants a day at most.
const LONGEST_LIFETIME: u64 = 24 * 60 * 60;

/// What a token endpoint grants (RFC 6749 section 5.1), read strictly: a token without a lifetime is not kept, for one that
/// is made up would be a promise nobody gave.
#[derive(Deserialize)]
pub struct Grant {
    /// The token.
    pub access_token: SecretString,
    /// `Bearer`, in any case.
    pub token_type: String,
    /// Seconds of life, counted from the sending of the request.
    pub expires_in: u64,
    /// The scopes granted, where the server says so.
    #[serde(default)]
    pub scope: Option<String>,
}

/// Checks a grant before it may replace anything, and finds its expiry: the earlier of `expires_in`, counted from the
/// sending of the request, and the token's own `exp`. What was granted is what the server says, else what the token says,
/// else the scopes that were `asked` for (RFC 6749 section 5.1).
///
/// # Errors
/// `Malformed` if the token is not one that a header can carry, or has no life.
#[expect(clippy::disallowed_methods, reason = "the claims of a token are inside the token")]
pub fn issued(
    what: &str,
    grant: Grant,
    asked: &[String],
    sent_at: Moment,
    clock: &Clock,
) -> Result<Issued<BearerToken>, Failure> {
    let malformed = |fault: &str| {
        Failure::new(FailureKind::Malformed, format!("{what} issued {fault}; the old one is kept, if any"))
    };
    if !grant.token_type.eq_ignore_ascii_case("bearer") {
        return Err(malformed("a token that is not a bearer token"));
    }
    let text = grant.access_token.expose_secret();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(malformed("a token with characters that no header may carry"));
    }
    if grant.expires_in == 0 {
        return Err(malformed("a token that has already expired"));
    }
    let claims = Claims::of(text).unwrap_or_default();
    let by_seconds = sent_at.plus(Duration::from_secs(grant.expires_in.min(LONGEST_LIFETIME)));
    let expiry = claims.expiry().map_or(by_seconds, |exp| clock.moment_of(exp).min(by_seconds));
    let scope = grant.scope.or(claims.scope).or_else(|| (!asked.is_empty()).then(|| asked.join(" ")));
    Ok(Issued::new(BearerToken { token: grant.access_token, scope }, sent_at, expiry))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn grant(token: &str, token_type: &str, expires_in: u64) -> Grant {
        Grant { access_token: SecretString::from(token), token_type: token_type.into(), expires_in, scope: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_no_caller_could_use_is_not_kept() {
        let clock = Clock::tokio(SystemTime::UNIX_EPOCH);
        let now = clock.now();
        for bad in [
            grant("", "Bearer", 60),
            grant("a\r\nX: y", "Bearer", 60),
            grant("ä", "Bearer", 60),
            grant("t", "mac", 60),
            grant("t", "Bearer", 0),
        ] {
            assert_eq!(issued("x", bad, &[], now, &clock).unwrap_err().kind, FailureKind::Malformed);
        }
        let good = issued("x", grant("t", "bearer", u64::MAX), &[], now, &clock).unwrap();
        assert_eq!(good.expiry.since(now), Duration::from_secs(LONGEST_LIFETIME), "a lifetime without end is cut");
    }

    #[tokio::test(start_paused = true)]
    async fn life_counts_from_the_sending_and_ends_with_the_earlier_of_the_two() {
        let clock = Clock::tokio(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
        let sent_at = clock.now();
        tokio::time::advance(Duration::from_secs(3)).await;
        let jwt = |exp: u64| {
            format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{exp},"scope":"billing/read"}}"#)))
        };
        let by_seconds = issued("x", grant(&jwt(9_999), "Bearer", 60), &[], sent_at, &clock).unwrap();
        assert_eq!(by_seconds.expiry.since(sent_at), Duration::from_secs(60));
        assert_eq!(by_seconds.value.scope.as_deref(), Some("billing/read"));
        let by_claim = issued("x", grant(&jwt(1_030), "Bearer", 60), &[], sent_at, &clock).unwrap();
        assert_eq!(by_claim.expiry.since(sent_at), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_granted_is_said_by_the_server_else_by_the_token_else_by_the_request() {
        let clock = Clock::tokio(SystemTime::UNIX_EPOCH);
        let asked = ["a/r".to_owned(), "a/w".to_owned()];
        let scope = |grant: Grant| issued("x", grant, &asked, clock.now(), &clock).unwrap().value.scope.unwrap();
        let jwt = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(r#"{"scope":"a/r"}"#));
        assert_eq!(scope(Grant { scope: Some("a/x".into()), ..grant(&jwt, "Bearer", 60) }), "a/x");
        assert_eq!(scope(grant(&jwt, "Bearer", 60)), "a/r");
        assert_eq!(scope(grant("opaque", "Bearer", 60)), "a/r a/w");
    }
}
