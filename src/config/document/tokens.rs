//! `[tokens.*]`.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Override, SecretPlace, SecretPlaces};
use crate::config::text::{Domain, IssuerUrl, Read, ResourceUri, Scope, UpstreamUrl, UserPoolId};

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
    Oauth2(Box<Oauth2Token>),
    /// STS GetWebIdentityToken: a JWT that proves this AWS principal.
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
    AdminUserPassword,
    /// InitiateAuth with USER_SRP_AUTH.
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

/// Any RFC 6749 server. A token whose lifetime the server does not say, by `expires_in` or inside the token (`exp`), is assumed to
/// live for five minutes.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Oauth2Token {
    /// The issuer, whose metadata names the token endpoint (RFC 8414, OpenID Connect Discovery), spelled as the server spells it.
    pub issuer: Option<Read<IssuerUrl>>,
    /// The token endpoint itself, instead of the issuer.
    pub token_endpoint: Option<Read<UpstreamUrl>>,
    /// The client's id.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// How the client authenticates.
    pub client_auth: ClientAuth,
    /// The client's secret, for "basic" and "post", or a list of two during a rotation.
    pub client_secret: Option<SecretPlaces>,
    /// The private key, for "private-key-jwt": PEM (PKCS#8, PKCS#1, SEC1) or JWK, read at each use.
    pub private_key: Option<SecretPlace>,
    /// The key's id, for "private-key-jwt"; the JWK's own by default.
    #[schemars(length(min = 1))]
    pub key_id: Option<String>,
    /// What signs, for "private-key-jwt"; by default what the JWK is for, else RS256, ES256, ES384 or EdDSA by the kind of the key.
    pub algorithm: Option<SigningAlgorithm>,
    /// Who the assertion is for, for "private-key-jwt"; the issuer by default, else the token endpoint.
    #[schemars(length(min = 1))]
    pub assertion_audience: Option<String>,
    /// The token that is the client's assertion, for "token".
    #[schemars(extend("x-ref" = ["tokens"]))]
    pub client_assertion: Option<String>,
    /// The scopes to ask for.
    #[serde(default)]
    pub scopes: Vec<Read<Scope>>,
    /// The audience to ask for.
    #[schemars(length(min = 1))]
    pub audience: Option<String>,
    /// The resources to ask for (RFC 8707).
    #[serde(default)]
    pub resource: Vec<Read<ResourceUri>>,
    /// Further parameters of the request; not a place for secrets.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
}

/// The algorithms that sign a client's assertion.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub enum SigningAlgorithm {
    /// RSA, PKCS#1 v1.5.
    RS256,
    /// RSA, PSS.
    PS256,
    /// ECDSA on P-256.
    ES256,
    /// ECDSA on P-384.
    ES384,
    /// Ed25519.
    EdDSA,
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
    /// Who the JWT is for: one to ten, each of at most 1000 characters.
    #[schemars(length(min = 1, max = 10))]
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
