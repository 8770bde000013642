//! The configuration document as it is written: shapes, no logic. Its JSON Schema, which `credbroker schema` prints and the
//! checker walks, is derived from here, so this file is the grammar.
//!
//! Which keys go with which others is `dependentRequired`. Seven extensions of JSON Schema say what the checker should know
//! besides: `x-ref` (the text names an entry of these tables, or is one of these words), `x-secret` (a place of a secret,
//! never a literal), `x-one-of` (exactly one of these keys is given), `x-unbuilt` (grammar of a later version: parsed,
//! checked, then refused by name), `x-refused` (what people try and no version will have, with the reason), `x-expected`
//! (what a text of this format looks like, in words), `x-one-line` (a text without line breaks: where a secret is, not a secret).

#![expect(dead_code, reason = "the grammar of what is not built yet is parsed and checked, though nobody reads it")]

mod audit;
mod credentials;
mod egress;
mod files;
mod imds;
mod issuers;
mod later;
mod tokens;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

pub use audit::{AuditTable, AuditTo, AuditWord, LocalSecret};
pub use credentials::{
    AssumeRole, CredentialsSource, CredentialsTable, DeveloperLogin, IdentityPool, Login, PolicyPlace, PoolFlow,
    WebIdentity, WebIdentityToken,
};
pub use egress::EgressTable;
pub use files::{FileFormat, FileTable, Group};
pub use imds::ImdsTable;
pub use issuers::IssuerTable;
pub use later::SharedCacheTable;
pub use tokens::{
    ClientAuth, CognitoToken, CognitoUserToken, HandOut, Oauth2Token, SignIn, SigningAlgorithm, StsAlgorithm, StsToken,
    TokenSource, TokenTable,
};

use super::text::{FileMode, FilePath, Read, Region, UnitName};
use crate::http::listen::Listen;
use crate::policy::TokenDigest;

/// Where callers come in if nothing is said: on loopback, at this port.
pub const DEFAULT_PORT: u16 = 2778;

/// The configuration of one credbroker.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
pub struct Document {
    /// Where callers come in.
    pub server: Server,
    /// The broker's own AWS identity and region; what is not given comes from the SDK's chain.
    pub aws: Aws,
    /// How what is held is kept fresh; every token and credentials table may override it.
    pub refresh: Refresh,
    /// What the status reckons with.
    pub status: Status,
    /// Where decisions about credentials are written down.
    pub audit: AuditTable,
    /// OAuth 2.0 bearer tokens the broker can obtain, by name.
    pub tokens: BTreeMap<String, TokenTable>,
    /// Temporary AWS credentials the broker can obtain, by name.
    pub credentials: BTreeMap<String, CredentialsTable>,
    /// The local processes that may ask, by name.
    pub callers: BTreeMap<String, CallerTable>,
    /// Authorities whose inbound JWTs the broker verifies, by name.
    pub issuers: BTreeMap<String, IssuerTable>,
    /// An EC2 instance metadata (IMDSv2) look-alike, for programs that know nothing else.
    pub imds: Option<ImdsTable>,
    /// Files kept fresh with a token or credentials in them, by name.
    pub files: BTreeMap<String, FileTable>,
    /// Local forward addresses that add the credential, by name.
    pub egress: BTreeMap<String, EgressTable>,
    /// A cache shared by a fleet.
    #[schemars(extend("x-unbuilt" = "the shared cache"))]
    pub shared_cache: Option<SharedCacheTable>,
}

/// Where callers come in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Addresses to listen on: "loopback:PORT" (127.0.0.1 and ::1 together), a literal loopback address, "unix:/PATH", or
    /// "systemd:NAME" (socket activation).
    pub listen: Vec<Read<Listen>>,
    /// An address for /healthz, /readyz and /metrics only; may be reachable from other machines.
    pub admin_listen: Option<Read<SocketAddr>>,
    /// How long to go on answering after SIGTERM.
    pub drain: Read<Duration>,
    /// Connections held at once. Where there are more, those that ask nothing make room; seven eighths of them may have a
    /// request answered at a time, and what is more gets 503.
    #[schemars(range(min = 1, max = 65536))]
    pub max_connections: u32,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: vec![Read(Listen::Loopback(DEFAULT_PORT))],
            admin_listen: None,
            drain: Read(Duration::from_secs(10)),
            max_connections: 1024,
        }
    }
}

/// The broker's own AWS identity and region.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Aws {
    /// The region of STS.
    pub region: Option<Read<Region>>,
    /// The profile of the AWS configuration files.
    #[schemars(length(min = 1))]
    pub profile: Option<String>,
}

/// Defaults of every token and credentials table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Refresh {
    /// Refresh-due after this share of the lifetime, jittered once per lease by up to 5 % either way.
    #[schemars(range(min = 0.1, max = 0.95))]
    pub ahead: f64,
    /// "used": renewed only if it was asked for since it was last renewed; "always": from the start on.
    pub keep: Keep,
    /// Renew so early that an outage of this length is not noticed.
    pub outage_cover: Option<Read<Duration>>,
    /// Spread the start-up fetches of "always" entries over this window.
    pub spread: Read<Duration>,
}

impl Default for Refresh {
    fn default() -> Self {
        Self { ahead: 0.75, keep: Keep::Used, outage_cover: None, spread: Read(Duration::ZERO) }
    }
}

