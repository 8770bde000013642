//! The configuration: a TOML document ([`document`]) that is held against its own schema ([`shape`]), then against the rules
//! that span several keys ([`rules`]), and becomes the [`Config`]s of the other modules ([`build`]). Every mistake is reported in one run.
//! Nothing here asks the network, and no secret is read.

mod build;
mod document;
mod problem;
mod resolved;
mod rules;
mod schema;
mod shape;
mod text;
mod tree;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use url::Url;

pub use crate::source::upstream::is_loopback;
use problem::Findings;
pub use problem::Problems;
pub use schema::schema;
pub use text::IssuerUrl;

use crate::file;
use crate::http::listen::Listen;
use crate::policy::directory;
use crate::refresh::schedule::Freshness;
use crate::refresh::{Bearer, Inputs};
use crate::source::keyring::Place;
use crate::source::{assume_role, aws, client_token, identity_pool, machine_user, template, token_endpoint};

/// Where the configuration is if nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/credbroker/credbroker.toml";

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
    /// `tokens.NAME`.
    pub tokens: BTreeMap<String, Token>,
    /// `credentials.NAME`.
    pub credentials: BTreeMap<String, Credentials>,
    /// `callers.NAME`.
    pub callers: Vec<directory::Entry>,
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
#[derive(Debug)]
pub struct Token {
    /// Where it comes from.
    pub source: TokenSource,
    /// How it is kept fresh.
    pub freshness: Freshness,
    /// What it may be narrowed to.
    pub scopes: Vec<String>,
    /// Which inputs of a request change it, at this stage or an earlier one.
    pub inputs: Inputs,
}

/// Where a token comes from.
#[derive(Debug)]
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
    /// InitiateAuth.
    MachineUser(machine_user::Config),
}

impl TokenSource {
    /// Every secret it is asked with.
    pub fn secrets(&self) -> Vec<&Place> {
        match self {
            Self::TokenEndpoint { auth, .. } => auth.secrets(),
            Self::ClientToken(config) => config.client_secret.iter().collect(),
            Self::MachineUser(config) => config.client_secret.iter().chain([&config.password]).collect(),
        }
    }
}

/// Where a token endpoint is.
#[derive(Debug)]
pub enum Endpoint {
    /// Of a Cognito user pool, here.
    Cognito(Url),
    /// Here.
    Fixed(Url),
    /// Where the metadata of this issuer says.
    OfIssuer(IssuerUrl),
}

/// How a client proves itself to a token endpoint.
#[derive(Debug)]
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
#[derive(Debug)]
pub struct Credentials {
    /// Where they come from.
    pub source: CredentialsSource,
    /// How they are kept fresh.
    pub freshness: Freshness,
    /// Which inputs of a request change them, at this stage or an earlier one.
    pub inputs: Inputs,
    /// Whose they are.
    pub bearer: Bearer,
}

/// Where credentials come from.
#[derive(Debug)]
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
    /// GetId and GetCredentialsForIdentity.
    IdentityPool {
        /// The pool.
        pool: identity_pool::Config,
        /// Whose credentials.
        login: Login,
    },
}

/// Whose credentials an identity pool gives.
#[derive(Debug)]
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
    /// Those of a user we vouch for.
    Developer {
        /// The developer provider.
        provider: String,
        /// Our name for the user.
        user: template::Template,
    },
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
        shape::check(&schema(), &tree, &mut found);
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
