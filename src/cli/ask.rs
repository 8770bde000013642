//! Asking the daemon for one named thing: the path, and the exit code when it is refused.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::client::{Answer, Where};
use super::{Exit, output};
use crate::app::Outside;

/// Asks for `kind` (`tokens` or `credentials`) `name`, which may be written with its kind.
pub async fn ask(place: &Where, outside: &Outside, kind: &str, name: &str, query: &str) -> Result<Answer, Exit> {
    let client = place.client(outside).map_err(|cause| cause.end())?;
    let answer = client.get(&path(kind, name, query)).await.map_err(|cause| cause.end())?;
    if answer.status.is_success() {
        return Ok(answer);
    }
    output::complain(&complaint(&answer));
    Err(exit_of(answer.status.as_u16()))
}

/// The path of a named thing, which may be written with its kind.
pub fn path(kind: &str, name: &str, query: &str) -> String {
    let bare = name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
    // A name that is none meets the daemon's own words about it.
    let safe: String = url::form_urlencoded::byte_serialize(bare.as_bytes()).collect();
    format!("/v1/{kind}/{safe}{query}")
}

/// The bearer token in an answer, if there is one that could stand in a header (RFC 6750 section 2.1, and whatever else is visible).
pub fn token(answer: &Answer) -> Option<SecretString> {
    #[derive(Deserialize)]
    struct Given {
        access_token: SecretString,
    }
    // The parser's own words may quote the token.
    let Given { access_token } = serde_json::from_slice(&answer.body).ok()?;
    #[expect(clippy::disallowed_methods, reason = "only its form is looked at")]
    let text = access_token.expose_secret();
    let is_one = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_one.then_some(access_token)
}

/// What the daemon said was wrong.
pub fn complaint(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = body["error_description"].as_str().or_else(|| body["message"].as_str());
    said.map_or_else(|| format!("the daemon answered with status {}", answer.status), ToOwned::to_owned)
}

/// The exit code for a refusal.
pub fn exit_of(status: u16) -> Exit {
    match status {
        401 | 403 => Exit::NotAllowed,
        503 | 504 => Exit::NotInTime,
        _ => Exit::Failed,
    }
}