/// What the status reckons with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Status {
    /// What Amazon Cognito takes for 1,000 tokens of machine clients, in US dollars: for the estimate of the fees saved. 0: no
    /// estimate.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub cognito_fee_per_1000: f64,
}

impl Default for Status {
    fn default() -> Self {
        Self { cognito_fee_per_1000: 2.25 }
    }
}

/// Which leases are renewed.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Renewed only if it was asked for since it was last renewed.
    Used,
    /// Renewed always, from the start on.
    Always,
}

/// What a token or credentials table may override.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Override {
    /// Refresh-due after this share of the lifetime.
    #[schemars(range(min = 0.1, max = 0.95))]
    pub ahead: Option<f64>,
    /// "used" or "always".
    pub keep: Option<Keep>,
    /// Renew so early that an outage of this length is not noticed.
    pub outage_cover: Option<Read<Duration>>,
    /// Shared with the fleet by way of `shared_cache`.
    #[schemars(extend("x-unbuilt" = "the shared cache"))]
    pub share: Option<bool>,
}

/// A local process that may ask. Every factor given must match.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallerTable {
    /// What it may have: "tokens.NAME", "credentials.NAME", "issuers.NAME"; nothing else.
    #[schemars(extend("x-ref" = ["tokens", "credentials", "issuers"]))]
    pub allow: Vec<String>,
    /// The token it presents.
    pub token: Option<CallerToken>,
    /// The user its process runs as, by name or number, on unix sockets and over TCP. Over TCP not `nobody` (65534).
    pub uid: Option<Id>,
    /// The group its process runs as, by name or number. On unix sockets only: TCP does not tell it.
    pub gid: Option<Id>,
    /// The systemd unit its process belongs to, on unix sockets and over TCP. Of a user's own services that is the user's manager,
    /// such as "user@1000.service".
    pub unit: Option<Read<UnitName>>,
    /// How often it may ask; what is more gets 429. As many as in a second may come at once. Not given: as often as it likes.
    #[schemars(range(min = 1, max = 1000000))]
    pub requests_per_second: Option<u32>,
}

/// The token a caller presents: exactly one of file, sha256 and generate.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-secret" = true, "x-one-of" = ["file", "sha256", "generate"]))]
#[schemars(extend("dependentRequired" = { "mode": ["generate"], "group": ["generate"], "every": ["generate"] }))]
pub struct CallerToken {
    /// In a file.
    #[schemars(length(min = 1))]
    pub file: Option<PathBuf>,
    /// Its SHA-256.
    pub sha256: Option<Read<TokenDigest>>,
    /// Made by the broker and written here without a newline: a fresh one at each start and every interval. The one before stays
    /// good until the next. Its directory has to be there, and the daemon's user has to be allowed to write in it.
    pub generate: Option<Read<FilePath>>,
    /// With generate: the file's permission bits, "0400" if nothing is said, "0440" with a group.
    pub mode: Option<Read<FileMode>>,
    /// With generate: the file's group, by name or number; the daemon's user has to be in it.
    pub group: Option<Group>,
    /// With generate: a fresh one this often, "12h" if nothing is said, at least "5s". Who reads the file this often always has a good one.
    pub every: Option<Read<Duration>>,
}

/// A user or a group of this machine.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(untagged)]
pub enum Id {
    /// By number.
    Number(#[schemars(range(min = 0, max = 4294967294u32))] u32),
    /// By name.
    Name(#[schemars(length(min = 1))] String),
}

/// Where a secret is: exactly one of file, env, credential, cognito and secrets_manager. Never a literal.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-secret" = true, "x-one-of" = ["file", "env", "credential", "cognito", "secrets_manager"]))]
#[schemars(extend("dependentRequired" = { "key": ["secrets_manager"], "stage": ["secrets_manager"] }))]
pub struct SecretPlace {
    /// In a file; one trailing newline is dropped.
    #[schemars(length(min = 1), extend("x-one-line" = true))]
    pub file: Option<PathBuf>,
    /// In an environment variable of the daemon.
    #[schemars(length(min = 1), extend("x-one-line" = true))]
    pub env: Option<String>,
    /// In a systemd credential ($CREDENTIALS_DIRECTORY).
    #[schemars(length(min = 1), extend("x-one-line" = true))]
    pub credential: Option<String>,
    /// At Cognito: DescribeUserPoolClient with the broker's own identity.
    pub cognito: Option<bool>,
    /// In AWS Secrets Manager, by name or ARN.
    #[schemars(length(min = 1, max = 2048), extend("x-one-line" = true))]
    pub secrets_manager: Option<String>,
    /// With secrets_manager: the key inside its JSON.
    #[schemars(length(min = 1), extend("x-one-line" = true))]
    pub key: Option<String>,
    /// With secrets_manager: the stage of the version to read, AWSCURRENT if none is given.
    #[schemars(length(min = 1, max = 256), extend("x-one-line" = true))]
    pub stage: Option<String>,
}

/// One place of a secret, or a list of two during a rotation.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-secret" = true))]
pub enum SecretPlaces {
    /// One.
    One(SecretPlace),
    /// The first is tried, then the second.
    Two(#[schemars(length(min = 2, max = 2))] Vec<SecretPlace>),
}
