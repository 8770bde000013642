//! `ANY /v1/authorize/{issuer}`: forward authentication. A proxy asks whether a request that it holds may go on: nginx
//! (`auth_request`), Traefik (`ForwardAuth`), Caddy (`forward_auth`), Envoy (`ext_authz` over HTTP).
//!
//! Two are in play: the proxy, which is the caller, and the user, whose token is verified. The proxy is identified as callers
//! are everywhere and needs `issuers.NAME` in its `allow`; nothing here widens that. Which header is whose follows from what
//! it is known by:
//! - The user's token is in `X-Original-Authorization`, where that is sent.
//! - `Authorization` is the proxy's where the proxy is a caller with a token, and never the user's. Without
//!   `X-Original-Authorization` the user then showed no token.
//! - `Authorization` is the user's where the proxy is known by its uid alone, for then it has nothing of its own to show.
//!   Both headers with different values are refused (400): one of them reaches the service behind the proxy unverified.
//!
//! `?scope=a b` asks for scopes beyond those of the configuration. Where a proxy can only append the path of its request,
//! `path=` as the last parameter takes that up: it and all that follows it are not looked at. Method and body do not matter.
//!
//! Answers: 200 with `X-Auth-Subject`, `X-Auth-Client` and `X-Auth-Scope`, each left out where the token does not say it or a
//! header cannot carry it as it is; the proxy has to take such headers off what comes in. 401 with `WWW-Authenticate`
//! (RFC 6750 section 3): without an error where no bearer token was shown, else `invalid_token`. 403 `insufficient_scope` with
//! all scopes that are asked for. 502, 503 and 504 as everywhere where the issuer's keys cannot be had, the latter two with
//! `Retry-After`.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;
use warp::Filter as _;

use super::describe::{JSON, Operation, Path, failed, of};
use super::reply::{self, Response, Style, Trouble};
use super::{Asker, Routes, Surface, query, with};
use crate::policy::{Caller, Grant, Permit};
use crate::source::bearer::is_scope;
use crate::verify::{Issuer, Refused, Verified};

const ORIGINAL: HeaderName = HeaderName::from_static("x-original-authorization");

/// Every method will do; these are the ones that a description has words for.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

/// The route.
pub fn route(surface: &Arc<Surface>) -> Routes {
    warp::path!("v1" / "authorize" / String)
        .and(query())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Asker>())
        .and(with(surface))
        .then(async |name: String, query: String, headers: HeaderMap, asker: Asker, surface: Arc<Surface>| {
            answer(&surface, &asker, &name, &query, &headers)
                .await
                .unwrap_or_else(|trouble| reply::refusal(&trouble, Style::OAuth))
        })
        .boxed()
}

/// The path, described.
pub fn described() -> Path {
    let (name, text) = ("issuers.users", json!({ "type": "string" }));
    let ask = Operation::guarded("Verification", "authorize", "May the request go on that a proxy holds?")
        .explained(
            "For nginx, Traefik, Caddy and Envoy. Any method will do, and the body is not looked at. The caller \
             is the proxy; 401 and 403 are about its user, unless they say that the caller is not known or not \
             allowed.",
        )
        .taking("query", "scope", "Scopes beyond those of the configuration, separated by spaces.", &text)
        .taking("query", "path", "The last parameter; it and all that follows it are not looked at.", &text)
        .taking("header", "X-Original-Authorization", "The user's `Authorization`, where the proxy has its own.", &text)
        .answering(
            StatusCode::OK,
            "The user's token is valid.",
            [(JSON, of("Authorized"))],
            &["X-Auth-Subject", "X-Auth-Client", "X-Auth-Scope"],
        )
        .refusing([Trouble::NoSuchName(name.into()), Trouble::NotAllowed(name.into()), Trouble::NoBearer])
        .refusing([Trouble::BadBearer("the token has expired".into()), Trouble::LacksScope("billing/read".into())])
        .refusing(failed(name));
    let authorized = json!({ "type": "object", "required": ["status"], "properties": { "status": { "const": "ok" } } });
    Path::at("/v1/authorize/{issuer}")
        .naming("issuer", "Which of `[issuers]`.")
        .defining("Authorized", authorized)
        .offering(METHODS, &ask)
}

