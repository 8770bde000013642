//! Callers as OAuth libraries show them: the caller's token as the client secret, at the paths under `/oauth2/` and at no
//! others.
//!
//! By `Authorization: Basic` (RFC 6749 section 2.3.1: id and secret each form-encoded; most libraries leave that out, so a secret is
//! taken either way) or by the form field `client_secret`. A caller known otherwise, by its token in `Authorization` as everywhere
//! or by its uid, needs no secret. Never in two ways at once. What a secret is for, the `client_id`, is for the path to judge.
//!
//! The form of somebody unknown has to be read to know him. It is bounded like any other, in size and in time, and is not read
//! where the header has named nobody already.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method};
use hyper::body::Incoming;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::body::{Body, Fields};
use super::intake::{self, Peer};
use super::reply::Trouble;
use crate::policy::{Caller, Callers, Presented, TokenDigest};

const BASIC: &str = "Basic realm=\"credbroker\"";
const BEARER: &str = "Bearer realm=\"credbroker\"";
const TWICE: Trouble = Trouble::BadRequest("a client shows who it is in one way, not in two");

/// Does this path take the caller's token as a client secret?
pub fn is_for_clients(path: &str) -> bool {
    matches!(path, super::oauth::PATH | super::introspect::PATH)
}

/// Who asks, and the body of the request.
///
/// # Errors
/// [`Trouble::UnknownClient`] with the challenge that fits; if the request shows two callers, or its body is none.
pub async fn identified(
    callers: &Callers,
    head: &Parts,
    incoming: Incoming,
    peer: &Peer,
) -> Result<(Arc<Caller>, Body), Trouble> {
    let by_header =
        if head.headers.contains_key(AUTHORIZATION) { Some(by_header(callers, &head.headers, peer)?) } else { None };
    let body = Body::read(incoming).await?;
    let secret = if head.method == Method::POST { secret_of(&head.uri, &head.headers, &body)? } else { None };
    let caller = match (by_header, secret) {
        (Some(_), Some(_)) => return Err(TWICE),
        (Some(caller), None) => caller,
        (None, Some(secret)) => by_secret(callers, &secret, peer)?,
        (None, None) => closest(callers, peer, &[]).ok_or(Trouble::UnknownClient(Some(BEARER)))?,
    };
    intake::means_it(&caller, &head.headers, peer)?;
    Ok((caller, body))
}

/// The `client_id` that a request of a known client shows.
///
/// # Errors
/// If header and body show different ones.
pub fn id(headers: &HeaderMap, fields: &Fields) -> Result<Option<String>, Trouble> {
    let basic = Basic::of(headers).and_then(Result::ok).map(|basic| basic.id).filter(|id| !id.is_empty());
    #[expect(clippy::disallowed_methods, reason = "a client id is no secret")]
    let field = fields.given("client_id")?.map(|id| id.expose_secret().to_owned());
    match (basic, field) {
        (Some(basic), Some(field)) if basic != field => Err(TWICE),
        (basic, field) => Ok(basic.or(field)),
    }
}

fn by_header(callers: &Callers, headers: &HeaderMap, peer: &Peer) -> Result<Arc<Caller>, Trouble> {
    // It looks at how many there are, too.
    let presented = intake::presented(headers, peer)?;
    match Basic::of(headers) {
        None => callers.identify(&presented).cloned().ok_or(Trouble::UnknownClient(Some(BEARER))),
        Some(basic) => basic
            .ok()
            .and_then(|basic| closest(callers, peer, &basic.secrets))
            .ok_or(Trouble::UnknownClient(Some(BASIC))),
    }
}

#[expect(clippy::disallowed_methods, reason = "only its digest is compared")]
fn by_secret(callers: &Callers, secret: &SecretString, peer: &Peer) -> Result<Arc<Caller>, Trouble> {
    closest(callers, peer, &[TokenDigest::of(secret.expose_secret())]).ok_or(Trouble::UnknownClient(None))
}

