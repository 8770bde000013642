//! `GET /v1/tokens/{name}`: a bearer token.
//!
//! Answer: `{"access_token","token_type":"Bearer","expires_in","expires_at","scope"}`, with `expires_in` the seconds that
//! remain; with `Accept: text/plain` the bare token. `?scope=a b` narrows it to a subset of the configured scopes.
//! `Credbroker-Cache: hit | stale | miss`; never stored. Errors are spelled as OAuth clients read them.

use std::sync::Arc;

use http::header::{ACCEPT, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::json;
use warp::Filter as _;

use super::describe::{JSON, Operation, Path, of, unserved};
use super::reply::{self, Response, Style, Trouble};
use super::{Asker, Routes, Surface, allowed, query, with};
use crate::clock::rfc3339;
use crate::policy::{Grant, Permit};
use crate::refresh::{CacheState, Served};
use crate::source::BearerToken;

const METHODS: &[&str] = &["GET", "HEAD"];
const TEXT: &str = "text/plain; charset=utf-8";
/// What a narrower scope may be refused with.
pub const NO_SUCH_SCOPE: Trouble = Trouble::BadScope(
    "a scope that was asked for is not among the configured ones of this token; ask for some of those, or leave scope out",
);

/// The route.
pub fn route(surface: &Arc<Surface>) -> Routes {
    warp::path!("v1" / "tokens" / String)
        .and(warp::method())
        .and(query())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Asker>())
        .and(with(surface))
        .then(
            async |name: String,
                   method: Method,
                   query: String,
                   headers: HeaderMap,
                   asker: Asker,
                   surface: Arc<Surface>| {
                answer(&surface, &asker, &name, &method, &query, &headers)
                    .await
                    .unwrap_or_else(|trouble| reply::refusal(&trouble, Style::OAuth))
            },
        )
        .boxed()
}

/// The path, described.
pub fn described() -> Path {
    let (name, scope) = ("tokens.billing", json!({ "type": "string", "examples": ["billing/read"] }));
    let token = json!({
        "type": "object",
        "required": ["access_token", "token_type", "expires_in", "expires_at"],
        "properties": {
            "access_token": { "type": "string", "minLength": 1 },
            "token_type": { "const": "Bearer" },
            "expires_in": { "type": "integer", "minimum": 1, "description": "Seconds that remain." },
            "expires_at": { "type": "string", "format": "date-time" },
            "scope": { "type": "string", "description": "What was granted, where the source says it." },
        },
    });
    let read = Operation::guarded("Tokens", "readToken", "A bearer token")
        .explained(
            "From the cache where it is held; a first request waits up to a second. With `Accept: text/plain` the \
             bare token.",
        )
        .taking("query", "scope", "A subset of the configured scopes, separated by spaces.", &scope)
        .answering(
            StatusCode::OK,
            "The token.",
            [(JSON, of("BearerToken")), (TEXT, json!({ "type": "string", "minLength": 1 }))],
            &["Credbroker-Cache"],
        )
        .refusing([NO_SUCH_SCOPE, Trouble::NotAllowed(name.into()), Trouble::NoSuchName(name.into())])
        .refusing([Trouble::Crowded(name.into())])
        .refusing(unserved(name));
    Path::at("/v1/tokens/{name}")
        .naming("name", "Which of `[tokens]`.")
        .defining("BearerToken", token)
        .offering(METHODS, &read)
}

async fn answer(
    surface: &Surface,
    asker: &Asker,
    name: &str,
    method: &Method,
    query: &str,
    headers: &HeaderMap,
) -> Result<Response, Trouble> {
    allowed(method, METHODS)?;
    let full = format!("tokens.{name}");
    let configured = surface.store.scopes_of(name).ok_or_else(|| Trouble::NoSuchName(full.clone()))?;
    let permit = asker.permit(Grant::Token(name.to_owned())).ok_or_else(|| Trouble::NotAllowed(full.clone()))?;
    let scopes = narrowed(query, configured)?;
    let served = obtained(surface, &permit, scopes).await?;
    asker.notes().token(surface, &served.lease, served.cache);
    Ok(with_cache(
        render(surface, &served, wants_text(headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()))),
        served.cache,
    ))
}

