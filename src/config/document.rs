//! The configuration document as it is written: shapes, no logic. Its JSON Schema, which `credbroker schema` prints and the
//! checker walks, is derived from here, so this file is the grammar.
//!
//! Four extensions of JSON Schema say what the checker should know besides: `x-ref` (the text names an entry of these
//! tables, or is one of these words), `x-secret` (a place of a secret, never a literal), `x-one-of` (exactly one of these
//! keys is given), `x-unbuilt` (grammar of a later version: parsed, checked, then refused by name).

#![expect(dead_code, reason = "the grammar of what is not built yet is parsed and checked, though nobody reads it")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{
    Domain, FileMode, IdentityPoolId, Listen, LoopbackAddress, Read, RoleArn, Scope, UpstreamUrl, UserPoolId,
};
use crate::policy::TokenDigest;
use crate::source::template::Template;

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
    /// OAuth 2.0 bearer tokens the broker can obtain, by name.
    pub tokens: BTreeMap<String, TokenTable>,
    /// Temporary AWS credentials the broker can obtain, by name.
    pub credentials: BTreeMap<String, CredentialsTable>,
    /// The local processes that may ask, by name.
    pub callers: BTreeMap<String, CallerTable>,
    /// Authorities whose inbound JWTs the broker verifies, by name.
    #[schemars(extend("x-unbuilt" = "inbound verification"))]
    pub issuers: BTreeMap<String, IssuerTable>,
    /// An EC2 instance metadata (IMDSv2) look-alike.
    #[schemars(extend("x-unbuilt" = "the IMDS listener"))]
    pub imds: Option<ImdsTable>,
    /// Files kept fresh, by name.
    #[schemars(extend("x-unbuilt" = "credential files"))]
    pub files: BTreeMap<String, FileTable>,
    /// Local forward addresses that add the credential, by name.
    #[schemars(extend("x-unbuilt" = "egress"))]
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
    /// An address for /healthz and /readyz only; may be reachable from other machines.
    pub admin_listen: Option<Read<SocketAddr>>,
    /// How long to go on answering after SIGTERM.
    pub drain: Read<Duration>,
    /// Connections held at once; more wait in the listen backlog.
    #[schemars(range(min = 1, max = 65536))]
    pub max_connections: u32,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: vec![Read(Listen::Loopback(2778))],
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
    pub region: Option<String>,
    /// The profile of the AWS configuration files.
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

/// A bearer token the broker can obtain.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct TokenTable {
    /// Where it comes from.
    #[serde(flatten)]
    pub source: TokenSource,
    /// How it is kept fresh.
    #[serde(flatten)]
    pub refresh: Override,
}

/// Where a token comes from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum TokenSource {
    /// OAuth 2.0 client_credentials against an Amazon Cognito user pool.
    Cognito(CognitoToken),
    /// A machine user of a Cognito user pool.
    CognitoUser(CognitoUserToken),
    /// Any RFC 6749 server.
    #[schemars(extend("x-unbuilt" = "the source oauth2"))]
    Oauth2(Box<Oauth2Token>),
    /// STS GetWebIdentityToken: a JWT that proves this AWS principal.
    #[schemars(extend("x-unbuilt" = "the source sts"))]
    Sts(StsToken),
}

/// OAuth 2.0 client_credentials against an Amazon Cognito user pool.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct CognitoToken {
    /// The user pool's id.
    pub user_pool: Read<UserPoolId>,
    /// Prefix, full custom domain or URL of the hosted token endpoint. Without it, GetClientToken is used.
    pub domain: Option<Read<Domain>>,
    /// The app client's id.
    #[schemars(length(min = 1, max = 128))]
    pub client_id: String,
    /// The app client's secret, or a list of two during a rotation.
    pub client_secret: SecretPlaces,
    /// The scopes to ask for; all that the app client is allowed, if none is given.
    #[serde(default)]
    pub scopes: Vec<Read<Scope>>,
    /// aws_client_metadata / ClientMetadata for the pool's triggers; not a place for secrets.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// A machine user of a user pool.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct CognitoUserToken {
    /// The user pool's id.
    pub user_pool: Read<UserPoolId>,
    /// The app client's id.
    #[schemars(length(min = 1, max = 128))]
    pub client_id: String,
    /// The app client's secret, where it has one.
    pub client_secret: Option<SecretPlaces>,
    /// The user's name.
    #[schemars(length(min = 1, max = 128))]
    pub username: String,
    /// The user's password.
    pub password: SecretPlace,
    /// How the user signs in.
    #[serde(default)]
    pub flow: SignIn,
    /// Which of the tokens is handed out.
    #[serde(default, rename = "use")]
    pub hand_out: HandOut,
}

