//! `GET /`: the status as a page for people. Access is that of `/v1/status`: for callers only.
//!
//! The page is whole as it is: one document with its style in it, no script, nothing fetched, nothing to submit. The policy says
//! the same to the browser: `default-src 'none'`, the one style sheet by its digest, and no frame around it. It stands in the document
//! too, for a copy that was saved (`credbroker status --page`), which has no headers.
//!
//! A browser cannot ask for it over TCP: it sends `Sec-Fetch-Site`, which [`super::intake`] refuses there, because any page in
//! any tab could make it ask. It can be shown through a proxy that knows who looks and asks over the unix socket; for that there is
//! `?refresh=SECONDS` (2 to 3600), which adds a `Refresh` header. It is in no saved copy, which would reload itself for ever.

mod markup;
mod table;
mod view;

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use ring::digest::{SHA256, digest};
use serde_json::json;
use warp::Filter as _;

use super::describe::{Operation, Path};
use super::reply::{self, Response, Style, Trouble};
use super::{Asker, Routes, Surface, allowed, query, status, with};

const METHODS: &[&str] = &["GET", "HEAD"];
const HTML: &str = "text/html; charset=utf-8";
const BAD_REFRESH: Trouble = Trouble::BadRequest("the page takes one parameter, refresh, with 2 to 3600 seconds");
const SHEET: &str = include_str!("style.css");
/// Seconds between two looks. A shorter time would only keep the daemon busy.
const REFRESH: std::ops::RangeInclusive<u32> = 2..=3_600;

/// What the browser may do with the page. A document's own `meta` element may not speak of frames.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let sheet = STANDARD.encode(digest(&SHA256, SHEET.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{sheet}'; base-uri 'none'; form-action 'none'")
});

/// The route.
pub fn route(surface: &Arc<Surface>) -> Routes {
    warp::path::end()
        .and(warp::method())
        .and(query())
        .and(warp::ext::get::<Asker>())
        .and(with(surface))
        .map(|method: Method, query: String, _: Asker, surface: Arc<Surface>| {
            let refresh = allowed(&method, METHODS).and_then(|()| refresh(&query));
            refresh.map_or_else(|trouble| reply::refusal(&trouble, Style::OAuth), |seconds| page(&surface, seconds))
        })
        .boxed()
}

/// The path, described.
pub fn described() -> Path {
    let seconds = json!({ "type": "integer", "minimum": REFRESH.start(), "maximum": REFRESH.end() });
    let read = Operation::guarded("Operations", "readPage", "The status as a page for people")
        .explained("One document, complete in itself, without script. A browser by itself is refused over TCP.")
        .taking("query", "refresh", "Adds a Refresh header of so many seconds.", &seconds)
        .answering(
            StatusCode::OK,
            "The page.",
            [(HTML, json!({ "type": "string", "minLength": 1 }))],
            &["X-Frame-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy", "Refresh"],
        )
        .refusing([BAD_REFRESH]);
    Path::at("/").offering(METHODS, &read)
}

fn refresh(query: &str) -> Result<Option<u32>, Trouble> {
    let bad = BAD_REFRESH;
    let mut parameters = url::form_urlencoded::parse(query.as_bytes());
    match (parameters.next(), parameters.next()) {
        (None, _) => Ok(None),
        (Some((name, seconds)), None) if name == "refresh" => {
            seconds.parse().ok().filter(|seconds| REFRESH.contains(seconds)).map(Some).ok_or(bad)
        }
        _ => Err(bad),
    }
}

fn page(surface: &Surface, refresh: Option<u32>) -> Response {
    let html = view::page(&status::document(surface), &POLICY, SHEET);
    let mut response = reply::with_type(StatusCode::OK, HTML, html);
    let headers = response.headers_mut();
    let policy = format!("{}; frame-ancestors 'none'", *POLICY);
    // A digest in base64 is a header's value like any other.
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(http::header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in
        [("x-frame-options", "DENY"), ("referrer-policy", "no-referrer"), ("cross-origin-opener-policy", "same-origin")]
    {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Some(seconds) = refresh {
        headers.insert(HeaderName::from_static("refresh"), HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sensible_pace_is_taken() {
        assert_eq!([refresh("").ok(), refresh("refresh=10").ok()], [Some(None), Some(Some(10))]);
        for query in [
            "refresh=1",
            "refresh=3601",
            "refresh=x",
            "refresh",
            "refresh=10&refresh=10",
            "other=1",
            "refresh=10;url=//x",
        ] {
            assert!(refresh(query).is_err(), "{query}");
        }
    }

    #[test]
    fn the_sheet_stays_in_its_element_and_asks_for_nothing() {
        for word in ["<", "url(", "@import", "@font-face"] {
            assert!(!SHEET.contains(word), "{word}");
        }
    }
}
