//! Keys that sign the tests' tokens, and issuers that know them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    self, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair,
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::{Value, json};

use super::super::*;
use super::{FailureKind, Freshness, Inputs, Issued, Keep, Source};

pub const NOW: u64 = 1_800_000_000;
pub const RSA_PEM: &[u8] = include_bytes!("../../../tests/keys/rsa-2048.pem");

/// A key pair and the name of its key.
pub struct Signer {
    pub id: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ecdsa(EcdsaKeyPair, &'static str),
    Ed25519(Ed25519KeyPair),
}

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    pub fn rsa(encoding: &'static dyn RsaEncoding) -> Self {
        let key = PrivatePkcs8KeyDer::from_pem_slice(RSA_PEM).unwrap();
        let pair = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
        Self { id: "rsa", pair: Pair::Rsa(pair, encoding) }
    }

    pub fn es256() -> Self {
        Self::ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256").0
    }

    pub fn es384() -> Self {
        Self::ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384").0
    }

    /// The same key twice; the second writes its signatures in DER.
    pub fn es256_in_der() -> (Self, Self) {
        let (signer, pkcs8) = Self::ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, &SystemRandom::new()).unwrap();
        (signer, Self { id: "ec", pair: Pair::Ecdsa(pair, "P-256") })
    }

    fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm, curve: &'static str) -> (Self, Vec<u8>) {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        (Self { id: "ec", pair: Pair::Ecdsa(pair, curve) }, pkcs8.as_ref().to_vec())
    }

    pub fn ed25519(id: &'static str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { id, pair: Pair::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap()) }
    }

    /// The public key as a JSON Web Key without `alg`.
    pub fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Rsa(pair, _) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "kid": self.id, "n": b64(public.n), "e": b64(public.e) })
            }
            Pair::Ecdsa(pair, curve) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
                json!({ "kty": "EC", "crv": curve, "kid": self.id, "x": b64(x), "y": b64(y) })
            }
            Pair::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": b64(pair.public_key()) })
            }
        }
    }

    /// The public key as a server might hand it out: what HMAC would be keyed with.
    pub fn public_bytes(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair, _) => pair.public().as_ref().to_vec(),
            Pair::Ecdsa(pair, _) => pair.public_key().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    pub fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Pair::Ecdsa(pair, _) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A token with this header and these claims, as they are written.
    pub fn raw(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", b64(header), b64(claims));
        format!("{message}.{}", b64(self.signature(message.as_bytes())))
    }

    pub fn token(&self, algorithm: &str, claims: &Value) -> String {
        self.raw(&json!({ "alg": algorithm, "kid": self.id }).to_string(), &claims.to_string())
    }
}

/// Every algorithm, with a key for it.
pub fn all() -> Vec<(&'static str, Signer)> {
    vec![
        ("RS256", Signer::rsa(&signature::RSA_PKCS1_SHA256)),
        ("RS384", Signer::rsa(&signature::RSA_PKCS1_SHA384)),
        ("RS512", Signer::rsa(&signature::RSA_PKCS1_SHA512)),
        ("PS256", Signer::rsa(&signature::RSA_PSS_SHA256)),
        ("PS384", Signer::rsa(&signature::RSA_PSS_SHA384)),
        ("PS512", Signer::rsa(&signature::RSA_PSS_SHA512)),
        ("ES256", Signer::es256()),
        ("ES384", Signer::es384()),
        ("EdDSA", Signer::ed25519("ed")),
    ]
}

/// An issuer's address for keys, which can be out of reach.
pub struct Published {
    pub keys: Mutex<Vec<Value>>,
    pub fetches: AtomicUsize,
    pub down: AtomicBool,
    pub hangs: AtomicBool,
    clock: Clock,
}

#[async_trait]
impl Source<KeySet> for Published {
    async fn fetch(&self, _: &Ask) -> Result<Issued<KeySet>, Failure> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        if self.hangs.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        if self.down.load(Ordering::SeqCst) {
            return Err(Failure::new(FailureKind::Unavailable, "the key set cannot be had"));
        }
        let keys = json!({ "keys": *self.keys.lock().unwrap() }).to_string();
        let now = self.clock.now();
        Ok(Issued::new(KeySet::read(keys.as_bytes()).unwrap(), now, now.plus(Duration::from_secs(86_400))))
    }
}

impl Published {
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

/// An issuer that publishes `keys`, on the paused clock.
pub fn issuer(config: Config, keys: Vec<Value>) -> (Issuer, Arc<Published>) {
    let clock = Clock::tokio(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW));
    let published = Arc::new(Published {
        keys: Mutex::new(keys),
        fetches: AtomicUsize::new(0),
        down: AtomicBool::new(false),
        hangs: AtomicBool::new(false),
        clock: clock.clone(),
    });
    let freshness = Freshness { ahead: 0.0, keep: Keep::Used, outage_cover: None, life_left: Duration::ZERO };
    let source = Arc::clone(&published) as Arc<dyn Source<KeySet>>;
    let entry = Entry::new("issuers.test", "a test", source, Inputs::default(), freshness, clock.clone());
    (Issuer::new(config, Arc::new(entry), clock), published)
}
