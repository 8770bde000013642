//! Any body to `/oauth2/introspect`, of a caller who may ask. A token is active only where it is one of the good ones, and
//! nothing else of the body is repeated.
//!
//! The first letter of an input says what the body calls itself.

#![no_main]

use credbroker_fuzz::{canary, run, site, tokens, wire};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const KINDS: [&str; 4] = [
    "application/x-www-form-urlencoded",
    "application/json",
    "application/x-www-form-urlencoded; charset=utf-8",
    "text/plain",
];

fuzz_target!(|input: &[u8]| {
    let Some((letter, body)) = input.split_first() else { return };
    let kind = KINDS[usize::from(*letter) % KINDS.len()];
    let mut sent = format!(
        "POST /oauth2/introspect HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        site::TOKEN,
        body.len()
    )
    .into_bytes();
    sent.extend_from_slice(body);
    let said = run(async { wire::converse(&site::site().await.door, &wire::peer(0), &sent).await });
    let answers = wire::answers(&said);
    let [answer] = &answers[..] else { panic!("one answer: {}", String::from_utf8_lossy(&said)) };
    assert!(matches!(answer.status, 200 | 400 | 403 | 413), "{}", answer.head);
    let document: Value = serde_json::from_slice(answer.body).expect("JSON");
    match document["active"].as_bool() {
        Some(true) => assert!(shown(kind, body).iter().any(|token| tokens::is_good(token)), "{document}"),
        Some(false) => assert_eq!(document.as_object().map(|all| all.len()), Some(1), "{document}"),
        None => assert!(document["error"].is_string() && answer.status != 200, "{document}"),
    }
    canary::is_not_in("the answer", &said);
    canary::is_not_logged();
});

/// Every text in the body.
fn shown(kind: &str, body: &[u8]) -> Vec<String> {
    if kind.ends_with("json") {
        let all: serde_json::Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        return all.into_iter().filter_map(|(_, value)| value.as_str().map(ToOwned::to_owned)).collect();
    }
    url::form_urlencoded::parse(body).map(|(_, value)| value.into_owned()).collect()
}