/// How a machine user signs in.
#[derive(Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum SignIn {
    /// InitiateAuth with USER_PASSWORD_AUTH.
    #[default]
    UserPassword,
    /// AdminInitiateAuth with ADMIN_USER_PASSWORD_AUTH.
    #[schemars(extend("x-unbuilt" = "the flow admin-user-password"))]
    AdminUserPassword,
    /// InitiateAuth with USER_SRP_AUTH.
    #[schemars(extend("x-unbuilt" = "the flow user-srp"))]
    UserSrp,
}

/// Which of a user's tokens is handed out.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum HandOut {
    /// The ID token.
    #[default]
    Id,
    /// The access token.
    Access,
}

/// Any RFC 6749 server.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Oauth2Token {
    /// The issuer, whose metadata names the token endpoint (RFC 8414, OpenID Connect Discovery).
    pub issuer: Option<Read<UpstreamUrl>>,
    /// The token endpoint itself.
    pub token_endpoint: Option<Read<UpstreamUrl>>,
    /// The client's id.
    pub client_id: String,
    /// How the client authenticates.
    pub client_auth: ClientAuth,
    /// The client's secret, for "basic" and "post".
    pub client_secret: Option<SecretPlaces>,
    /// The private key, for "private-key-jwt".
    pub private_key: Option<SecretPlace>,
    /// The key's id, for "private-key-jwt".
    pub key_id: Option<String>,
    /// The token that is the client's assertion, for "token".
    #[schemars(extend("x-ref" = ["tokens"]))]
    pub client_assertion: Option<String>,
    /// The scopes to ask for.
    #[serde(default)]
    pub scopes: Vec<Read<Scope>>,
    /// The audience to ask for.
    pub audience: Option<String>,
    /// The resources to ask for (RFC 8707).
    #[serde(default)]
    pub resource: Vec<String>,
}

/// How an OAuth 2.0 client authenticates.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuth {
    /// HTTP Basic.
    Basic,
    /// In the form.
    Post,
    /// A JWT signed with a private key (RFC 7523).
    PrivateKeyJwt,
    /// Another token as the assertion (RFC 7523).
    Token,
}

/// STS GetWebIdentityToken.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct StsToken {
    /// Who the JWT is for.
    pub audience: Vec<String>,
    /// How long it lives, 60 s to 1 h.
    pub lifetime: Option<Read<Duration>>,
    /// The signature's algorithm.
    pub algorithm: StsAlgorithm,
    /// Whose identity it proves; the broker's own by default.
    #[serde(rename = "as")]
    #[schemars(extend("x-ref" = ["credentials"]))]
    pub identity: Option<String>,
}

/// The algorithms of GetWebIdentityToken.
#[derive(Debug, Deserialize, JsonSchema)]
pub enum StsAlgorithm {
    /// ECDSA on P-384.
    ES384,
    /// RSA.
    RS256,
}

/// Temporary AWS credentials the broker can obtain.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct CredentialsTable {
    /// Where they come from.
    #[serde(flatten)]
    pub source: CredentialsSource,
    /// How they are kept fresh.
    #[serde(flatten)]
    pub refresh: Override,
}

/// Where credentials come from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum CredentialsSource {
    /// STS AssumeRole.
    AssumeRole(Box<AssumeRole>),
    /// STS AssumeRoleWithWebIdentity.
    #[schemars(extend("x-unbuilt" = "the source web-identity"))]
    WebIdentity(WebIdentity),
    /// A Cognito identity pool.
    IdentityPool(IdentityPool),
    /// The broker's own identity, as it is.
    Ambient(Ambient),
}

/// The broker's own identity, as it is.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Ambient {}

