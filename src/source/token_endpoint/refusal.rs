//! What a token endpoint says no with: the codes of RFC 6749 section 5.2 and RFC 8707 section 2, and Cognito's habits.
//!
//! A wrong secret is 401 in RFC 6749 and `400 {"error":"invalid_client"}` at Cognito; some servers say `unauthorized_client` with
//! 401. Cognito's throttling has no documented form: 429, or a 400 or 403 that says so in words. What is not JSON may come from
//! a web application firewall. `error_description` and codes that are not in the table are never passed on: they may quote
//! anything.

use serde::Deserialize;

use crate::source::upstream::Reply;
use crate::source::{Failure, FailureKind};

/// The words of one client's failures.
pub struct Words<'a> {
    /// The client's id.
    pub client_id: &'a str,
    /// What the server calls a client.
    pub client: &'static str,
    /// The key of the configuration that says where the server is.
    pub address: &'static str,
    /// What to do when the client is not accepted.
    pub remedy: &'static str,
    /// The scopes asked for.
    pub scopes: &'a [String],
}

/// RFC 6749 section 5.2, as far as it is looked at.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// What `reply`, which is not a 200, means. `what` names the endpoint.
pub fn failure(what: &str, words: &Words<'_>, reply: &Reply) -> Failure {
    let code = serde_json::from_slice::<Refusal>(&reply.body).ok().map(|refusal| refusal.error);
    let (kind, message) = match (reply.status, code.as_deref()) {
        (429 | 500.., _) | (_, None) => by_status(what, words, reply),
        (_, Some(code)) => by_code(what, words, code).unwrap_or_else(|| by_status(what, words, reply)),
    };
    // Not only the code: whoever answers 401 speaks of the proof.
    let secret_refused =
        kind == FailureKind::Denied && (code.as_deref() == Some("invalid_client") || reply.status == 401);
    let request_id = reply.request_id.clone();
    Failure { retry_after: reply.retry_after, secret_refused, request_id, ..Failure::new(kind, message) }
}

fn by_code(what: &str, words: &Words<'_>, code: &str) -> Option<(FailureKind, String)> {
    use FailureKind::{Denied, Misconfigured, Throttled, Unavailable};
    let Words { client_id, client, address, remedy, scopes } = words;
    let scopes = if scopes.is_empty() { "it has by default".to_owned() } else { scopes.join(" ") };
    let (kind, message) = match code {
        "invalid_client" => (Denied, format!("{what} refused client {client_id} ({code}): {remedy}")),
        "unauthorized_client" => (
            Denied,
            format!(
                "{what} does not let client {client_id} use client_credentials ({code}): enable that flow on the {client}, or {remedy}"
            ),
        ),
        "access_denied" => {
            (Denied, format!("{what} denies client {client_id} what it asks for ({code}): allow it on the {client}"))
        }
        "invalid_grant" => {
            (Denied, format!("{what} refused client {client_id} ({code}): check the {client} and its scopes"))
        }
        "invalid_scope" => (
            Misconfigured,
            format!(
                "{what} refused the scopes {scopes} for client {client_id} ({code}): allow them on the {client} or change scopes"
            ),
        ),
        "invalid_target" => (
            Misconfigured,
            format!(
                "{what} does not issue tokens to client {client_id} for that resource or audience ({code}): check resource and audience"
            ),
        ),
        "invalid_request" => {
            (Misconfigured, format!("{what} does not understand the request ({code}): check {}", request_keys(address)))
        }
        "unsupported_grant_type" => {
            (Misconfigured, format!("{what} does not know client_credentials ({code}): check {address}"))
        }
        "server_error" | "temporarily_unavailable" => {
            (Unavailable, format!("{what} failed ({code}); it is asked again"))
        }
        "slow_down" => (Throttled, format!("{what} asks for fewer requests ({code}); it is asked again later")),
        _ => return None,
    };
    Some((kind, message))
}

/// The keys of the configuration that shape the request.
fn request_keys(address: &str) -> String {
    match address {
        "domain" => "domain, scopes and metadata".to_owned(),
        _ => format!("{address}, client_auth, scopes, audience, resource and parameters"),
    }
}

fn by_status(what: &str, words: &Words<'_>, reply: &Reply) -> (FailureKind, String) {
    use FailureKind::{Denied, Malformed, Misconfigured, Throttled, Unavailable};
    let (status, address) = (reply.status, words.address);
    if status == 429 || (matches!(status, 400 | 403) && speaks_of_throttling(&reply.body)) {
        return (Throttled, format!("{what} asks for fewer requests (status {status}); it is asked again later"));
    }
    match status {
        300..400 => {
            (Misconfigured, format!("{what} redirects (status {status}), which is never followed: check {address}"))
        }
        401 => (
            Denied,
            format!("{what} does not accept the proof of client {} (status 401): {}", words.client_id, words.remedy),
        ),
        403 => (Denied, format!("{what} forbids the request (status 403), perhaps by a web application firewall")),
        404 | 405 => (Misconfigured, format!("{what} is not there (status {status}): check {address}")),
        400..500 => (
            Malformed,
            format!("{what} refused without an error that OAuth 2.0 knows (status {status}): check {address}"),
        ),
        200..300 => (Malformed, format!("{what} answered with status {status} instead of 200; it is asked again")),
        _ => (Unavailable, format!("{what} failed (status {status}); it is asked again")),
    }
}

fn speaks_of_throttling(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    ["TooManyRequests", "Rate exceeded", "Too many requests"].iter().any(|words| text.contains(words))
}