/// The token that `permit` is for, narrowed to `scopes` if given.
///
/// # Errors
/// As it could not be served.
pub async fn obtained(
    surface: &Surface,
    permit: &Permit,
    scopes: Option<Vec<String>>,
) -> Result<Served<BearerToken>, Trouble> {
    let full = permit.grant().to_string();
    tracing::debug!(caller = permit.caller(), name = full, "asked");
    let outcome = surface.store.token(permit, scopes).await.ok_or_else(|| Trouble::NoSuchName(full.clone()))?;
    outcome.map_err(|unserved| Trouble::unserved(&full, unserved))
}

/// The scopes that the query asks for, as [`subset`] gives them.
fn narrowed(query: &str, configured: &[String]) -> Result<Option<Vec<String>>, Trouble> {
    let mut asked: Option<String> = None;
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if key != "scope" {
            return Err(Trouble::BadRequest("the only query parameter here is scope"));
        }
        if asked.replace(value.into_owned()).is_some() {
            return Err(Trouble::BadRequest("scope is given once, its values separated by spaces"));
        }
    }
    asked.map_or(Ok(None), |asked| subset(&asked, configured))
}

/// The scopes that `asked` names, sorted; `None` if these are all that are `configured`.
///
/// # Errors
/// If one is not configured.
pub fn subset(asked: &str, configured: &[String]) -> Result<Option<Vec<String>>, Trouble> {
    let mut scopes: Vec<String> = asked.split(' ').filter(|scope| !scope.is_empty()).map(ToOwned::to_owned).collect();
    scopes.sort();
    scopes.dedup();
    if !scopes.iter().all(|scope| configured.contains(scope)) {
        return Err(NO_SUCH_SCOPE);
    }
    let all = scopes.is_empty() || scopes.len() == configured.len();
    Ok((!all).then_some(scopes))
}

fn wants_text(accept: Option<&str>) -> bool {
    let first = accept.and_then(|accept| accept.split([',', ';']).next());
    first.is_some_and(|first| first.trim().eq_ignore_ascii_case("text/plain"))
}

#[expect(clippy::disallowed_methods, reason = "this is the answer to a caller that holds a permit")]
fn render(surface: &Surface, served: &Served<BearerToken>, as_text: bool) -> Response {
    let token = served.lease.value.token.expose_secret();
    if as_text {
        return reply::with_type(StatusCode::OK, TEXT, token.to_owned());
    }
    let remaining = served.lease.remaining(surface.clock.now());
    let mut body = json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": remaining.as_secs().max(1),
        "expires_at": rfc3339(surface.clock.wall_at(served.lease.expiry)),
    });
    if let Some(scope) = &served.lease.value.scope {
        body["scope"] = json!(scope);
    }
    reply::json(StatusCode::OK, &body)
}

/// Says how the answer stands to the cache.
pub fn with_cache(mut response: Response, cache: CacheState) -> Response {
    let value = HeaderValue::from_static(cache.as_str());
    response.headers_mut().insert(HeaderName::from_static("credbroker-cache"), value);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured() -> Vec<String> {
        ["a/r", "a/w"].map(ToOwned::to_owned).to_vec()
    }

    #[test]
    fn a_scope_narrows_and_never_widens() {
        let narrow = |query| narrowed(query, &configured());
        assert_eq!(narrow("").unwrap(), None);
        assert_eq!(narrow("scope=").unwrap(), None);
        assert_eq!(narrow("scope=a/w+a/r").unwrap(), None, "all of them is the same as none given");
        assert_eq!(narrow("scope=a%2Fr").unwrap(), Some(vec!["a/r".to_owned()]));
        assert_eq!(narrow("scope=a/r%20a/r").unwrap(), Some(vec!["a/r".to_owned()]));
        assert!(matches!(narrow("scope=a/x"), Err(Trouble::BadScope(_))));
        assert!(matches!(narrow("scope=a/r&scope=a/w"), Err(Trouble::BadRequest(_))));
        assert!(matches!(narrow("scop=a/r"), Err(Trouble::BadRequest(_))));
    }

    #[test]
    fn bare_text_is_for_those_who_ask_for_it_first() {
        assert!(wants_text(Some("text/plain")) && wants_text(Some("text/plain; q=0.9, */*")));
        assert!(wants_text(Some("TEXT/PLAIN")) && !wants_text(Some("text/plainx")));
        assert!(!wants_text(None) && !wants_text(Some("*/*")) && !wants_text(Some("application/json, text/plain")));
    }
}
