//! Cognito's hosted token endpoint: `POST https://DOMAIN/oauth2/token` with the client_credentials grant (RFC 6749
//! section 4.4).
//!
//! The client authenticates by HTTP Basic. `scope` is always sent, so that what is granted does not change when somebody
//! adds a scope to the app client. Cognito's answer has no `scope` member, so the granted scopes are read from the token.
//! A wrong secret is `400 {"error":"invalid_client"}` here, not RFC 6749's 401. Throttling has no documented form: 429, or
//! a 400 or 403 that says so in words. Whatever else is not JSON may come from a web application firewall.

use std::collections::BTreeMap;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::bearer::{self, Grant};
use super::keyring::{Keyring, Keys, Place};
use super::upstream::{Reply, Upstream};
use super::{Ask, BearerToken, Failure, FailureKind, Source};
use crate::clock::Clock;
use crate::lease::Issued;

/// One app client of one user pool.
#[derive(Clone, Debug)]
pub struct Config {
    /// The whole URL of the token endpoint.
    pub endpoint: Url,
    /// The app client's id.
    pub client_id: String,
    /// Where its secret is, or its two.
    pub client_secret: Vec<Place>,
    /// What is asked for, unless a request narrows it.
    pub scopes: Vec<String>,
    /// `aws_client_metadata`, for the pool's pre-token-generation trigger.
    pub metadata: BTreeMap<String, String>,
}

/// The source.
pub struct TokenEndpoint {
    config: Config,
    upstream: Upstream,
    clock: Clock,
    keys: Keys,
}

impl TokenEndpoint {
    /// Asks with `config` through `upstream`.
    pub fn new(config: Config, upstream: Upstream, clock: Clock, keyring: Keyring) -> Self {
        let keys = Keys::new(config.client_secret.clone(), keyring);
        Self { config, upstream, clock, keys }
    }

    fn what(&self) -> String {
        format!("the token endpoint {}", self.config.endpoint)
    }

    fn form(&self, ask: &Ask) -> String {
        let scopes = ask.scopes.as_ref().unwrap_or(&self.config.scopes);
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !scopes.is_empty() {
            form.append_pair("scope", &scopes.join(" "));
        }
        if !self.config.metadata.is_empty() {
            form.append_pair("aws_client_metadata", &serde_json::json!(self.config.metadata).to_string());
        }
        form.finish()
    }
}

/// RFC 6749 section 2.3.1: id and secret are form-encoded before they are joined. With Cognito's alphabet only `+` differs.
#[expect(
    clippy::disallowed_methods,
    reason = "the secret goes into the Authorization header of its own token endpoint"
)]
fn basic(client_id: &str, secret: &SecretString) -> Zeroizing<String> {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Zeroizing::new(format!("{}:{}", encode(client_id), encode(secret.expose_secret())));
    Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

#[async_trait]
impl Source<BearerToken> for TokenEndpoint {
    async fn fetch(&self, ask: &Ask) -> Result<Issued<BearerToken>, Failure> {
        self.keys.attempt(|secret| self.ask(ask, secret)).await
    }
}

impl TokenEndpoint {
    async fn ask(&self, ask: &Ask, secret: SecretString) -> Result<Issued<BearerToken>, Failure> {
        let authorization = basic(&self.config.client_id, &secret);
        let sent_at = self.clock.now();
        let reply = self
            .upstream
            .post_form(&self.what(), self.config.endpoint.as_str(), Some(&authorization), self.form(ask))
            .await?;
        if reply.status != 200 {
            return Err(refused(&self.what(), &self.config, &reply));
        }
        let grant = granted(&self.what(), &reply.body)?;
        let asked = ask.scopes.as_ref().unwrap_or(&self.config.scopes);
        bearer::issued(&self.what(), grant, asked, sent_at, &self.clock)
    }
}

fn granted(what: &str, body: &[u8]) -> Result<Grant, Failure> {
    // The parser's own words may quote the body, which may hold the token.
    serde_json::from_slice(body).map_err(|_| {
        let fault = "without access_token, token_type and a whole number of expires_in";
        Failure::new(
            FailureKind::Malformed,
            format!("{what} answered 200 {fault}; check that the address is a token endpoint"),
        )
    })
}

/// RFC 6749 section 5.2, as far as it is looked at.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

fn refused(what: &str, config: &Config, reply: &Reply) -> Failure {
    let status = reply.status;
    let code = serde_json::from_slice::<Refusal>(&reply.body).ok().map(|refusal| refusal.error);
    let client = &config.client_id;
    let (kind, message) = match code.as_deref() {
        Some("invalid_client") => (
            FailureKind::Denied,
            format!(
                "{what} refused client {client} (invalid_client): check client_id and put the current client secret in its place"
            ),
        ),
        Some("unauthorized_client") => (
            FailureKind::Denied,
            format!(
                "{what} does not let client {client} use client_credentials (unauthorized_client): enable that flow on the app client"
            ),
        ),
        Some("invalid_scope") => (
            FailureKind::Misconfigured,
            format!(
                "{what} refused the scopes {} for client {client} (invalid_scope): allow them on the app client or change scopes",
                config.scopes.join(" ")
            ),
        ),
        Some("invalid_grant") => (
            FailureKind::Denied,
            format!("{what} refused client {client} (invalid_grant): check the app client and its scopes"),
        ),
        Some("invalid_request" | "unsupported_grant_type") => (
            FailureKind::Misconfigured,
            format!("{what} does not understand the request (status {status}): check domain, scopes and metadata"),
        ),
        _ => by_status(what, reply),
    };
    let secret_refused = code.as_deref() == Some("invalid_client");
    Failure { retry_after: reply.retry_after, secret_refused, ..Failure::new(kind, message) }
}

fn by_status(what: &str, reply: &Reply) -> (FailureKind, String) {
    let status = reply.status;
    if status == 429 || (matches!(status, 400 | 403) && speaks_of_throttling(&reply.body)) {
        return (
            FailureKind::Throttled,
            format!("{what} asks for fewer requests (status {status}); it is asked again later"),
        );
    }
    match status {
        300..400 => (
            FailureKind::Misconfigured,
            format!("{what} redirects (status {status}), which is never followed: check domain"),
        ),
        403 => (
            FailureKind::Denied,
            format!("{what} forbids the request (status 403), perhaps by a web application firewall"),
        ),
        404 | 405 => (FailureKind::Misconfigured, format!("{what} is not there (status {status}): check domain")),
        400..500 => (
            FailureKind::Malformed,
            format!("{what} refused without an OAuth 2.0 error (status {status}): check domain"),
        ),
        200..300 => {
            (FailureKind::Malformed, format!("{what} answered with status {status} instead of 200; it is asked again"))
        }
        _ => (FailureKind::Unavailable, format!("{what} failed (status {status}); it is asked again")),
    }
}

fn speaks_of_throttling(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    ["TooManyRequests", "Rate exceeded", "Too many requests"].iter().any(|words| text.contains(words))
}

#[cfg(test)]
#[path = "token_endpoint_tests.rs"]
mod tests;
