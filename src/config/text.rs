//! Texts of the document that are parsed into types: each has a name (its JSON Schema `format`), a parser and a sentence
//! that says what is expected. The checker and serde use the same parser.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use url::{Host, Url};

use crate::policy::{Grant, TokenDigest};
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
        json_schema!({ "type": "string", "format": T::FORMAT })
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
        RoleArn::FORMAT => reads::<RoleArn>(text),
        Listen::FORMAT => reads::<Listen>(text),
        LoopbackAddress::FORMAT => reads::<LoopbackAddress>(text),
        SocketAddr::FORMAT => reads::<SocketAddr>(text),
        Template::FORMAT => reads::<Template>(text),
        FileMode::FORMAT => reads::<FileMode>(text),
        Scope::FORMAT => reads::<Scope>(text),
        TokenDigest::FORMAT => reads::<TokenDigest>(text),
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

/// A user pool's id, `REGION_ID` (CreateUserPool).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPoolId {
    /// The whole id.
    pub id: String,
    /// The part before the underscore.
    pub region: String,
}

fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() >= 3
        && parts
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
        && parts.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
}

impl Text for UserPoolId {
    const FORMAT: &'static str = "user-pool-id";
    const EXPECTED: &'static str = "a user pool id such as \"eu-west-1_AbCd12345\"";

    fn read(text: &str) -> Result<Self, String> {
        let (region, rest) = text.split_once('_').ok_or_else(String::new)?;
        if !is_region(region) || rest.is_empty() || text.len() > 55 || !rest.bytes().all(|b| b.is_ascii_alphanumeric())
        {
            return Err(String::new());
        }
        Ok(Self { id: text.to_owned(), region: region.to_owned() })
    }
}

/// An identity pool's id, `REGION:GUID` (CreateIdentityPool).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityPoolId {
    /// The whole id.
    pub id: String,
    /// The part before the colon.
    pub region: String,
}

impl Text for IdentityPoolId {
    const FORMAT: &'static str = "identity-pool-id";
    const EXPECTED: &'static str = "an identity pool id such as \"eu-west-1:11112222-3333-4444-5555-666677778888\"";

    fn read(text: &str) -> Result<Self, String> {
        let (region, guid) = text.split_once(':').ok_or_else(String::new)?;
        let lengths: Vec<usize> = guid.split('-').map(str::len).collect();
        if !is_region(region)
            || lengths != [8, 4, 4, 4, 12]
            || !guid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
        {
            return Err(String::new());
        }
        Ok(Self { id: text.to_owned(), region: region.to_owned() })
    }
}

/// An upstream address: https anywhere, plain http on loopback only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamUrl(pub Url);

/// Is it a name or address of the loopback interface?
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl Text for UpstreamUrl {
    const FORMAT: &'static str = "upstream-url";
    const EXPECTED: &'static str = "an https URL, or an http URL on loopback";

    fn read(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|cause| cause.to_string())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("without user or password".to_owned());
        }
        if url.fragment().is_some() {
            return Err("without a fragment".to_owned());
        }
        match url.scheme() {
            "https" if url.host().is_some() => Ok(Self(url)),
            "http" if is_loopback(&url) => Ok(Self(url)),
            "http" => Err("plain http is accepted for loopback only".to_owned()),
            scheme => Err(format!("the scheme {scheme} is not known")),
        }
    }
}

/// A user pool's domain: a prefix, a full custom domain, or a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domain {
    /// The prefix of an `amazoncognito.com` domain.
    Prefix(String),
    /// The address of the token endpoint's host, or the whole endpoint.
    Url(Url),
}

impl Text for Domain {
    const FORMAT: &'static str = "user-pool-domain";
    const EXPECTED: &'static str =
        "a domain prefix such as \"acme\", a full domain such as \"auth.example.com\", or a URL";

    fn read(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return UpstreamUrl::read(text).map(|url| Self::Url(url.0));
        }
        let label = |part: &str| {
            !part.is_empty()
                && part.len() <= 63
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !text.split('.').all(label) {
            return Err("lower-case letters, digits and hyphens".to_owned());
        }
        if !text.contains('.') {
            return Ok(Self::Prefix(text.to_owned()));
        }
        UpstreamUrl::read(&format!("https://{text}")).map(|url| Self::Url(url.0))
    }
}