/// STS AssumeRole.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct AssumeRole {
    /// The role.
    pub role_arn: Read<RoleArn>,
    /// The credentials that assume it; the broker's own by default.
    #[serde(rename = "as")]
    #[schemars(extend("x-ref" = ["credentials"]))]
    pub identity: Option<String>,
    /// What CloudTrail shows as the session; {caller} and {host} may stand in it.
    pub session_name: Option<Read<Template>>,
    /// How long the session lives, 15 min to 12 h; 1 h at most in a chain.
    pub duration: Option<Read<Duration>>,
    /// What the role's trust policy may ask for.
    #[schemars(length(min = 2, max = 1224))]
    pub external_id: Option<String>,
    /// Who is behind the session; {caller} and {host} may stand in it.
    pub source_identity: Option<Read<Template>>,
    /// A session policy that narrows the role.
    pub policy: Option<PolicyPlace>,
    /// Managed policies that narrow the role.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub policy_arns: Vec<String>,
    /// Session tags; {caller} and {host} may stand in their values.
    #[serde(default)]
    pub tags: BTreeMap<String, Read<Template>>,
    /// Tags that stay with the session through chains.
    #[serde(default)]
    pub transitive_tags: Vec<String>,
}

/// A session policy: exactly one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-one-of" = ["file", "json"]))]
pub struct PolicyPlace {
    /// In a file, read at each use.
    pub file: Option<PathBuf>,
    /// As JSON text.
    pub json: Option<String>,
}

/// STS AssumeRoleWithWebIdentity.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct WebIdentity {
    /// The role.
    pub role_arn: Read<RoleArn>,
    /// The token: "tokens.NAME", { file = … }, or "caller" for a subject token.
    pub token: WebIdentityToken,
    /// What CloudTrail shows as the session.
    pub session_name: Option<Read<Template>>,
    /// How long the session lives.
    pub duration: Option<Read<Duration>>,
}

/// Where a web identity token comes from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum WebIdentityToken {
    /// A token of the broker, or the caller's.
    Named(#[schemars(extend("x-ref" = ["tokens", "caller"]))] String),
    /// In a file, read at each use.
    File(TokenFile),
}

/// A token in a file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenFile {
    /// The file.
    pub file: PathBuf,
}

/// A Cognito identity pool.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct IdentityPool {
    /// The identity pool's id.
    pub identity_pool: Read<IdentityPoolId>,
    /// Whose credentials: "tokens.NAME" (an ID token), "caller" (a subject token), { provider, user } (a developer
    /// identity), or nothing for a guest.
    pub login: Option<Login>,
    /// With login = "caller": who verifies the subject token first.
    #[schemars(extend("x-ref" = ["issuers"]))]
    pub issuer: Option<String>,
    /// Which flow.
    #[serde(default)]
    pub flow: PoolFlow,
    /// Enhanced flow: CustomRoleArn. Basic flow: the role.
    pub role_arn: Option<Read<RoleArn>>,
}

/// Who an identity pool's credentials are for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Login {
    /// The user of a token of the broker, or of the caller's.
    Named(#[schemars(extend("x-ref" = ["tokens", "caller"]))] String),
    /// A developer identity.
    Developer(DeveloperLogin),
}

/// A developer identity.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeveloperLogin {
    /// The developer provider's name.
    #[schemars(length(min = 1, max = 128))]
    pub provider: String,
    /// Our name for the user; {caller} and {host} may stand in it.
    pub user: Read<Template>,
}

/// The flows of an identity pool.
#[derive(Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum PoolFlow {
    /// GetId and GetCredentialsForIdentity.
    #[default]
    Enhanced,
    /// GetId, GetOpenIdToken and AssumeRoleWithWebIdentity.
    #[schemars(extend("x-unbuilt" = "the basic flow"))]
    Basic,
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
    /// The user its process runs as, by name or number.
    pub uid: Option<User>,
    /// Its systemd unit.
    #[schemars(extend("x-unbuilt" = "callers known by unit"))]
    pub unit: Option<String>,
}

/// The token a caller presents: exactly one of file, sha256 and generate.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-secret" = true, "x-one-of" = ["file", "sha256", "generate"]))]
pub struct CallerToken {
    /// In a file.
    pub file: Option<PathBuf>,
    /// Its SHA-256.
    pub sha256: Option<Read<TokenDigest>>,
    /// Written here by the broker, a fresh one at each start.
    #[schemars(extend("x-unbuilt" = "generated caller tokens"))]
    pub generate: Option<PathBuf>,
    /// With generate: the file's permission bits.
    pub mode: Option<Read<FileMode>>,
    /// With generate: the file's group.
    pub group: Option<String>,
}

