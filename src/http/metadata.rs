//! `GET /.well-known/oauth-authorization-server`: the server metadata (RFC 8414) that OAuth libraries look for, for anybody who can
//! reach the broker's own listeners, since it says nothing that depends on the configuration. Not on the admin listener, which is no
//! way to a token.
//!
//! The issuer is the address that was asked, as its Host header has it, so that a library finds what it expects; `http://localhost`
//! over a unix socket, unless that header names a loopback address too. There are no `scopes_supported`: they are for those who may
//! have them.

use http::header::HOST;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use warp::Filter as _;

use super::describe::{JSON, Operation, Path, of};
use super::reply::{self, Style};
use super::{Routes, allowed, exchange, intake, introspect, oauth};

const PATH: &str = "/.well-known/oauth-authorization-server";
const METHODS: &[&str] = &["GET", "HEAD"];

/// Is this the path?
pub fn is_open(path: &str) -> bool {
    path == PATH
}

/// The route.
pub fn route() -> Routes {
    warp::path!(".well-known" / "oauth-authorization-server")
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .map(|method: Method, headers: HeaderMap| match allowed(&method, METHODS) {
            Ok(()) => reply::json(StatusCode::OK, &document(&headers)),
            Err(trouble) => reply::refusal(&trouble, Style::OAuth),
        })
        .boxed()
}

/// The path, described.
pub fn described() -> Path {
    let (url, names) =
        (json!({ "type": "string", "format": "uri" }), json!({ "type": "array", "items": { "type": "string" } }));
    let metadata = json!({
        "type": "object",
        "required": [
            "issuer",
            "token_endpoint",
            "introspection_endpoint",
            "grant_types_supported",
            "response_types_supported",
        ],
        "properties": {
            "issuer": url,
            "token_endpoint": url,
            "token_endpoint_auth_methods_supported": names,
            "introspection_endpoint": url,
            "introspection_endpoint_auth_methods_supported": names,
            "grant_types_supported": names,
            "response_types_supported": names,
        },
    });
    let read = Operation::open("OAuth", "readServerMetadata", "What OAuth libraries find out by themselves (RFC 8414)")
        .answering(
            StatusCode::OK,
            "The metadata, for the address that was asked.",
            [(JSON, of("ServerMetadata"))],
            &[],
        );
    Path::at(PATH).defining("ServerMetadata", metadata).offering(METHODS, &read)
}

fn document(headers: &HeaderMap) -> Value {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).filter(|host| intake::is_loopback_host(host));
    let issuer = format!("http://{}", host.unwrap_or("localhost"));
    json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}{}", oauth::PATH),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "introspection_endpoint": format!("{issuer}{}", introspect::PATH),
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "Bearer"],
        "grant_types_supported": [oauth::CLIENT_CREDENTIALS, exchange::GRANT_TYPE],
        // Required, and for the endpoint that is not there.
        "response_types_supported": [],
    })
}
