//! A token endpoint: `POST` with the client_credentials grant (RFC 6749 section 4.4). Cognito's hosted one is
//! `https://DOMAIN/oauth2/token`; that of another server is named by the configuration or by the server's metadata.
//!
//! The form holds `grant_type`, `scope`, then `audience`, `resource` as often as there are resources (RFC 8707), and what the
//! configuration adds. The client proves itself in one way only ([`client_auth`]). `scope` is always sent, so that what is granted
//! does not change when somebody adds a scope to the client. What is granted may be less: [`super::bearer`] compares.
//! Every refusal is looked up in one table ([`refusal`]).

mod client_auth;
mod refusal;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;
use zeroize::Zeroizing;

use client_auth::Proof;
pub use client_auth::{ClientAuth, PrivateKeyJwt};

use super::bearer::{self, Grant};
use super::discovery::Metadata;
use super::keyring::{Keyring, Keys};
use super::upstream::{Reply, Upstream};
use super::{Ask, BearerToken, Failure, FailureKind, Source, Stage};
use crate::clock::{Clock, Moment, Reading};
use crate::lease::Issued;

/// Forms are smaller than this, in bytes, but for an odd one.
const LARGEST_FORM: usize = 16 * 1024;

/// One client, and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The client's id.
    pub client_id: String,
    /// What is asked for, unless a request narrows it.
    pub scopes: Vec<String>,
    /// For whom, where the server wants to be told.
    pub audience: Option<String>,
    /// For what (RFC 8707).
    pub resource: Vec<String>,
    /// What else the form holds. For Cognito, `aws_client_metadata`.
    pub parameters: BTreeMap<String, String>,
}

/// Where tokens are asked for.
pub enum Endpoint {
    /// At the hosted endpoint of a Cognito user pool.
    Cognito(Url),
    /// At this URL.
    Fixed(Url),
    /// Where the metadata of an issuer says.
    OfIssuer {
        /// The issuer, as it spells itself.
        issuer: String,
        /// Its metadata.
        metadata: Arc<dyn Stage<Metadata>>,
    },
}

impl Endpoint {
    async fn url(&self) -> Result<Url, Failure> {
        match self {
            Self::Cognito(url) | Self::Fixed(url) => Ok(url.clone()),
            Self::OfIssuer { issuer, metadata } => {
                let metadata = metadata.held(&Ask::default()).await?;
                metadata.value.token_endpoint.clone().ok_or_else(|| {
                    let fault = "names no token endpoint: check issuer, or give token_endpoint itself";
                    Failure::new(FailureKind::Misconfigured, format!("the metadata of {issuer} {fault}"))
                })
            }
        }
    }

    /// Who an assertion is for: the issuer where it is known (RFC 7523 section 3, RFC 8414), else the endpoint.
    fn audience<'a>(&'a self, url: &'a Url) -> &'a str {
        match self {
            Self::OfIssuer { issuer, .. } => issuer,
            Self::Cognito(_) | Self::Fixed(_) => url.as_str(),
        }
    }
}

/// The source.
pub struct TokenEndpoint {
    config: Config,
    endpoint: Endpoint,
    auth: ClientAuth,
    keys: Keys,
    upstream: Upstream,
    clock: Clock,
}

impl TokenEndpoint {
    /// Asks `endpoint` with `config` and `auth` through `upstream`.
    pub fn new(
        config: Config,
        endpoint: Endpoint,
        auth: ClientAuth,
        upstream: Upstream,
        clock: Clock,
        keyring: Keyring,
    ) -> Self {
        let keys = Keys::new(auth.places().to_vec(), keyring, clock.clone());
        Self { config, endpoint, auth, keys, upstream, clock }
    }

    fn asked<'a>(&'a self, ask: &'a Ask) -> &'a [String] {
        ask.scopes.as_ref().unwrap_or(&self.config.scopes)
    }

    fn form(&self, ask: &Ask, proof: &Proof) -> Zeroizing<String> {
        let scopes = self.asked(ask);
        // Room from the start, because a buffer that grows leaves copies behind.
        let mut form = url::form_urlencoded::Serializer::new(String::with_capacity(LARGEST_FORM));
        form.append_pair("grant_type", "client_credentials");
        if !scopes.is_empty() {
            form.append_pair("scope", &scopes.join(" "));
        }
        form.extend_pairs(self.config.audience.iter().map(|audience| ("audience", audience)));
        form.extend_pairs(self.config.resource.iter().map(|resource| ("resource", resource)));
        form.extend_pairs(&self.config.parameters);
        proof.append_to(&mut form);
        Zeroizing::new(form.finish())
    }