/// The caller that one of `secrets` shows, one known by it before one known without; by what the kernel knows, if there are none.
fn closest(callers: &Callers, peer: &Peer, secrets: &[TokenDigest]) -> Option<Arc<Caller>> {
    let shown = |token| callers.identify(&Presented { token, process: peer.process.clone() });
    let found = if secrets.is_empty() {
        shown(None)
    } else {
        secrets.iter().filter_map(|secret| shown(Some(*secret))).max_by_key(|caller| caller.tokens.is_some())
    };
    found.cloned()
}

/// The secret in the body; an empty one is none.
fn secret_of(uri: &http::Uri, headers: &HeaderMap, body: &Body) -> Result<Option<SecretString>, Trouble> {
    let fields = if uri.path() == super::oauth::PATH { body.form_fields(headers)? } else { body.fields(headers)? };
    Ok(fields.given("client_secret")?.cloned())
}

/// What `Authorization: Basic` shows.
struct Basic {
    id: String,
    /// As decoded and as it stands there; none for an empty secret.
    secrets: Vec<TokenDigest>,
}

impl Basic {
    /// `None` if there is no such header; an error if it is malformed.
    fn of(headers: &HeaderMap) -> Option<Result<Self, ()>> {
        let text = headers.get(AUTHORIZATION)?.as_bytes();
        let scheme = text.get(..5)?;
        let rest = &text[5..];
        let is_basic = scheme.eq_ignore_ascii_case(b"basic") && (rest.is_empty() || rest[0] == b' ');
        is_basic.then(|| Self::read(rest.trim_ascii()).ok_or(()))
    }

    fn read(encoded: &[u8]) -> Option<Self> {
        let pair = Zeroizing::new(STANDARD.decode(encoded).ok()?);
        let (id, secret) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
        let decoded = form_decoded(secret);
        let secrets = match (secret, decoded.as_str() == secret) {
            ("", _) => Vec::new(),
            (_, true) => vec![TokenDigest::of(secret)],
            (_, false) => vec![TokenDigest::of(secret), TokenDigest::of(&decoded)],
        };
        Some(Self { id: form_decoded(id).to_string(), secrets })
    }
}

/// `text` without its form encoding, as one value: separators in it are meant.
fn form_decoded(text: &str) -> Zeroizing<String> {
    let one = Zeroizing::new(text.replace('&', "%26").replace('=', "%3D"));
    let mut pairs = url::form_urlencoded::parse(one.as_bytes());
    Zeroizing::new(pairs.next().map_or_else(String::new, |(value, _)| value.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(value: &str) -> Option<Result<Basic, ()>> {
        Basic::of(&HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]))
    }

    fn pair(pair: &str) -> Result<Basic, ()> {
        basic(&format!("Basic {}", STANDARD.encode(pair))).unwrap()
    }

    #[test]
    fn a_secret_is_taken_encoded_and_as_it_is() {
        for shown in ["billing:a+b/c=", "billing:a%2Bb%2Fc%3D"] {
            let basic = pair(shown).unwrap();
            assert_eq!(basic.id, "billing");
            assert!(basic.secrets.contains(&TokenDigest::of("a+b/c=")), "{shown}");
        }
        let encoded = pair("tokens%2Ebilling:x%3Ay+z").unwrap();
        assert_eq!(encoded.id, "tokens.billing");
        assert!(encoded.secrets.contains(&TokenDigest::of("x:y z")));
        assert!(pair("a:b:c&d=e").unwrap().secrets.contains(&TokenDigest::of("b:c&d=e")));
        assert!(pair("billing:").unwrap().secrets.is_empty() && pair(":x").unwrap().id.is_empty());
    }

    #[test]
    fn what_is_no_pair_is_malformed_and_what_is_another_scheme_is_not_basic() {
        assert!(pair("no colon").is_err());
        for malformed in ["Basic", "Basic ", "basic a:b", "BASIC YTpi!", "Basic YTpi YTpi"] {
            assert!(basic(malformed).unwrap().is_err(), "{malformed}");
        }
        for other in ["Bearer YTpi", "Basics YTpi", "YTpi", "x"] {
            assert!(basic(other).is_none(), "{other}");
        }
        assert!(basic("bAsIc YTpi").unwrap().is_ok());
    }
}
