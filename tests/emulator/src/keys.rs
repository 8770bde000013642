//! RSA signing keys and their public form (RFC 7517).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{self, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// The JWS algorithms in use: user pools sign RS256, the identity service RS512.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Rs512,
}

impl Algorithm {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Rs512 => "RS512",
        }
    }
}

/// An RSA-2048 key pair with its key id.
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pair: KeyPair,
}

impl SigningKey {
    pub(crate) fn generate(algorithm: Algorithm) -> SigningKey {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("RSA key generation works");
        let kid = STANDARD.encode(crate::digest::sha256(pair.public_key().as_ref()));
        SigningKey { kid, algorithm, pair }
    }

    /// The public key as a JSON Web Key.
    pub(crate) fn jwk(&self) -> Value {
        let public = self.pair.public_key();
        json!({
            "alg": self.algorithm.name(),
            "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
            "kid": self.kid,
            "kty": "RSA",
            "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            "use": "sig",
        })
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let scheme = match self.algorithm {
            Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
            Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
        };
        let mut out = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(scheme, &SystemRandom::new(), message, &mut out).expect("signing with a good key works");
        out
    }

    pub(crate) fn verify(&self, message: &[u8], signed: &[u8]) -> bool {
        let scheme = match self.algorithm {
            Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        };
        UnparsedPublicKey::new(scheme, self.pair.public_key().as_ref()).verify(message, signed).is_ok()
    }
}

/// The keys of one user pool: one pair signs ID tokens, the other access tokens.
///
/// After a rotation the previous pairs stay published, so tokens already out still verify.
pub(crate) struct PoolKeys {
    id: SigningKey,
    access: SigningKey,
    previous: Vec<SigningKey>,
}

impl PoolKeys {
    pub(crate) fn generate() -> PoolKeys {
        let (id, access) = (SigningKey::generate(Algorithm::Rs256), SigningKey::generate(Algorithm::Rs256));
        PoolKeys { id, access, previous: Vec::new() }
    }

    /// These keys retired, `fresh` in their place. Only one generation is remembered.
    pub(crate) fn rotated(self, fresh: PoolKeys) -> PoolKeys {
        PoolKeys { previous: vec![self.id, self.access], ..fresh }
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
        [&self.id, &self.access].into_iter().chain(&self.previous)
    }
}