    async fn ask(&self, ask: &Ask, url: &Url, proof: &Proof) -> Result<Issued<BearerToken>, Failure> {
        let what = format!("the token endpoint {}", without_query(url));
        let sent_at = self.clock.now();
        let form = self.form(ask, proof);
        let reply = self.upstream.post_form(&what, url.as_str(), proof.authorization(), form).await?;
        let reading = self.heard(url, &reply, sent_at);
        let scopes = self.asked(ask);
        if reply.status != 200 {
            return Err(refusal::failure(&what, &self.words(scopes), &reply));
        }
        let issued = bearer::issued(&what, granted(&what, &reply.body)?, scopes, sent_at, reading)?;
        Ok(Issued { request_id: reply.request_id, ..issued })
    }

    async fn ask_with_secret(&self, ask: &Ask, secret: SecretString) -> Result<Issued<BearerToken>, Failure> {
        let url = self.endpoint.url().await?;
        let client_id = &self.config.client_id;
        let signed_at = self.reading(&url);
        let proof = |reading: Reading| {
            let now = reading.wall_at(self.clock.now());
            self.auth.proof(client_id, &secret, self.endpoint.audience(&url), now)
        };
        match self.ask(ask, &url, &proof(signed_at)?).await {
            // It was signed by a clock of which the server's answer tells that it is wrong.
            Err(refused)
                if refused.secret_refused && self.auth.is_signed() && self.reading(&url).differs(signed_at) =>
            {
                self.ask(ask, &url, &proof(self.reading(&url))?).await
            }
            outcome => outcome,
        }
    }

    /// What time it is at the server, as far as it has said so.
    fn reading(&self, url: &Url) -> Reading {
        self.clock.reading_of(&authority(url))
    }

    fn heard(&self, url: &Url, reply: &Reply, sent_at: Moment) -> Reading {
        match reply.date {
            Some(date) => self.clock.heard(&authority(url), date, sent_at),
            None => self.reading(url),
        }
    }

    /// With what `stage` holds; where the server refuses that, with what it holds next, if that can be had.
    async fn ask_with_token(
        &self,
        ask: &Ask,
        stage: &Arc<dyn Stage<BearerToken>>,
    ) -> Result<Issued<BearerToken>, Failure> {
        let earlier = Ask { caller: ask.caller.clone(), ..Ask::default() };
        let (url, held) = (self.endpoint.url().await?, stage.held(&earlier).await?);
        let proof = |token: &SecretString| Proof::assertion(&self.config.client_id, token.clone());
        match self.ask(ask, &url, &proof(&held.value.token)).await {
            Err(refused) if refused.secret_refused => match stage.newer(&earlier, &held).await {
                Some(newer) => self.ask(ask, &url, &proof(&newer.value.token)).await,
                None => Err(refused),
            },
            outcome => outcome,
        }
    }

    fn words<'a>(&'a self, scopes: &'a [String]) -> refusal::Words<'a> {
        let (client, address) = match &self.endpoint {
            Endpoint::Cognito(_) => ("app client", "domain"),
            Endpoint::Fixed(_) => ("client", "token_endpoint"),
            Endpoint::OfIssuer { .. } => ("client", "issuer"),
        };
        refusal::Words { client_id: &self.config.client_id, client, address, remedy: self.auth.remedy(), scopes }
    }
}

#[async_trait]
impl Source<BearerToken> for TokenEndpoint {
    async fn fetch(&self, ask: &Ask) -> Result<Issued<BearerToken>, Failure> {
        match &self.auth {
            ClientAuth::Token(stage) => self.ask_with_token(ask, stage).await,
            _ => self.keys.attempt(|secret| self.ask_with_secret(ask, secret)).await,
        }
    }

    async fn is_mended(&self) -> bool {
        self.keys.is_mended().await
    }
}

/// What the server is called where its time is told.
fn authority(url: &Url) -> String {
    url[url::Position::BeforeHost..url::Position::AfterPort].to_owned()
}

/// An address as people read it; a query may hold what is nobody's business.
fn without_query(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url
}

fn granted(what: &str, body: &[u8]) -> Result<Grant, Failure> {
    // The parser's own words may quote the body, which may hold the token.
    serde_json::from_slice(body).map_err(|_| {
        let fault = "without an access_token, or with an expires_in that is no number of seconds";
        Failure::new(
            FailureKind::Malformed,
            format!("{what} answered 200 {fault}; check that the address is a token endpoint"),
        )
    })
}

#[cfg(test)]
mod tests;
