//! What every source of bearer tokens shares: a grant, read with lenience and checked before it may replace anything.
//!
//! Servers differ from RFC 6749 section 5.1 in small things that do no harm: `token_type` in any case or none at all, `expires_in`
//! as a text, with a fraction, or missing; the scopes only in the token. A token without `expires_in` lives as long as its own `exp` says; one that says nothing
//! either is assumed to live for five minutes. What is granted is compared with what was asked for.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::Value;

use super::jwt::Claims;
use super::{BearerToken, Failure, FailureKind};
use crate::clock::{Moment, Reading};
use crate::lease::Issued;

/// What is longer, in bytes, is no list of scopes that anybody granted.
const LONGEST_SCOPE: usize = 4_096;

/// A lifetime beyond this is cut to it: Cognito grants a day at most.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a token lives of which neither the server nor the token itself says it.
const ASSUMED_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// What a token endpoint grants (RFC 6749 section 5.1).
#[derive(serde::Deserialize)]
pub struct Grant {
    /// The token.
    pub access_token: SecretString,
    /// `Bearer`, in any case.
    #[serde(default = "bearer", deserialize_with = "type_or_bearer")]
    pub token_type: String,
    /// Seconds of life, counted from the sending of the request, where the server says so.
    #[serde(default, deserialize_with = "seconds")]
    pub expires_in: Option<u64>,
    /// The scopes granted, where the server says so.
    #[serde(default)]
    pub scope: Option<String>,
}

fn bearer() -> String {
    "Bearer".to_owned()
}

fn type_or_bearer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(bearer))
}

/// A number, whole or not, or a text of digits.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let whole = |seconds: f64| Some(Duration::try_from_secs_f64(seconds).ok()?.as_secs());
    let seconds = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        Value::Null => return Ok(None),
        _ => None,
    };
    seconds.map(Some).ok_or_else(|| D::Error::custom("not a number of seconds"))
}

/// Checks a grant before it may replace anything, and finds its expiry: the earlier of `expires_in`, counted from the
/// sending of the request, and the token's own `exp` by the clock that `reading` is of; five minutes from there if neither is known. What was granted is what the
/// server says, else what the token says, else the scopes that were `asked` for (RFC 6749 section 5.1).
///
/// # Errors
/// `Malformed` if the token is not one that a header can carry, or has no life; `Misconfigured` if none of the scopes asked for
/// was granted.
#[expect(clippy::disallowed_methods, reason = "the claims of a token are inside the token")]
pub fn issued(
    what: &str,
    grant: Grant,
    asked: &[String],
    sent_at: Moment,
    reading: Reading,
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
    if grant.expires_in == Some(0) {
        return Err(malformed("a token that has already expired"));
    }
    let claims = Claims::of(text).unwrap_or_default();
    let by_claim = claims.expiry().map(|exp| reading.moment_of(exp));
    let assumed = if by_claim.is_some() { LONGEST_LIFETIME } else { ASSUMED_LIFETIME };
    let lifetime = grant.expires_in.map_or(assumed, Duration::from_secs).min(LONGEST_LIFETIME);
    let by_seconds = sent_at.plus(lifetime);
    let expiry = by_claim.map_or(by_seconds, |by_claim| by_claim.min(by_seconds));
    let granted =
        grant.scope.or_else(|| claims.scope().map(ToOwned::to_owned)).filter(|scope| is_list_of_scopes(scope));
    let scopes_missing =
        granted.as_deref().map(|granted| compared(what, asked, granted)).transpose()?.unwrap_or_default();
    let scope = granted.or_else(|| (!asked.is_empty()).then(|| asked.join(" ")));
    let value = BearerToken { token: grant.access_token, scope };
    Ok(Issued { scopes_missing, ..Issued::new(value, sent_at, expiry) })
}

