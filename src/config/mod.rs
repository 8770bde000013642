//! The configuration: a TOML document ([`document`]) that is held against its own schema ([`shape`]), then against the rules
//! that span several keys ([`rules`]), and becomes the [`Config`]s of the other modules ([`build`]). Every mistake is reported in one run.
//! Nothing here asks the network, and no secret is read.

mod build;
mod document;
mod problem;
mod reference;
mod resolved;
mod rules;
mod schema;
mod shape;
mod text;
mod tree;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;
use url::Url;

pub use crate::source::upstream::is_loopback;
use problem::Findings;
pub use problem::Problems;
pub use reference::reference;
pub use schema::schema;
pub use shape::is_entry_name;
pub use text::IssuerUrl;

use crate::egress;
use crate::file;
use crate::files;
use crate::http::imds;
use crate::http::listen::Listen;
use crate::ops::audit;
use crate::policy::directory;
use crate::refresh::schedule::Freshness;
use crate::refresh::{Inputs, OnBehalfOf};
use crate::rotation::app_client;
use crate::source::keyring::Place;
use crate::source::{
    assume_role, aws, client_token, identity_pool, identity_token, machine_user, token_endpoint, web_identity,
};
use crate::verify;

/// Where the configuration is if nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/credbroker/credbroker.toml";

/// What every configuration is held against.
static SCHEMA: LazyLock<Value> = LazyLock::new(schema);

/// No configuration is larger than this, in bytes.
const LARGEST: usize = 1024 * 1024;

/// A checked configuration.
#[derive(Debug)]
pub struct Config {
    /// Where callers come in.
    pub server: Server,
    /// The broker's own place in AWS.
    pub aws: aws::Config,
    /// Over how long the fetches at the start are spread.
    pub spread: Duration,
    /// What 1,000 Cognito tokens of machine clients cost, in US dollars.
    pub cognito_fee_per_1000: f64,
    /// `tokens.NAME`.
    pub tokens: BTreeMap<String, Token>,
    /// `credentials.NAME`.
    pub credentials: BTreeMap<String, Credentials>,
    /// `callers.NAME`.
    pub callers: Vec<directory::Entry>,
    /// `issuers.NAME`.
    pub issuers: BTreeMap<String, Issuer>,
    /// The metadata service.
    pub imds: Option<imds::Config>,
    /// `files.NAME`.
    pub files: BTreeMap<String, files::Config>,
    /// `egress.NAME`.
    pub egress: Vec<Egress>,
    /// Where decisions about credentials are written down.
    pub audit: audit::Config,
}

/// A local forward address.
#[derive(Debug, PartialEq)]
pub struct Egress {
    /// Where it is.
    pub listen: Listen,
    /// What becomes of a request there.
    pub forward: egress::Config,
}

/// Where callers come in.
#[derive(Debug)]
pub struct Server {
    /// The addresses.
    pub listen: Vec<Listen>,
    /// The address of health and readiness only.
    pub admin_listen: Option<SocketAddr>,
    /// How long to go on answering after SIGTERM.
    pub drain: Duration,
    /// Connections held at once.
    pub max_connections: usize,
}

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Where it comes from.
    pub source: TokenSource,
    /// How it is kept fresh.
    pub freshness: Freshness,
    /// What it may be narrowed to.
    pub scopes: Vec<String>,
    /// Which inputs of a request change it, at this stage or an earlier one.
    pub inputs: Inputs,
    /// The Cognito app client it is got with.
    pub app_client: Option<app_client::Config>,
}

impl Token {
    /// What of it says what is obtained and how: all but its freshness, which says only when.
    #[must_use]
    pub fn as_obtained(&self) -> Self {
        Self { freshness: Freshness::ANY, ..self.clone() }
    }

    /// Is the same obtained in the same way, however fresh it is kept?
    pub fn is_obtained_like(&self, other: &Self) -> bool {
        self.as_obtained() == other.as_obtained()
    }
}

/// Where a token comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenSource {
    /// A token endpoint, Cognito's hosted one or another server's.
    TokenEndpoint {
        /// The client, and what it asks for.
        client: token_endpoint::Config,
        /// Where.
        endpoint: Endpoint,
        /// How the client proves itself.
        auth: ClientAuth,
    },
    /// GetClientToken.
    ClientToken(client_token::Config),
    /// A user who signs in.
    MachineUser(machine_user::Config),
    /// GetWebIdentityToken.
    IdentityToken {
        /// Which token.
        token: identity_token::Config,
        /// The `credentials.NAME` it speaks for, else the broker's own identity.
        identity: Option<String>,
    },
}

impl TokenSource {
    /// Where its client secret is, or its two; `None` if it is asked for without one.
    pub fn client_secret(&self) -> Option<&[Place]> {
        match self {
            Self::TokenEndpoint { auth: ClientAuth::Basic(secrets) | ClientAuth::Post(secrets), .. } => Some(secrets),
            Self::ClientToken(config) => Some(&config.client_secret),
            Self::MachineUser(config) => Some(&config.client_secret),
            Self::TokenEndpoint { .. } | Self::IdentityToken { .. } => None,
        }
    }

    /// The same, with its client secret in `places`; as it is if it is asked for without one.
    #[must_use]
    pub fn with_client_secret(mut self, places: Vec<Place>) -> Self {
        match &mut self {
            Self::TokenEndpoint { auth: ClientAuth::Basic(secrets) | ClientAuth::Post(secrets), .. } => {
                *secrets = places;
            }
            Self::ClientToken(config) => config.client_secret = places,
            Self::MachineUser(config) => config.client_secret = places,
            Self::TokenEndpoint { .. } | Self::IdentityToken { .. } => {}
        }
        self
    }

