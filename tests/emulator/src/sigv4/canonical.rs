//! The canonical request: one text both sides can compute.

use std::fmt::Write as _;

use http::HeaderMap;
use url::form_urlencoded;

use crate::call::Call;

/// What a service makes of the path.
#[derive(Clone, Copy)]
pub(super) enum Path {
    /// Dot and empty segments resolved, then encoded once more.
    Escaped,
    /// The key of an object, which may hold anything, encoded once however it was sent.
    Key,
}

/// Method, path, query, signed headers, their names, and what stands for the body.
pub(super) fn request(call: &Call, signed: &[String], dialect: Path, payload: &str) -> String {
    format!(
        "{}\n{}\n{}\n{}\n{}\n{}",
        call.method,
        match dialect {
            Path::Escaped => path(&call.path),
            Path::Key => key(&call.path),
        },
        query(&call.query),
        headers(&call.headers, signed),
        signed.join(";"),
        payload,
    )
}

/// Dot and empty segments resolved, then encoded once more (every service but S3 encodes twice).
fn path(raw: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in raw.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    let mut out = String::from("/");
    out.push_str(&segments.iter().map(|segment| encode(segment)).collect::<Vec<_>>().join("/"));
    if raw.ends_with('/') && out.len() > 1 {
        out.push('/');
    }
    out
}

/// Only the escapes are resolved; S3 keeps dot and empty segments.
fn key(raw: &str) -> String {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let escaped = more.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    bytes.split(|byte| *byte == b'/').map(encode_bytes).collect::<Vec<_>>().join("/")
}

fn query(raw: &str) -> String {
    // A plus sign in a signed query is a plus sign, not a space.
    let raw = raw.replace('+', "%2B");
    let mut pairs: Vec<(String, String)> =
        form_urlencoded::parse(raw.as_bytes()).map(|(name, value)| (encode(&name), encode(&value))).collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn headers(all: &HeaderMap, signed: &[String]) -> String {
    let mut out = String::new();
    for name in signed {
        let values: Vec<String> = all.get_all(name).iter().map(|value| squeezed(value.as_bytes())).collect();
        let _ = writeln!(out, "{name}:{}", values.join(","));
    }
    out
}

/// Outer space removed, inner runs of it reduced to one.
fn squeezed(value: &[u8]) -> String {
    String::from_utf8_lossy(value).split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// RFC 3986: everything but the unreserved characters as `%XX`.
fn encode(text: &str) -> String {
    encode_bytes(text.as_bytes())
}

fn encode_bytes(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
