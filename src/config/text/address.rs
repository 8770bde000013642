//! Addresses: upstream ones, which are https or on loopback, and listening ones, which are on loopback.

use std::net::{IpAddr, SocketAddr};

use url::Url;

use super::Text;
use crate::http::listen::Listen;
use crate::source::upstream::is_loopback;

/// An upstream address: https anywhere, plain http on loopback only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamUrl(pub Url);

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
        if url.query().is_some() {
            return Err("without a query".to_owned());
        }
        match url.scheme() {
            "https" if url.host().is_some() => Ok(Self(url)),
            "http" if is_loopback(&url) => Ok(Self(url)),
            "http" => Err("plain http is accepted for loopback only".to_owned()),
            scheme => Err(format!("the scheme {scheme} is not known")),
        }
    }
}

/// An issuer: an upstream address that is also a name, and kept as it is spelled. `https://a` and `https://a/` are two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerUrl {
    /// The address.
    pub url: Url,
    /// The name.
    pub spelled: String,
}

impl Text for IssuerUrl {
    const FORMAT: &'static str = "issuer-url";
    const EXPECTED: &'static str = "an https URL, or an http URL on loopback";

    fn read(text: &str) -> Result<Self, String> {
        // What a URL parser passes over would still be part of the name.
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("as the issuer's tokens spell it, without spaces".to_owned());
        }
        UpstreamUrl::read(text).map(|url| Self { url: url.0, spelled: text.to_owned() })
    }
}

/// The name of a protected resource (RFC 8707 section 2), as it is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceUri(pub String);

impl Text for ResourceUri {
    const FORMAT: &'static str = "resource-uri";
    const EXPECTED: &'static str = "an absolute URI such as \"https://api.example.com\"";

    fn read(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| String::new())?;
        if url.fragment().is_some() {
            return Err("without a fragment".to_owned());
        }
        if text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("without spaces, and with what is not ASCII escaped".to_owned())
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
