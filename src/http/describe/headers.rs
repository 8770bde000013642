//! The headers of answers, as they are described.

use http::HeaderMap;
use serde_json::{Map, Value, json};

use crate::http::reply::{self, Response};

/// Those that have a spelling and a meaning of their own here.
const KNOWN: [(&str, &str); 12] = [
    ("Allow", "The methods that this path takes."),
    ("Cache-Control", "Nothing here may be stored."),
    ("Content-Security-Policy", "Nothing is loaded, run or framed; the page has a policy of its own."),
    ("Credbroker-Cache", "Held and its refresh not due, held and its refresh due, or fetched for this request."),
    ("Cross-Origin-Resource-Policy", "No other site's page may take it in."),
    ("Pragma", "Nothing here may be stored, for caches of HTTP/1.0."),
    ("Retry-After", "Seconds after which it is worth asking again."),
    ("WWW-Authenticate", "How to show who asks (RFC 6750 section 3, RFC 7617), and what is wrong with the token."),
    ("X-Auth-Client", "The client that the user's token was issued to, where the token says so."),
    ("X-Auth-Scope", "The scopes of the user's token, separated by spaces, where it has any."),
    ("X-Auth-Subject", "The user, where the token says so."),
    ("X-Content-Type-Options", "The content is of the type that it says."),
];

/// What [`described`] refers to.
pub fn components() -> Map<String, Value> {
    let always = of_every_answer();
    let component = |(name, what): &(&str, &str)| {
        let value = always.get(*name).filter(|_| !is_replaceable(name)).and_then(|value| value.to_str().ok());
        let schema = value.map_or_else(|| schema(name), |value| json!({ "const": value }));
        ((*name).to_owned(), json!({ "description": what, "required": true, "schema": schema }))
    };
    KNOWN.iter().filter(|(name, _)| !is_optional(name)).map(component).collect()
}

/// The names of the headers that every answer has.
pub fn always() -> impl Iterator<Item = String> {
    of_every_answer().into_iter().filter_map(|(name, _)| name).map(|name| spelled(name.as_str()))
}

/// A header of an answer.
pub fn described(name: &str, is_required: bool) -> Value {
    match KNOWN.iter().find(|(known, _)| *known == name) {
        Some(_) if is_required && !is_optional(name) => json!({ "$ref": format!("#/components/headers/{name}") }),
        Some((_, what)) => json!({ "description": what, "schema": schema(name) }),
        None => json!({ "required": is_required && !is_optional(name), "schema": schema(name) }),
    }
}

/// A name as people write it.
pub fn spelled(name: &str) -> String {
    KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(name, |(known, _)| known).to_owned()
}

fn of_every_answer() -> HeaderMap {
    let mut response = Response::default();
    reply::harden(&mut response, false);
    std::mem::take(response.headers_mut())
}

/// Is it left out of answers that it could stand in?
fn is_optional(name: &str) -> bool {
    name.starts_with("X-Auth-") || name == "Refresh"
}

/// Do some answers have another value than most?
fn is_replaceable(name: &str) -> bool {
    name == "Content-Security-Policy"
}

fn schema(name: &str) -> Value {
    match name {
        "Retry-After" => json!({ "type": "integer", "minimum": 1 }),
        "Credbroker-Cache" => json!({ "type": "string", "enum": ["hit", "stale", "miss"] }),
        _ => json!({ "type": "string", "minLength": 1 }),
    }
}
