//! Authorization server metadata: RFC 8414, or OpenID Connect Discovery 1.0 where that is all there is.
//!
//! RFC 8414 section 3 puts its well-known part between host and path of the issuer, OpenID Connect behind the path. The
//! `issuer` inside must be the one that was asked for, to the letter (RFC 8414 section 3.3): otherwise one server could
//! speak for another. Endpoints are https, or on loopback.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use url::Url;

use super::upstream::{Reply, Upstream, is_secure};
use super::{Ask, Failure, FailureKind, Source};
use crate::clock::Clock;
use crate::lease::Issued;

/// Metadata is looked at again once a day at the latest.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// What an authorization server says of itself, as far as it is looked at.
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    /// Who it is.
    pub issuer: String,
    /// Where tokens are asked for.
    #[serde(default)]
    pub token_endpoint: Option<Url>,
    /// Where its public keys are.
    #[serde(default)]
    pub jwks_uri: Option<Url>,
}

/// The source of one issuer's metadata.
pub struct Discovery {
    issuer: Url,
    spelled: String,
    upstream: Upstream,
    clock: Clock,
}

impl Discovery {
    /// Asks `issuer`, an https URL or one on loopback, spelled as `spelled` in its metadata and tokens.
    pub fn new(issuer: Url, spelled: String, upstream: Upstream, clock: Clock) -> Self {
        Self { issuer, spelled, upstream, clock }
    }

    fn what(&self) -> String {
        format!("the metadata of {}", self.spelled)
    }

    /// RFC 8414 section 3.1, then OpenID Connect Discovery section 4.
    fn places(&self) -> [Url; 2] {
        let path = self.issuer.path().trim_end_matches('/');
        let at = |path: String| {
            let mut url = self.issuer.clone();
            url.set_path(&path);
            url
        };
        [
            at(format!("/.well-known/oauth-authorization-server{path}")),
            at(format!("{path}/.well-known/openid-configuration")),
        ]
    }

    /// The metadata in `reply`; `None` if it is none at all.
    fn read(&self, reply: &Reply) -> Result<Option<Metadata>, Failure> {
        let Ok(metadata) = serde_json::from_slice::<Metadata>(&reply.body) else { return Ok(None) };
        let malformed = |fault: &str| Failure::new(FailureKind::Malformed, format!("{} {fault}", self.what()));
        if metadata.issuer != self.spelled {
            return Err(malformed("names another issuer; write issuer as the server spells itself"));
        }
        let endpoints = [&metadata.token_endpoint, &metadata.jwks_uri];
        if !endpoints.into_iter().flatten().all(is_secure) {
            return Err(malformed("names an endpoint that is neither https nor on loopback"));
        }
        let has_secret = |url: &Url| !url.username().is_empty() || url.password().is_some() || url.fragment().is_some();
        if endpoints.into_iter().flatten().any(has_secret) {
            return Err(malformed("names an endpoint with a user, a password or a fragment in its address"));
        }
        Ok(Some(metadata))
    }
}

#[async_trait]
impl Source<Metadata> for Discovery {
    async fn fetch(&self, _: &Ask) -> Result<Issued<Metadata>, Failure> {
        let sent_at = self.clock.now();
        let (mut refused, mut is_page) = (None, false);
        for place in self.places() {
            let reply = self.upstream.get(&self.what(), place.as_str()).await?;
            match reply.status {
                // Some servers answer 200 and a page to whatever they do not know.
                200 => match self.read(&reply)? {
                    Some(metadata) => return Ok(Issued::new(metadata, sent_at, sent_at.plus(LIFETIME))),
                    None => is_page = true,
                },
                429 | 500.. => {
                    let message = format!("{} cannot be had (status {}); it is asked again", self.what(), reply.status);
                    let kind = if reply.status == 429 { FailureKind::Throttled } else { FailureKind::Unavailable };
                    return Err(Failure { retry_after: reply.retry_after, ..Failure::new(kind, message) });
                }
                status => refused = Some(status),
            }
        }
        if is_page {
            let message = format!("{} is not the metadata of an authorization server; check issuer", self.what());
            return Err(Failure::new(FailureKind::Malformed, message));
        }
        let status = refused.unwrap_or_default();
        let message = format!(
            "{} is not there (status {status}); check issuer, or give token_endpoint or jwks_uri itself",
            self.what()
        );
        Err(Failure::new(FailureKind::Misconfigured, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    fn discovery(issuer: &str) -> Discovery {
        let upstream = Upstream::new(&Environment::default()).unwrap();
        Discovery::new(Url::parse(issuer).unwrap(), issuer.to_owned(), upstream, Clock::system())
    }

    fn reply(body: &str) -> Reply {
        Reply { status: 200, retry_after: None, request_id: None, date: None, body: body.as_bytes().to_vec().into() }
    }

    #[test]
    fn the_well_known_part_stands_where_each_standard_puts_it() {
        let places = |issuer| discovery(issuer).places().map(|url| url.to_string());
        assert_eq!(
            places("https://login.example"),
            [
                "https://login.example/.well-known/oauth-authorization-server",
                "https://login.example/.well-known/openid-configuration"
            ]
        );
        assert_eq!(
            places("https://login.example/tenant/"),
            [
                "https://login.example/.well-known/oauth-authorization-server/tenant",
                "https://login.example/tenant/.well-known/openid-configuration"
            ]
        );
    }

    #[test]
    fn metadata_speaks_for_its_own_issuer_only_and_names_secure_endpoints() {
        let read = |body: &str| discovery("https://login.example").read(&reply(body));
        let good = read(r#"{"issuer":"https://login.example","token_endpoint":"https://login.example/t","x":1}"#);
        assert_eq!(good.unwrap().unwrap().token_endpoint.unwrap().as_str(), "https://login.example/t");
        assert!(read("<html>").unwrap().is_none(), "a page is no metadata, and the other place is looked at");
        for (body, fault) in [
            (r#"{"issuer":"https://login.example/"}"#, "another issuer"),
            (r#"{"issuer":"https://evil.example"}"#, "another issuer"),
            (r#"{"issuer":"https://login.example","token_endpoint":"http://login.example/t"}"#, "neither https"),
            (r#"{"issuer":"https://login.example","jwks_uri":"ftp://login.example/k"}"#, "neither https"),
            (r#"{"issuer":"https://login.example","jwks_uri":"https://u:p@login.example/k"}"#, "a password"),
        ] {
            let failure = read(body).unwrap_err();
            assert!(failure.kind == FailureKind::Malformed && failure.message.contains(fault), "{failure}");
        }
    }
}