/// Is `text` made of what one scope is made of (RFC 6749 section 3.3)?
pub fn is_scope(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// Could it be a list of scopes, of a size that somebody reads?
fn is_list_of_scopes(text: &str) -> bool {
    text.len() <= LONGEST_SCOPE && text.split(' ').all(is_scope)
}

/// Which of the scopes `asked` for are not among those `granted`. That, and what was granted besides, is said once per answer.
fn compared(what: &str, asked: &[String], granted: &str) -> Result<Vec<String>, Failure> {
    let missing = missing(what, asked, granted)?;
    let is_more = |scope: &&str| !asked.iter().any(|asked| asked == scope);
    let more: Vec<&str> = granted.split_ascii_whitespace().filter(is_more).collect();
    if !asked.is_empty() && !more.is_empty() {
        // Their names are the server's words, which may be anything.
        tracing::warn!(source = what, scopes_more = more.len(), "more scopes than asked for were granted");
    }
    Ok(missing)
}

fn missing(what: &str, asked: &[String], granted: &str) -> Result<Vec<String>, Failure> {
    let is_missing = |scope: &&String| !granted.split_ascii_whitespace().any(|granted| granted == *scope);
    let missing: Vec<String> = asked.iter().filter(is_missing).cloned().collect();
    if missing.is_empty() {
        return Ok(missing);
    }
    if missing.len() == asked.len() {
        let scopes = asked.join(" ");
        let message = format!(
            "{what} granted none of the scopes asked for ({scopes}): allow them for the client or change scopes"
        );
        return Err(Failure::new(FailureKind::Misconfigured, message));
    }
    tracing::warn!(source = what, scopes_missing = missing.join(" "), "not every scope asked for was granted");
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::clock::Clock;

    fn grant(token: &str, token_type: &str, expires_in: u64) -> Grant {
        let (access_token, expires_in) = (SecretString::from(token), Some(expires_in));
        Grant { access_token, token_type: token_type.into(), expires_in, scope: None }
    }

    fn jwt(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_token_type_that_is_null_is_none_at_all() {
        for (token_type, read) in
            [("", "Bearer"), (r#","token_type":null"#, "Bearer"), (r#","token_type":"mac""#, "mac")]
        {
            let grant: Grant = serde_json::from_str(&format!(r#"{{"access_token":"t"{token_type}}}"#)).unwrap();
            assert_eq!(grant.token_type, read);
        }
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
            assert_eq!(issued("x", bad, &[], now, clock.reading()).unwrap_err().kind, FailureKind::Malformed);
        }
        let good = issued("x", grant("t", "bearer", u64::MAX), &[], now, clock.reading()).unwrap();
        assert_eq!(good.expiry.since(now), LONGEST_LIFETIME, "a lifetime without end is cut");
    }

    #[tokio::test(start_paused = true)]
    async fn life_counts_from_the_sending_and_ends_with_the_earlier_of_the_two() {
        let clock = Clock::tokio(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
        let sent_at = clock.now();
        tokio::time::advance(Duration::from_secs(3)).await;
        let jwt = |exp: u64| jwt(&format!(r#"{{"exp":{exp},"scope":"billing/read"}}"#));
        let by_seconds = issued("x", grant(&jwt(9_999), "Bearer", 60), &[], sent_at, clock.reading()).unwrap();
        assert_eq!(by_seconds.expiry.since(sent_at), Duration::from_secs(60));
        assert_eq!(by_seconds.value.scope.as_deref(), Some("billing/read"));
        let by_claim = issued("x", grant(&jwt(1_030), "Bearer", 60), &[], sent_at, clock.reading()).unwrap();
        assert_eq!(by_claim.expiry.since(sent_at), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_without_a_lifetime_lives_as_it_says_itself_else_five_minutes() {
        let clock = Clock::tokio(SystemTime::UNIX_EPOCH);
        let life = |token: &str| {
            let grant = Grant { expires_in: None, ..grant(token, "Bearer", 1) };
            issued("x", grant, &[], clock.now(), clock.reading()).unwrap().lifetime().as_secs()
        };
        assert_eq!(life("opaque"), 300);
        assert_eq!(life(&jwt(r#"{"exp":3600}"#)), 3_600);
        assert_eq!(life(&jwt(r#"{"exp":99999999}"#)), LONGEST_LIFETIME.as_secs());
        assert_eq!(life(&jwt(r#"{"sub":"x"}"#)), 300);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_granted_is_said_by_the_server_else_by_the_token_else_by_the_request() {
        let clock = Clock::tokio(SystemTime::UNIX_EPOCH);
        let asked = ["a/r".to_owned(), "a/w".to_owned()];
        let granted = |scope: Option<&str>, token: &str| {
            let grant = Grant { scope: scope.map(ToOwned::to_owned), ..grant(token, "Bearer", 60) };
            let issued = issued("x", grant, &asked, clock.now(), clock.reading()).unwrap();
            (issued.value.scope.unwrap(), issued.scopes_missing.join(" "))
        };
        let less = jwt(r#"{"scope":"a/r"}"#);
        for (scope, token, wanted, missing) in [
            (Some("a/w a/r a/x"), less.as_str(), "a/w a/r a/x", ""),
            (None, &less, "a/r", "a/w"),
            (Some("a/w"), "opaque", "a/w", "a/r"),
            (None, "opaque", "a/r a/w", ""),
            (None, &jwt(r#"{"sub":"x"}"#), "a/r a/w", ""),
            (None, &jwt(r#"{"scope":["a/r","a/w"]}"#), "a/r a/w", ""),
            (Some("a/r\r\nX: y"), "opaque", "a/r a/w", ""),
            (None, &jwt(r#"{"scp":["a/r"]}"#), "a/r", "a/w"),
        ] {
            assert_eq!(granted(scope, token), (wanted.to_owned(), missing.to_owned()), "{scope:?} {token}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_with_none_of_the_scopes_is_refused_by_their_names() {
        let clock = Clock::tokio(SystemTime::UNIX_EPOCH);
        let asked = ["a/r".to_owned(), "a/w".to_owned()];
        for scope in ["", "a/x", "a/read"] {
            let grant = Grant { scope: Some(scope.into()), ..grant("t", "Bearer", 60) };
            let failure = issued("the server", grant, &asked, clock.now(), clock.reading()).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Misconfigured);
            assert!(failure.message.contains("the server") && failure.message.contains("a/r a/w"), "{failure}");
        }
        let unasked = Grant { scope: Some(String::new()), ..grant("t", "Bearer", 60) };
        assert!(issued("x", unasked, &[], clock.now(), clock.reading()).is_ok(), "nothing was asked for by name");
    }
}