/// A user of this machine.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(untagged)]
pub enum User {
    /// By number.
    Id(u32),
    /// By name.
    Name(String),
}

/// Where a secret is: exactly one of file, env, credential, cognito and secrets_manager. Never a literal.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-secret" = true, "x-one-of" = ["file", "env", "credential", "cognito", "secrets_manager"]))]
pub struct SecretPlace {
    /// In a file; one trailing newline is dropped.
    pub file: Option<PathBuf>,
    /// In an environment variable of the daemon.
    pub env: Option<String>,
    /// In a systemd credential ($CREDENTIALS_DIRECTORY).
    #[schemars(length(min = 1))]
    pub credential: Option<String>,
    /// At Cognito: DescribeUserPoolClient with the broker's own identity.
    #[schemars(extend("x-unbuilt" = "secrets read from Cognito"))]
    pub cognito: Option<bool>,
    /// In AWS Secrets Manager, by name or ARN.
    #[schemars(extend("x-unbuilt" = "secrets read from Secrets Manager"))]
    pub secrets_manager: Option<String>,
    /// With secrets_manager: the key inside its JSON.
    pub key: Option<String>,
}

/// One place of a secret, or a list of two during a rotation.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-secret" = true))]
pub enum SecretPlaces {
    /// One.
    One(SecretPlace),
    /// The first is tried, then the second.
    Two(#[schemars(length(min = 2, max = 2), extend("x-unbuilt" = "a list of two secrets"))] Vec<SecretPlace>),
}

/// An authority whose inbound JWTs the broker verifies.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerTable {
    /// A Cognito user pool …
    pub user_pool: Option<Read<UserPoolId>>,
    /// … or any issuer, by its URL.
    pub issuer: Option<Read<UpstreamUrl>>,
    /// Its key set; by discovery otherwise.
    pub jwks_uri: Option<Read<UpstreamUrl>>,
    /// Cognito: which kind of token.
    pub token_use: Option<HandOut>,
    /// The clients whose tokens are accepted.
    #[serde(default)]
    pub clients: Vec<String>,
    /// The audiences that are accepted.
    #[serde(default)]
    pub audience: Vec<String>,
    /// The scopes that are all required.
    #[serde(default)]
    pub scopes: Vec<Read<Scope>>,
    /// By how much clocks may differ.
    pub leeway: Option<Read<Duration>>,
}

/// An IMDSv2 look-alike.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImdsTable {
    /// Where it listens.
    pub listen: Read<LoopbackAddress>,
    /// What it hands out.
    #[schemars(extend("x-ref" = ["credentials"]))]
    pub credentials: String,
    /// To whom.
    #[schemars(extend("x-ref" = ["callers"]))]
    pub caller: String,
}

/// A file kept fresh.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileTable {
    /// The token in it …
    #[schemars(extend("x-ref" = ["tokens"]))]
    pub token: Option<String>,
    /// … or the credentials.
    #[schemars(extend("x-ref" = ["credentials"]))]
    pub credentials: Option<String>,
    /// The file.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: Option<Read<FileMode>>,
    /// Its group.
    pub group: Option<String>,
    /// Its format.
    pub format: Option<FileFormat>,
}

/// The formats of a file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileFormat {
    /// The bare token.
    Raw,
    /// JSON.
    Json,
    /// An AWS credentials file.
    AwsProfile,
    /// Lines of VARIABLE=value.
    Env,
}

/// A local forward address.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EgressTable {
    /// Where it listens.
    pub listen: Read<LoopbackAddress>,
    /// Where it forwards to.
    pub upstream: Read<UpstreamUrl>,
    /// The token it adds …
    #[schemars(extend("x-ref" = ["tokens"]))]
    pub bearer: Option<String>,
    /// … or the signature.
    pub sigv4: Option<SigV4>,
    /// For whom.
    #[schemars(extend("x-ref" = ["callers"]))]
    pub caller: String,
}

/// A signature that egress adds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SigV4 {
    /// Who signs.
    #[schemars(extend("x-ref" = ["credentials"]))]
    pub credentials: String,
    /// The service signed for.
    pub service: String,
    /// Its region.
    pub region: String,
}

/// A cache shared by a fleet.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedCacheTable {
    /// The server.
    pub url: String,
    /// The key that seals its entries.
    pub key: SecretPlace,
}
