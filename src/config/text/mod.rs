//! Texts of the document that are parsed into types: each has a name (its JSON Schema `format`), a parser and a sentence
//! that says what is expected. The checker and serde use the same parser.

mod address;
mod aws;
mod path;
mod unit;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

pub use address::{Domain, IssuerUrl, LoopbackAddress, ResourceUri, UpstreamUrl};
pub use aws::{IdentityPoolId, PolicyArn, Region, RoleArn, SigningService, UserPoolId};
pub use path::{FileMode, FilePath};
pub use unit::UnitName;

use crate::http::listen::Listen;
use crate::policy::{Grant, TokenDigest};
use crate::source::bearer::is_scope;
use crate::source::template::Template;

/// A text type of the document.
pub trait Text: Sized {
    /// Its name in the JSON Schema.
    const FORMAT: &'static str;
    /// What is expected, as a noun phrase with an example.
    const EXPECTED: &'static str;
    /// Reads it. The error, if it has words, adds to "expected …".
    fn read(text: &str) -> Result<Self, String>;
}

/// A text read as `T`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read<T>(pub T);

impl<'de, T: Text> Deserialize<'de> for Read<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::read(&text).map(Self).map_err(|_| serde::de::Error::custom(format!("expected {}", T::EXPECTED)))
    }
}

impl<T: Text> JsonSchema for Read<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::FORMAT.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": T::FORMAT, "x-expected": T::EXPECTED })
    }
}

/// Checks `text` as the format asks: what was expected, if it is not that. Unknown formats allow everything.
pub fn check(format: &str, text: &str) -> Result<(), String> {
    fn reads<T: Text>(text: &str) -> Result<(), String> {
        T::read(text).map(drop).map_err(|why| {
            let why = if why.is_empty() { why } else { format!(" ({why})") };
            format!("expected {}{why}", T::EXPECTED)
        })
    }
    match format {
        Duration::FORMAT => reads::<Duration>(text),
        UserPoolId::FORMAT => reads::<UserPoolId>(text),
        IdentityPoolId::FORMAT => reads::<IdentityPoolId>(text),
        Domain::FORMAT => reads::<Domain>(text),
        UpstreamUrl::FORMAT => reads::<UpstreamUrl>(text),
        IssuerUrl::FORMAT => reads::<IssuerUrl>(text),
        ResourceUri::FORMAT => reads::<ResourceUri>(text),
        RoleArn::FORMAT => reads::<RoleArn>(text),
        PolicyArn::FORMAT => reads::<PolicyArn>(text),
        Region::FORMAT => reads::<Region>(text),
        SigningService::FORMAT => reads::<SigningService>(text),
        Listen::FORMAT => reads::<Listen>(text),
        LoopbackAddress::FORMAT => reads::<LoopbackAddress>(text),
        SocketAddr::FORMAT => reads::<SocketAddr>(text),
        Template::FORMAT => reads::<Template>(text),
        FileMode::FORMAT => reads::<FileMode>(text),
        FilePath::FORMAT => reads::<FilePath>(text),
        Scope::FORMAT => reads::<Scope>(text),
        TokenDigest::FORMAT => reads::<TokenDigest>(text),
        UnitName::FORMAT => reads::<UnitName>(text),
        _ => Ok(()),
    }
}

impl Text for Duration {
    const FORMAT: &'static str = "duration";
    const EXPECTED: &'static str = "a duration such as \"90s\", \"15m\" or \"1h\"";

    fn read(text: &str) -> Result<Self, String> {
        let unit = text.chars().next_back().ok_or_else(String::new)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            _ => return Err(String::new()),
        };
        let digits = &text[..text.len() - 1];
        if digits.is_empty() || digits.len() > 7 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(String::new());
        }
        digits.parse::<u64>().map(|count| Self::from_secs(count * seconds)).map_err(|_| String::new())
    }
}

impl Text for Template {
    const FORMAT: &'static str = "template";
    const EXPECTED: &'static str = "a text, in which {caller} and {host} may stand";

    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("not empty".to_owned()) } else { Self::parse(text) }
    }
}

/// One scope (RFC 6749 section 3.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope(pub String);

impl Text for Scope {
    const FORMAT: &'static str = "scope";
    const EXPECTED: &'static str = "one scope, without spaces, quotes or backslashes, such as \"billing/read\"";

    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > 256 || !is_scope(text) {
            Err(String::new())
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

/// What `sha256sum` prints when it was given nothing.
const EMPTY_TEXT_DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

impl Text for TokenDigest {
    const FORMAT: &'static str = "sha256";
    const EXPECTED: &'static str = "the SHA-256 of the token as 64 hexadecimal digits";

    fn read(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case(EMPTY_TEXT_DIGEST) {
            return Err("that is the digest of an empty token".to_owned());
        }
        Self::from_hex(text).ok_or_else(String::new)
    }
}

impl Text for Grant {
    const FORMAT: &'static str = "grant";
    const EXPECTED: &'static str = "\"tokens.NAME\", \"credentials.NAME\" or \"issuers.NAME\"";

    fn read(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once('.').ok_or_else(String::new)?;
        let name = name.to_owned();
        match kind {
            "tokens" => Ok(Self::Token(name)),
            "credentials" => Ok(Self::Credentials(name)),
            "issuers" => Ok(Self::Issuer(name)),
            _ => Err(String::new()),
        }
    }
}

#[cfg(test)]
mod tests;
