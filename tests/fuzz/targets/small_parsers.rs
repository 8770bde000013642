//! Any text to whatever is read in passing: instants, durations, Host headers, private keys, tokens we merely carry, files of an
//! earlier run, templates. What is read can be written, and reads the same again.
//!
//! The first letter of an input says what reads it.

#![no_main]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::SystemTime;

use credbroker::clock::{read_rfc3339, rfc3339};
use credbroker::files::content;
use credbroker::http::intake::is_loopback_host;
use credbroker::policy::TokenDigest;
use credbroker::secret::Secret;
use credbroker::source::Ask;
use credbroker::source::bearer::is_scope;
use credbroker::source::jwt::Claims;
use credbroker::source::keyring::Place;
use credbroker::source::signing_key::{Algorithm, SigningKey};
use credbroker::source::template::Template;
use credbroker::{clock, config};
use credbroker_fuzz::canary;
use libfuzzer_sys::fuzz_target;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

fuzz_target!(|input: &[u8]| {
    let Some((letter, rest)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    match letter % 8 {
        0 => instant(text),
        1 => duration(text),
        2 => host(text),
        3 => private_key(text, None),
        4 => private_key(text, Some(Algorithm::Ps256)),
        5 => carried(text),
        6 => template(text),
        _ => digest(text),
    }
});

fn instant(text: &str) {
    let Some(instant) = read_rfc3339(text) else { return };
    let written = rfc3339(instant);
    assert_eq!(written.len(), "2027-01-15T08:00:00Z".len(), "{written}");
    let again = read_rfc3339(&written).expect("what was written is read");
    assert!(instant < SystemTime::UNIX_EPOCH || again <= instant, "{written}");
    assert_eq!(rfc3339(again), written);
}

fn duration(text: &str) {
    if let Some(duration) = config::duration(text) {
        assert!(text.ends_with(['s', 'm', 'h', 'd']) && text.as_bytes()[0].is_ascii_digit(), "{text}: {duration:?}");
    }
}

fn host(text: &str) {
    let is_port = |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match text.rsplit_once(':') {
        Some((name, port)) if is_port(port) && (name.ends_with(']') || !name.contains(':')) => name,
        _ => text,
    };
    let is_here = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok_and(|v6| v6.is_loopback()),
        None => name.eq_ignore_ascii_case("localhost") || name.parse::<Ipv4Addr>().is_ok_and(|v4| v4.is_loopback()),
    };
    assert_eq!(is_loopback_host(text), is_here, "{text}");
}

/// A key that is taken signs, or says why not.
fn private_key(text: &str, algorithm: Option<Algorithm>) {
    let place = Place::Local(Secret::Env("KEY".to_owned()));
    match SigningKey::read(&SecretString::from(text), &place, algorithm) {
        Ok(key) => match key.jwt(None, &json!({ "iss": "here" })) {
            Ok(jwt) => {
                assert_eq!(jwt.expose_secret().split('.').count(), 3);
                assert!(jwt.expose_secret().is_ascii());
            }
            Err(failure) => canary::is_not_told(&failure),
        },
        Err(failure) => canary::is_not_told(&failure),
    }
}

fn carried(text: &str) {
    if let Some(claims) = Claims::of(text) {
        let _ = (claims.expiry(), claims.scope());
    }
    if let Some(end) = content::end_of(text) {
        assert!(!clock::rfc3339(end).is_empty());
    }
    let _ = is_scope(text);
}

fn template(text: &str) {
    let ask = Ask { caller: Some("caller".to_owned()), ..Ask::default() };
    let Ok(template) = Template::parse(text) else { return };
    let name = template.session_name(&ask, "host");
    assert!(
        name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)),
        "{name}"
    );
    let rendered = template.render(&ask, "host");
    assert!(rendered.contains("caller") || !template.names_caller(), "{rendered}");
}

fn digest(text: &str) {
    let read = TokenDigest::from_hex(text);
    assert_eq!(read.is_some(), text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
}
