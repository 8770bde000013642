//! Signing keys and their public form (RFC 7517).

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// The JWS algorithms in use: user pools sign RS256, the identity service RS512, STS RS256 or ES384,
/// authorization servers RS256 or ES256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Algorithm {
    Rs256,
    Rs512,
    Es256,
    Es384,
}

impl Algorithm {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Rs512 => "RS512",
            Algorithm::Es256 => "ES256",
            Algorithm::Es384 => "ES384",
        }
    }

    fn curve(self) -> &'static str {
        if self == Algorithm::Es384 { "P-384" } else { "P-256" }
    }
}

/// A key pair with its key id: RSA-2048, or an elliptic curve's.
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Rsa(KeyPair),
    Ec(EcdsaKeyPair),
}

impl SigningKey {
    pub(crate) fn generate(algorithm: Algorithm) -> SigningKey {
        let pair = Pair::generate(algorithm);
        let kid = STANDARD.encode(crate::digest::sha256(pair.public()));
        SigningKey { kid, algorithm, pair }
    }

    /// The public key as a JSON Web Key.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                json!({
                    "alg": self.algorithm.name(),
                    "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
                    "kid": self.kid,
                    "kty": "RSA",
                    "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
                })
            }
            Pair::Ec(pair) => {
                // An uncompressed point: 0x04, then both coordinates.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
                json!({
                    "alg": self.algorithm.name(),
                    "crv": self.algorithm.curve(),
                    "kid": self.kid,
                    "kty": "EC",
                    "x": URL_SAFE_NO_PAD.encode(x),
                    "y": URL_SAFE_NO_PAD.encode(y),
                })
            }
        };
        jwk["use"] = json!("sig");
        jwk
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let scheme = match self.algorithm {
                    Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(scheme, &random, message, &mut out).expect("signing with a good key works");
                out
            }
            Pair::Ec(pair) => pair.sign(&random, message).expect("signing with a good key works").as_ref().to_vec(),
        }
    }

    pub(crate) fn verify(&self, message: &[u8], signed: &[u8]) -> bool {
        let scheme: &dyn signature::VerificationAlgorithm = match self.algorithm {
            Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
            Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
        };
        UnparsedPublicKey::new(scheme, self.pair.public()).verify(message, signed).is_ok()
    }
}

impl Pair {
    fn generate(algorithm: Algorithm) -> Pair {
        let curve = match algorithm {
            Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            Algorithm::Rs256 | Algorithm::Rs512 => {
                return Pair::Rsa(KeyPair::generate(KeySize::Rsa2048).expect("RSA key generation works"));
            }
        };
        Pair::Ec(EcdsaKeyPair::generate(curve).expect("EC key generation works"))
    }

    fn public(&self) -> &[u8] {
        match self {
            Pair::Rsa(pair) => pair.public_key().as_ref(),
            Pair::Ec(pair) => pair.public_key().as_ref(),
        }
    }
}

/// The keys of one user pool: one pair signs ID tokens, the other access tokens.
///
/// After a rotation the previous pairs stay published, so tokens already out still verify.
pub(crate) struct PoolKeys {
    id: Arc<SigningKey>,
    access: Arc<SigningKey>,
    previous: Vec<Arc<SigningKey>>,
}

impl PoolKeys {
    pub(crate) fn generate() -> PoolKeys {
        let key = || Arc::new(SigningKey::generate(Algorithm::Rs256));
        PoolKeys { id: key(), access: key(), previous: Vec::new() }
    }

    /// These keys retired, `fresh` in their place. Only one generation is remembered.
    pub(crate) fn rotated(&self, fresh: PoolKeys) -> PoolKeys {
        PoolKeys { previous: vec![Arc::clone(&self.id), Arc::clone(&self.access)], ..fresh }
    }

    pub(crate) fn id(&self) -> &SigningKey {
        &self.id
    }

    pub(crate) fn access(&self) -> &SigningKey {
        &self.access
    }

    pub(crate) fn by_kid(&self, kid: &str) -> Option<&SigningKey> {
        self.published().find(|key| key.kid == kid)
    }

    /// The JSON Web Key Set of the pool.
    pub(crate) fn jwks(&self) -> Value {
        json!({ "keys": self.published().map(SigningKey::jwk).collect::<Vec<_>>() })
    }

    fn published(&self) -> impl Iterator<Item = &SigningKey> {
        [&self.id, &self.access].into_iter().chain(&self.previous).map(Arc::as_ref)
    }
}