async fn answer(
    surface: &Surface,
    asker: &Asker,
    name: &str,
    query: &str,
    headers: &HeaderMap,
) -> Result<Response, Trouble> {
    let (issuer, permit) = permitted(surface, asker, name)?;
    let required = required(query)?;
    let token = shown_by_user(headers, &asker.0)?.ok_or(Trouble::NoBearer)?;
    let outcome = accepted(issuer, token, &required).await;
    asker.notes().verified(surface, token, &outcome);
    let verified = outcome.map_err(|refused| {
        tracing::debug!(caller = permit.caller(), issuer = %permit.grant(), why = refused.as_str(), "not authorized");
        trouble(refused, issuer, &permit, &required)
    })?;
    Ok(admitted(&verified))
}

/// The issuer called `name`, and the proof that the caller may use it.
pub fn permitted<'a>(surface: &'a Surface, asker: &Asker, name: &str) -> Result<(&'a Issuer, Permit), Trouble> {
    let full = format!("issuers.{name}");
    if surface.issuers.named(name).is_none() {
        return Err(Trouble::NoSuchName(full));
    }
    let permit = asker.permit(Grant::Issuer(name.to_owned())).ok_or_else(|| Trouble::NotAllowed(full.clone()))?;
    let issuer = surface.issuers.permitted(&permit).ok_or(Trouble::NoSuchName(full))?;
    Ok((issuer, permit))
}

/// Verifies `token`, and that it was granted what the request asks for.
pub async fn accepted(issuer: &Issuer, token: &str, required: &[String]) -> Result<Verified, Refused> {
    let verified = issuer.verify(token).await?;
    verified.has_scopes(required)?;
    Ok(verified)
}

/// The scopes of a `scope` parameter.
pub fn scopes(text: &str) -> Result<Vec<String>, Trouble> {
    let scopes: Vec<String> = text.split(' ').filter(|scope| !scope.is_empty()).map(ToOwned::to_owned).collect();
    if scopes.iter().all(|scope| is_scope(scope)) {
        Ok(scopes)
    } else {
        Err(Trouble::BadRequest("the scope holds characters that no scope holds"))
    }
}

/// The scopes that the query asks for.
fn required(query: &str) -> Result<Vec<String>, Trouble> {
    let end = if query.starts_with("path=") { Some(0) } else { query.find("&path=") };
    let own = &query[..end.unwrap_or(query.len())];
    let mut required = None;
    for (key, value) in url::form_urlencoded::parse(own.as_bytes()) {
        if key != "scope" {
            return Err(Trouble::BadRequest("the query parameters here are scope and, as the last one, path"));
        }
        if required.replace(scopes(&value)?).is_some() {
            return Err(Trouble::BadRequest("scope is given once, its values separated by spaces"));
        }
    }
    Ok(required.unwrap_or_default())
}

/// The bearer token of the user for whom `caller`, a proxy, asks.
fn shown_by_user<'a>(headers: &'a HeaderMap, caller: &Caller) -> Result<Option<&'a str>, Trouble> {
    let known_by_token = caller.tokens.is_some();
    let shown = match (only(headers, &ORIGINAL)?, only(headers, &AUTHORIZATION)?) {
        (Some(original), Some(other)) if !known_by_token && original != other => {
            return Err(Trouble::BadRequest(
                "Authorization and X-Original-Authorization differ; the proxy has to set or remove the latter",
            ));
        }
        (Some(original), _) => Some(original),
        (None, authorization) => authorization.filter(|_| !known_by_token),
    };
    let text =
        |value: &'a HeaderValue| value.to_str().map_err(|_| Trouble::BadBearer("the token is no JWT".to_owned()));
    Ok(shown.map(text).transpose()?.and_then(bearer))
}

/// The one value of a header.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Trouble> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (_, Some(_)) => Err(Trouble::BadRequest("a request has at most one header with a token of a kind")),
        (first, None) => Ok(first),
    }
}

