//! How a client proves itself to a token endpoint, in one way per request (RFC 6749 section 2.3).
//!
//! `basic`: id and secret, each form-encoded, joined by a colon, in Base64, in the `Authorization` header. `post`: both in the form.
//! `private-key-jwt` and `token` (RFC 7523): `client_assertion` in the form, with its type and the client's id, which servers want
//! although the standard leaves it open. The assertion of `private-key-jwt` is signed for this one request: `iss` and `sub` are the
//! client, `aud` the server, `jti` 128 random bits, and it lives for a minute.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use crate::source::keyring::Place;
use crate::source::signing_key::{Algorithm, SigningKey};
use crate::source::{BearerToken, Failure, FailureKind, Stage};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion lives, in seconds.
const ASSERTION_LIFETIME: u64 = 60;

/// How the client proves itself.
pub enum ClientAuth {
    /// With a secret, or one of two, by HTTP Basic.
    Basic(Vec<Place>),
    /// With a secret, or one of two, in the form.
    Post(Vec<Place>),
    /// With an assertion it signs itself.
    PrivateKeyJwt(PrivateKeyJwt),
    /// With a token that another server issued to it.
    Token(Arc<dyn Stage<BearerToken>>),
}

/// What assertions are signed with, and how.
#[derive(Clone, Debug)]
pub struct PrivateKeyJwt {
    /// Where the private key is.
    pub key: Place,
    /// The key's id in the header, else the id it has itself.
    pub key_id: Option<String>,
    /// What signs, if not the usual algorithm of the key.
    pub algorithm: Option<Algorithm>,
    /// `aud`, if not the issuer or the endpoint.
    pub audience: Option<String>,
}

impl ClientAuth {
    /// Where the secret is that it needs, or its two.
    pub fn places(&self) -> &[Place] {
        match self {
            Self::Basic(secrets) | Self::Post(secrets) => secrets,
            Self::PrivateKeyJwt(jwt) => std::slice::from_ref(&jwt.key),
            Self::Token(_) => &[],
        }
    }

    /// Does the proof say when it was made?
    pub fn is_signed(&self) -> bool {
        matches!(self, Self::PrivateKeyJwt(_))
    }

    /// What to do when the server does not accept it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Basic(_) | Self::Post(_) => "check client_id and put the current client secret in its place",
            Self::PrivateKeyJwt(_) => {
                "check client_id, key_id, algorithm, assertion_audience and this machine's clock, and that the server has the public half of private_key"
            }
            Self::Token(_) => {
                "check client_id, and that the server trusts issuer, subject and audience of client_assertion"
            }
        }
    }

    /// The proof of one request to `server`: `secret` itself, or what it signs.
    pub fn proof(
        &self,
        client_id: &str,
        secret: &SecretString,
        server: &str,
        now: SystemTime,
    ) -> Result<Proof, Failure> {
        Ok(match self {
            Self::Basic(_) => Proof { authorization: Some(basic(client_id, secret)), form: Vec::new() },
            Self::Post(_) => Proof::in_form([("client_id", client_id.into()), ("client_secret", secret.clone())]),
            Self::PrivateKeyJwt(jwt) => {
                let key = SigningKey::read(secret, &jwt.key, jwt.algorithm)?;
                let claims = claims(client_id, jwt.audience.as_deref().unwrap_or(server), now)?;
                Proof::assertion(client_id, key.jwt(jwt.key_id.as_deref(), &claims)?)
            }
            Self::Token(_) => Proof::assertion(client_id, secret.clone()),
        })
    }
}

/// What one request proves its client with.
pub struct Proof {
    authorization: Option<Zeroizing<String>>,
    form: Vec<(&'static str, SecretString)>,
}

impl Proof {
    /// `jwt` as the client's assertion.
    pub fn assertion(client_id: &str, jwt: SecretString) -> Self {
        Self::in_form([
            ("client_id", client_id.into()),
            ("client_assertion_type", ASSERTION_TYPE.into()),
            ("client_assertion", jwt),
        ])
    }

    fn in_form<const N: usize>(form: [(&'static str, SecretString); N]) -> Self {
        Self { authorization: None, form: form.into() }
    }

    /// The `Authorization` header, where it is there.
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_ref().map(|header| header.as_str())
    }

    /// Adds to `form` what belongs there.
    #[expect(clippy::disallowed_methods, reason = "the proof goes into the form for its own token endpoint")]
    pub fn append_to(&self, form: &mut Serializer<'_, String>) {
        form.extend_pairs(self.form.iter().map(|(name, value)| (name, value.expose_secret())));
    }
}

/// RFC 6749 section 2.3.1. With Cognito's alphabet the encoding changes only `+`.
#[expect(
    clippy::disallowed_methods,
    reason = "the secret goes into the Authorization header of its own token endpoint"
)]
fn basic(client_id: &str, secret: &SecretString) -> Zeroizing<String> {
    let encode = |text: &str| Zeroizing::new(byte_serialize(text.as_bytes()).collect::<String>());
    let pair = Zeroizing::new(format!("{}:{}", *encode(client_id), *encode(secret.expose_secret())));
    Zeroizing::new(format!("Basic {}", *Zeroizing::new(STANDARD.encode(pair.as_bytes()))))
}

fn claims(client_id: &str, audience: &str, now: SystemTime) -> Result<Value, Failure> {
    let mut unique = [0; 16];
    SystemRandom::new().fill(&mut unique).map_err(|_| {
        Failure::new(FailureKind::Unavailable, "this machine has no random numbers for an assertion; it is tried again")
    })?;
    let issued_at = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    Ok(json!({
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": URL_SAFE_NO_PAD.encode(unique),
        "iat": issued_at,
        "exp": issued_at + ASSERTION_LIFETIME,
    }))
}
