//! The broker's own OAuth endpoints, as libraries ask them.

mod exchange;
mod grants;
mod knowing;
mod metadata;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::client::{Answer, Ask};

const TOKEN: &str = "/oauth2/token";
const CLIENT_CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");

/// A request for a token, by nobody yet.
fn token(fields: &[(&str, &str)]) -> Ask {
    Ask::form(TOKEN, &[&[CLIENT_CREDENTIALS], fields].concat())
}

/// The header of HTTP Basic, of a client that encodes nothing.
fn basic(ask: Ask, id: &str, secret: &str) -> Ask {
    ask.header("authorization", &format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))))
}

/// An error as RFC 6749 section 5.2 has it.
#[track_caller]
fn refused(answer: &Answer, status: u16, error: &str) {
    let body = answer.json();
    assert_eq!((answer.status, body["error"].as_str()), (status, Some(error)), "{}", answer.text);
    assert_eq!(answer.members(), ["error", "error_description"], "{}", answer.text);
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));
    let is_allowed = |c: char| matches!(c, ' '..='!' | '#'..='[' | ']'..='~');
    assert!(body["error_description"].as_str().unwrap().chars().all(is_allowed), "{}", answer.text);
}

/// Refused for want of a caller, with the scheme of the challenge if there is one.
#[track_caller]
fn unknown(answer: &Answer, challenge: Option<&str>) {
    refused(answer, 401, "invalid_client");
    let scheme = answer.header("www-authenticate").and_then(|value| value.split(' ').next());
    assert_eq!(scheme, challenge, "{answer:?}");
}
