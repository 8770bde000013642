//! The `authorization_servers` section: OAuth 2.0 servers that are not Cognito.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// `[authorization_servers.NAME]`, issuer `http://127.0.0.1:PORT/as/NAME`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationServer {
    /// `metadata`: which documents are published, of `rfc8414` and `oidc`; both by default.
    #[serde(default = "both_documents")]
    pub metadata: Vec<Metadata>,
    /// `signing_algorithm`: `RS256` (default) or `ES256`, of its access tokens.
    #[serde(default)]
    pub signing_algorithm: SigningAlgorithm,
    /// `clients`: by client id, unique over all servers and user pools.
    #[serde(default)]
    pub clients: BTreeMap<String, OAuthClient>,
}

/// A document that describes an authorization server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metadata {
    /// `/.well-known/oauth-authorization-server/as/NAME`
    Rfc8414,
    /// `/as/NAME/.well-known/openid-configuration`
    Oidc,
}

/// What an authorization server signs with.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SigningAlgorithm {
    /// RSA PKCS #1 1.5 with SHA-256.
    #[default]
    Rs256,
    /// ECDSA on P-256.
    Es256,
}

/// `[authorization_servers.….clients.ID]`: a client with the client credentials grant.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuthClient {
    /// `auth`: the one way it authenticates; any other is `invalid_client`.
    pub auth: ClientAuth,
    /// `secrets`: one, or two that are both accepted; for the two `client_secret_…` methods. Any text.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// `jwks`: public keys, for `private_key_jwt`.
    #[serde(default)]
    pub jwks: Vec<Jwk>,
    /// `subject`: the `sub` a `federated` assertion must carry, such as a role's ARN.
    pub subject: Option<String>,
    /// `grant_types`: what it may use; `client_credentials` alone by default.
    #[serde(default = "client_credentials")]
    pub grant_types: Vec<String>,
    /// `scopes`: what it may ask for; without asking it gets them all.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// `audiences`: values of `audience` it may ask for; the first is the default `aud` of its tokens.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// `resources`: values of `resource` (RFC 8707) it may ask for.
    #[serde(default)]
    pub resources: Vec<String>,
    /// `required_parameters`: further form parameters and the values it must send.
    #[serde(default)]
    pub required_parameters: BTreeMap<String, String>,
    /// `claims`: put into its JWT access tokens, over what is there.
    #[serde(default)]
    pub claims: Map<String, Value>,
    /// `token_format`: `jwt` (default, RFC 9068) or `opaque`.
    #[serde(default)]
    pub token_format: TokenFormat,
    /// `lifetime`: seconds, default 3600.
    #[serde(default = "one_hour")]
    pub lifetime: u64,
    /// `expires_in`: how the answer says the lifetime: `number` (default), `string` or `absent`.
    #[serde(default)]
    pub expires_in: ExpiresIn,
    /// `token_type`: as the answer spells it; `Bearer` by default.
    #[serde(default = "bearer")]
    pub token_type: String,
}

/// How a client proves who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// HTTP Basic; id and secret are form-encoded first (RFC 6749 section 2.3.1).
    ClientSecretBasic,
    /// `client_id` and `client_secret` in the body.
    ClientSecretPost,
    /// A JWT the client signs (RFC 7523 section 2.2).
    PrivateKeyJwt,
    /// A JWT of the world's STS (`GetWebIdentityToken`), with `client_id` in the body.
    Federated,
}

/// A public key (RFC 7517). Private members are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwk {
    /// `RSA`, `EC` or `OKP`.
    pub kty: String,
    /// The key id; an assertion that names one must name this.
    pub kid: Option<String>,
    /// The only algorithm, if there is one.
    pub alg: Option<String>,
    /// `P-256` or `Ed25519`.
    pub crv: Option<String>,
    /// A coordinate, base64url.
    pub x: Option<String>,
    /// The other coordinate, base64url.
    pub y: Option<String>,
    /// The modulus, base64url.
    pub n: Option<String>,
    /// The exponent, base64url.
    pub e: Option<String>,
}

/// What an access token looks like.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenFormat {
    /// RFC 9068.
    #[default]
    Jwt,
    /// Random text.
    Opaque,
}

/// How an answer says the lifetime.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpiresIn {
    /// As RFC 6749 says.
    #[default]
    Number,
    /// As some servers do.
    String,
    /// Not at all.
    Absent,
}

fn both_documents() -> Vec<Metadata> {
    vec![Metadata::Rfc8414, Metadata::Oidc]
}

fn client_credentials() -> Vec<String> {
    vec!["client_credentials".to_owned()]
}

fn one_hour() -> u64 {
    3600
}

fn bearer() -> String {
    "Bearer".to_owned()
}