impl Domain {
    /// The token endpoint of this domain, for a pool in `region`.
    pub fn token_endpoint(&self, region: &str) -> Option<Url> {
        let mut url = match self {
            Self::Url(url) => url.clone(),
            Self::Prefix(prefix) if region.starts_with("us-gov-") => {
                Url::parse(&format!("https://{prefix}.auth-fips.{region}.amazoncognito.com")).ok()?
            }
            Self::Prefix(prefix) => Url::parse(&format!("https://{prefix}.auth.{region}.amazoncognito.com")).ok()?,
        };
        if !url.path().ends_with("/oauth2/token") {
            let path = format!("{}/oauth2/token", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        Some(url)
    }
}

/// A role's ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleArn(pub String);

impl Text for RoleArn {
    const FORMAT: &'static str = "role-arn";
    const EXPECTED: &'static str = "a role ARN such as \"arn:aws:iam::111122223333:role/orders\"";

    fn read(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.splitn(6, ':').collect();
        let [arn, partition, service, _, account, resource] = fields[..] else { return Err(String::new()) };
        let good = arn == "arn"
            && partition.starts_with("aws")
            && service == "iam"
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && resource
                .strip_prefix("role/")
                .is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()))
            && text.len() <= 2048;
        if good { Ok(Self(text.to_owned())) } else { Err(String::new()) }
    }
}

/// Where callers come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// 127.0.0.1 and ::1 together.
    Loopback(u16),
    /// One loopback address.
    Address(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
    /// Sockets that systemd holds, by `FileDescriptorName=`.
    Systemd(String),
}

impl Text for Listen {
    const FORMAT: &'static str = "listen";
    const EXPECTED: &'static str =
        "\"loopback:PORT\", a loopback address such as \"127.0.0.1:2778\", \"unix:/PATH\" or \"systemd:NAME\"";

    fn read(text: &str) -> Result<Self, String> {
        if let Some(port) = text.strip_prefix("loopback:") {
            return port.parse().map(Self::Loopback).map_err(|_| "the port is a number up to 65535".to_owned());
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let fits = path.starts_with('/') && path.len() < 108;
            return if fits {
                Ok(Self::Unix(path.into()))
            } else {
                Err("an absolute path of at most 107 bytes".to_owned())
            };
        }
        if let Some(name) = text.strip_prefix("systemd:") {
            let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
            return if good {
                Ok(Self::Systemd(name.to_owned()))
            } else {
                Err("the name of a FileDescriptorName=".to_owned())
            };
        }
        LoopbackAddress::read(text).map(|address| Self::Address(address.0))
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Loopback(port) => write!(f, "loopback:{port}"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}

/// An address on which only this machine can ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopbackAddress(pub SocketAddr);

impl Text for LoopbackAddress {
    const FORMAT: &'static str = "loopback-address";
    const EXPECTED: &'static str = "a loopback address with a port, such as \"127.0.0.1:2778\" or \"[::1]:2778\"";

    fn read(text: &str) -> Result<Self, String> {
        let address: SocketAddr = text.parse().map_err(|_| String::new())?;
        let loopback = match address.ip() {
            IpAddr::V4(v4) => v4.is_loopback(),
            IpAddr::V6(v6) => v6.is_loopback(),
        };
        if loopback { Ok(Self(address)) } else { Err(format!("{} can be reached from other machines", address.ip())) }
    }
}

impl Text for SocketAddr {
    const FORMAT: &'static str = "socket-address";
    const EXPECTED: &'static str = "an address with a port, such as \"127.0.0.1:9464\"";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| String::new())
    }
}

impl Text for Template {
    const FORMAT: &'static str = "template";
    const EXPECTED: &'static str = "a text, in which {caller} and {host} may stand";

    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("not empty".to_owned()) } else { Self::parse(text) }
    }
}

/// The permission bits of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMode(pub u32);

impl Text for FileMode {
    const FORMAT: &'static str = "file-mode";
    const EXPECTED: &'static str = "permission bits in octal, such as \"0440\"";

    fn read(text: &str) -> Result<Self, String> {
        let bits = u32::from_str_radix(text, 8).map_err(|_| String::new())?;
        if !(3..=4).contains(&text.len()) || bits > 0o777 {
            return Err(String::new());
        }
        if bits & 0o007 != 0 { Err("not open to others".to_owned()) } else { Ok(Self(bits)) }
    }
}

/// One scope (RFC 6749 section 3.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope(pub String);

impl Text for Scope {
    const FORMAT: &'static str = "scope";
    const EXPECTED: &'static str = "one scope, without spaces, quotes or backslashes, such as \"billing/read\"";

    fn read(text: &str) -> Result<Self, String> {
        let allowed = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
        if text.is_empty() || text.len() > 256 || !text.bytes().all(allowed) {
            Err(String::new())
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl Text for TokenDigest {
    const FORMAT: &'static str = "sha256";
    const EXPECTED: &'static str = "the SHA-256 of the token as 64 hexadecimal digits";

    fn read(text: &str) -> Result<Self, String> {
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
#[path = "text_tests.rs"]
mod tests;
