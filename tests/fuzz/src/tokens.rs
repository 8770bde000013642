//! Keys that sign here, the issuers that publish them, and the few tokens that are good.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use credbroker::secret::Secret;
use credbroker::source::keyring::Place;
use credbroker::source::signing_key::SigningKey;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::NOW;

/// The issuer of good tokens.
pub const ISSUER: &str = "https://login.example";
/// A user pool, as it spells itself.
pub const POOL: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCd12345";

/// The keys of `tests/keys`, which everybody knows.
const JWKS: [&str; 4] = [
    include_str!("../../keys/ed25519.jwk.json"),
    include_str!("../../keys/p256.jwk.json"),
    include_str!("../../keys/p384.jwk.json"),
    include_str!("../../keys/rsa.jwk.json"),
];

/// The key set that the issuers publish.
pub static KEY_SET: LazyLock<String> = LazyLock::new(|| {
    let public = |jwk: &&str| {
        let jwk: BTreeMap<String, Value> = serde_json::from_str(jwk).expect("a key of the tests");
        let is_public =
            |(name, _): &(String, Value)| ["kty", "crv", "kid", "x", "y", "n", "e"].contains(&name.as_str());
        jwk.into_iter().filter(is_public).collect::<BTreeMap<_, _>>()
    };
    json!({ "keys": JWKS.iter().map(public).collect::<Vec<_>>() }).to_string()
});

/// Every key, ready to sign.
pub static SIGNERS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    let place = Place::Local(Secret::Env("KEY".to_owned()));
    let read = |jwk: &&str| SigningKey::read(&SecretString::from(*jwk), &place, None).expect("a key of the tests");
    JWKS.iter().map(read).collect()
});

/// The claims of good tokens.
pub fn claims() -> Value {
    json!({ "iss": ISSUER, "sub": "ann", "exp": 9_000_000_000_u64, "iat": NOW, "client_id": "web", "aud": "api", "scope": "a/read" })
}

/// The same of a user pool.
pub fn pool_claims() -> Value {
    json!({ "iss": POOL, "sub": "ann", "exp": 9_000_000_000_u64, "iat": NOW, "client_id": "web", "token_use": "access", "scope": "a/read" })
}

/// A token of each key.
pub static GOOD: LazyLock<Vec<String>> = LazyLock::new(|| {
    let sign =
        |signer: &SigningKey, claims: &Value| signer.jwt(None, claims).expect("it signs").expose_secret().to_owned();
    let mut good: Vec<String> = SIGNERS.iter().map(|signer| sign(signer, &claims())).collect();
    good.push(sign(&SIGNERS[3], &pool_claims()));
    good
});

/// Is it one of the good tokens, whatever a signature of which there are many looks like?
pub fn is_good(token: &str) -> bool {
    let message = |token: &str| token.rsplit_once('.').map(|(message, _)| message.to_owned());
    message(token).is_some_and(|found| GOOD.iter().any(|good| message(good).as_ref() == Some(&found)))
}