/// The token, where the scheme is Bearer. Another scheme is as good as no token (RFC 6750 section 3.1).
fn bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.split_once(' ')?;
    Some(token.trim_start()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

fn trouble(refused: Refused, issuer: &Issuer, permit: &Permit, required: &[String]) -> Trouble {
    match refused {
        Refused::KeysUnavailable(failure) => Trouble::keys_unavailable(&permit.grant().to_string(), failure),
        Refused::Scope { .. } => {
            let all: BTreeSet<&str> = issuer.scopes().iter().chain(required).map(String::as_str).collect();
            Trouble::LacksScope(all.into_iter().collect::<Vec<_>>().join(" "))
        }
        refused => Trouble::BadBearer(refused.to_string()),
    }
}

fn admitted(verified: &Verified) -> Response {
    let mut response = reply::json(StatusCode::OK, &json!({ "status": "ok" }));
    let said = [
        ("x-auth-subject", verified.subject.clone()),
        ("x-auth-client", verified.client.clone()),
        ("x-auth-scope", Some(verified.scopes.join(" "))),
    ];
    for (name, value) in said {
        if let Some(value) = value.as_deref().and_then(carried) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// `text` as the value of a header, if it arrives as it is: whoever reads a header drops the spaces around it.
fn carried(text: &str) -> Option<HeaderValue> {
    let arrives = !text.is_empty() && text.trim() == text && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    arrives.then(|| HeaderValue::from_str(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::TokenDigest;

    const UID: Option<Option<u32>> = Some(Some(7));

    fn proxy(token: Option<&str>, uid: Option<Option<u32>>) -> Caller {
        let tokens = token.map(|token| vec![TokenDigest::of(token)]);
        Caller { name: "proxy".into(), tokens, uid, ..Caller::default() }
    }

    fn shown(caller: &Caller, headers: &[(&'static str, &str)]) -> Result<Option<String>, u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let shown = shown_by_user(&map, caller).map_err(|trouble| trouble.status().as_u16())?;
        Ok(shown.map(ToOwned::to_owned))
    }

    #[test]
    fn the_token_of_a_proxy_is_never_taken_for_the_users() {
        for known in [proxy(Some("own"), None), proxy(Some("own"), UID)] {
            let own = ("authorization", "Bearer own");
            assert_eq!(shown(&known, &[own]), Ok(None));
            let both = [own, ("x-original-authorization", "Bearer user")];
            assert_eq!(shown(&known, &both), Ok(Some("user".to_owned())));
            assert_eq!(shown(&known, &[own, ("x-original-authorization", "")]), Ok(None));
        }
    }

    #[test]
    fn a_proxy_known_by_its_uid_alone_passes_the_users_header_on() {
        let known = proxy(None, UID);
        let user = Ok(Some("user".to_owned()));
        assert_eq!(shown(&known, &[]), Ok(None));
        assert_eq!(shown(&known, &[("authorization", "bearer user")]), user);
        assert_eq!(shown(&known, &[("x-original-authorization", "Bearer user")]), user);
        let twice = [("authorization", "Bearer user"), ("x-original-authorization", "Bearer user")];
        assert_eq!(shown(&known, &twice), user);
        let smuggled = [("authorization", "Bearer forged"), ("x-original-authorization", "Bearer user")];
        assert_eq!(shown(&known, &smuggled), Err(400));
        let two = [("x-original-authorization", "Bearer user"), ("x-original-authorization", "Bearer user")];
        assert_eq!(shown(&known, &two), Err(400));
    }

    #[test]
    fn another_scheme_is_no_token_and_what_is_no_text_a_bad_one() {
        let known = proxy(None, UID);
        for value in ["Basic dXNlcjpwYXNz", "user", "Bearer", "Bearer ", ""] {
            assert_eq!(shown(&known, &[("authorization", value)]), Ok(None), "{value}");
        }
        assert_eq!(shown(&known, &[("authorization", "Bearer ü")]), Err(401));
    }

    #[test]
    fn scopes_are_asked_for_once_and_the_original_path_is_not_looked_at() {
        let asked = |query| required(query).map_err(|trouble| trouble.status().as_u16());
        let read = Ok(vec!["a/read".to_owned()]);
        assert_eq!(asked(""), Ok(vec![]));
        assert_eq!(asked("scope=a/read"), read);
        assert_eq!(asked("scope=b%20a").unwrap(), ["b", "a"]);
        assert_eq!(asked("scope=a/read&path=/x?scope=b&scop=c&path=d"), read);
        assert_eq!(asked("path=/x?y&scope=b"), Ok(vec![]));
        for query in ["scop=a", "scope=a&scope=b", "scope=a%0d", "scope=%22", "xpath=/", "scope=a&x=1&path=/"] {
            assert_eq!(asked(query), Err(400), "{query}");
        }
    }

    #[test]
    fn a_header_carries_a_text_as_it_is_or_not_at_all() {
        assert_eq!(carried("a b|c").unwrap(), "a b|c");
        for text in ["", " admin", "admin ", "a\r\nx: y", "a\tb", "jörg", "\u{7f}"] {
            assert!(carried(text).is_none(), "{text:?}");
        }
    }
}
