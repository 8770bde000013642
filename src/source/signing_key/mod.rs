//! A private key that signs JSON Web Tokens (RFC 7515, RFC 7518): PEM (PKCS#8, PKCS#1 or SEC1) or JWK (RFC 7517).
//!
//! ring signs. It takes PKCS#8, PKCS#1 and the bare numbers of a JWK; a SEC1 key is wrapped into PKCS#8. An EC key must have its
//! public half beside it, which OpenSSL writes unless it is told not to; ring does not compute it. Encrypted keys are refused: the
//! place of the key is where it is protected. Errors name the place and the kind of what was found, never a part of it.

mod jwk;
mod pem;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, RsaEncoding, RsaKeyPair};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::keyring::Place;
use super::{Failure, FailureKind};

/// What signs (RFC 7518 section 3.1, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA, PKCS#1 v1.5, SHA-256.
    Rs256,
    /// RSA, PSS, SHA-256.
    Ps256,
    /// ECDSA on P-256, SHA-256.
    Es256,
    /// ECDSA on P-384, SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    const ALL: [Self; 5] = [Self::Rs256, Self::Ps256, Self::Es256, Self::Es384, Self::EdDsa];

    /// Its name in a JWT's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    fn called(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    fn needs(self) -> &'static str {
        match self {
            Self::Rs256 | Self::Ps256 => "an RSA key",
            Self::Es256 => "an EC key on P-256",
            Self::Es384 => "an EC key on P-384",
            Self::EdDsa => "an Ed25519 key",
        }
    }
}

/// The key of one signature, by its kind.
enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Pair {
    fn usual_algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa(_) => Algorithm::Rs256,
            Self::P256(_) => Algorithm::Es256,
            Self::P384(_) => Algorithm::Es384,
            Self::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        algorithm.needs() == self.usual_algorithm().needs()
    }

    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        let padding: &dyn RsaEncoding =
            if algorithm == Algorithm::Ps256 { &signature::RSA_PSS_SHA256 } else { &signature::RSA_PKCS1_SHA256 };
        match self {
            Self::Rsa(pair) => {
                let mut signed = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, message, &mut signed).ok()?;
                Some(signed)
            }
            Self::P256(pair) | Self::P384(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Self::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// What was found where a private key should be, in words that follow the name of the place.
type Fault = String;

/// A key, ready to sign.
pub struct SigningKey {
    pair: Pair,
    algorithm: Algorithm,
    key_id: Option<String>,
}

impl SigningKey {
    /// Reads the private key that stands at `place`. It signs with `algorithm`, else with the one its JWK names, else with the
    /// usual one of its kind, which is RS256 for RSA.
    ///
    /// # Errors
    /// `Misconfigured` if it is no private key, none of a kind that signs here, or none for the algorithm.
    pub fn read(text: &SecretString, place: &Place, algorithm: Option<Algorithm>) -> Result<Self, Failure> {
        Self::parse(text, algorithm).map_err(|fault| {
            Failure::new(FailureKind::Misconfigured, format!("the private key (private_key) in {place} {fault}"))
        })
    }

    #[expect(clippy::disallowed_methods, reason = "the private key is parsed")]
    fn parse(text: &SecretString, algorithm: Option<Algorithm>) -> Result<Self, Fault> {
        let text = text.expose_secret().trim();
        let (pair, marked, key_id) = match text.starts_with('{') {
            true => jwk::read(text, algorithm.is_none())?,
            false => (pem::read(text)?, None, None),
        };
        let algorithm = algorithm.or(marked).unwrap_or_else(|| pair.usual_algorithm());
        if pair.fits(algorithm) {
            return Ok(Self { pair, algorithm, key_id });
        }
        let (is, name, needs) = (pair.usual_algorithm().needs(), algorithm.name(), algorithm.needs());
        Err(format!("is {is}, and {name} needs {needs}: change algorithm or the key"))
    }

    /// A JWT of `claims`, signed. Its header names `key_id`, else the id the key itself has.
    ///
    /// # Errors
    /// `Misconfigured` if the numbers of the key do not belong together.
    pub fn jwt(&self, key_id: Option<&str>, claims: &Value) -> Result<SecretString, Failure> {
        let mut header = json!({ "alg": self.algorithm.name(), "typ": "JWT" });
        if let Some(id) = key_id.or(self.key_id.as_deref()) {
            header["kid"] = json!(id);
        }
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let signed = self.pair.sign(self.algorithm, message.as_bytes()).ok_or_else(|| {
            Failure::new(FailureKind::Misconfigured, "the private key (private_key) cannot sign: make it anew")
        })?;
        Ok(SecretString::from(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed))))
    }
}

/// What ring says of a key it does not take.
fn rejected(why: &ring::error::KeyRejected) -> Fault {
    match why.to_string().as_str() {
        "TooSmall" => "is an RSA key of less than 2048 bits: make a longer one".to_owned(),
        "TooLarge" => "is an RSA key of more than 4096 bits: make a shorter one".to_owned(),
        "WrongAlgorithm" => UNSUPPORTED.to_owned(),
        _ => DAMAGED.to_owned(),
    }
}

const UNSUPPORTED: &str = "is of a kind that does not sign here: use RSA, EC on P-256 or P-384, or Ed25519";

const DAMAGED: &str = "is damaged: make it anew, or copy it again";

#[cfg(test)]
mod tests;