    /// Every secret it is asked with.
    pub fn secrets(&self) -> Vec<&Place> {
        match self {
            Self::TokenEndpoint { auth, .. } => auth.secrets(),
            Self::ClientToken(config) => config.client_secret.iter().collect(),
            Self::MachineUser(config) => config.client_secret.iter().chain([&config.password]).collect(),
            Self::IdentityToken { .. } => Vec::new(),
        }
    }
}

/// Where a token endpoint is.
#[derive(Clone, Debug, PartialEq)]
pub enum Endpoint {
    /// Of a Cognito user pool, here.
    Cognito(Url),
    /// Here.
    Fixed(Url),
    /// Where the metadata of this issuer says.
    OfIssuer(IssuerUrl),
}

/// How a client proves itself to a token endpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientAuth {
    /// With a secret, or one of two, by HTTP Basic.
    Basic(Vec<Place>),
    /// With a secret, or one of two, in the form.
    Post(Vec<Place>),
    /// With an assertion it signs.
    PrivateKeyJwt(token_endpoint::PrivateKeyJwt),
    /// With `tokens.NAME` as its assertion.
    Token(String),
}

impl ClientAuth {
    fn secrets(&self) -> Vec<&Place> {
        match self {
            Self::Basic(secrets) | Self::Post(secrets) => secrets.iter().collect(),
            Self::PrivateKeyJwt(jwt) => vec![&jwt.key],
            Self::Token(_) => Vec::new(),
        }
    }
}

/// One set of credentials.
#[derive(Clone, Debug, PartialEq)]
pub struct Credentials {
    /// Where they come from.
    pub source: CredentialsSource,
    /// How they are kept fresh.
    pub freshness: Freshness,
    /// Which inputs of a request change them, at this stage or an earlier one.
    pub inputs: Inputs,
    /// Whose they are.
    pub on_behalf_of: OnBehalfOf,
}

impl Credentials {
    /// What of it says what is obtained and how: all but its freshness, which says only when.
    #[must_use]
    pub fn as_obtained(&self) -> Self {
        Self { freshness: Freshness::ANY, ..self.clone() }
    }

    /// Is the same obtained in the same way, however fresh it is kept?
    pub fn is_obtained_like(&self, other: &Self) -> bool {
        self.as_obtained() == other.as_obtained()
    }
}

/// Where credentials come from.
#[derive(Clone, Debug, PartialEq)]
pub enum CredentialsSource {
    /// The SDK's chain.
    Ambient,
    /// AssumeRole.
    AssumeRole {
        /// The role.
        role: assume_role::Config,
        /// The `credentials.NAME` that assume it, else the broker's own.
        identity: Option<String>,
    },
    /// AssumeRoleWithWebIdentity.
    WebIdentity {
        /// The role.
        role: web_identity::Assumption,
        /// The token exchanged for it.
        token: WebToken,
    },
    /// An identity pool, by its enhanced or its basic flow.
    IdentityPool {
        /// The pool.
        pool: identity_pool::Config,
        /// Whose credentials.
        login: Login,
    },
}

/// Which token is exchanged for a role.
#[derive(Clone, Debug, PartialEq)]
pub enum WebToken {
    /// That of `tokens.NAME`.
    Held(String),
    /// One in a file.
    File(PathBuf),
    /// The caller's subject token.
    Subject,
}

/// Whose credentials an identity pool gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Login {
    /// Nobody's in particular.
    Guest,
    /// Those of the user of `tokens.NAME`.
    Token {
        /// NAME.
        name: String,
        /// The provider in `Logins`.
        provider: String,
    },
    /// Those of the user of a subject token.
    Subject {
        /// The provider in `Logins`.
        provider: String,
    },
    /// Those of a user we vouch for.
    Developer(identity_pool::DeveloperUser),
}

/// An authority whose inbound tokens are verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Issuer {
    /// What is asked of its tokens.
    pub asked: verify::Config,
    /// Where its keys are.
    pub keys: IssuerKeys,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq)]
pub enum IssuerKeys {
    /// At a user pool.
    UserPool {
        /// Its id.
        id: String,
        /// Its region.
        region: String,
    },
    /// At this address.
    At(Url),
    /// Where the metadata says of the issuer with this address.
    Discovered(Url),
}

impl Config {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// Every mistake in it, or that it cannot be read.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let fail = |fault: String| Problems::whole(format!("{}: the configuration {fault}", path.display()));
        let bytes = file::read(path, LARGEST).map_err(|cause| fail(cause.to_string()))?;
        let text = std::str::from_utf8(&bytes).map_err(|cause| {
            let line = 1 + bytes[..cause.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            fail(format!("is not UTF-8 text in line {line}"))
        })?;
        Self::parse(path, text)
    }

    /// Checks `text`, the content of `file`.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (tree, problems) = tree::Node::parse(text);
        let mut found = Findings::from(problems);
        shape::check(&SCHEMA, &tree, &mut found);
        rules::check(&tree, &mut found);
        let config = build::config(&tree, &mut found);
        if found.problems.is_empty() { Ok(config) } else { Err(Problems::new(file, text, found.problems)) }
    }
}

/// A duration as the configuration writes it: `90s`, `15m`, `1h`.
pub fn duration(text: &str) -> Option<Duration> {
    <Duration as text::Text>::read(text).ok()
}

#[cfg(test)]
mod tests;
