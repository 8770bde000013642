//! Public keys clients registered (RFC 7517), and what they verify (RFC 7518 section 3, RFC 8037).

use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::world::Jwk;

/// The algorithms of client assertions.
pub(crate) const ALGORITHMS: [&str; 4] = ["RS256", "PS256", "ES256", "EdDSA"];

/// Whether the key has the members of its kind.
pub(crate) fn is_usable(key: &Jwk) -> bool {
    match (key.kty.as_str(), key.crv.as_deref()) {
        ("RSA", None) => octets(key.n.as_ref()).is_some_and(|n| n.len() >= 256) && octets(key.e.as_ref()).is_some(),
        ("EC", Some("P-256")) => {
            [&key.x, &key.y].iter().all(|part| octets(part.as_ref()).is_some_and(|o| o.len() == 32))
        }
        ("OKP", Some("Ed25519")) => octets(key.x.as_ref()).is_some_and(|x| x.len() == 32),
        _ => false,
    }
}

/// Whether `key` signed `message` with `algorithm`.
pub(crate) fn verifies(key: &Jwk, algorithm: &str, message: &[u8], signed: &[u8]) -> bool {
    if key.alg.as_deref().is_some_and(|only| only != algorithm) {
        return false;
    }
    match (key.kty.as_str(), algorithm) {
        ("RSA", "RS256") => rsa(key, &signature::RSA_PKCS1_2048_8192_SHA256, message, signed),
        ("RSA", "PS256") => rsa(key, &signature::RSA_PSS_2048_8192_SHA256, message, signed),
        ("EC", "ES256") => {
            let point = [vec![4], part(key.x.as_ref()), part(key.y.as_ref())].concat();
            UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signed).is_ok()
        }
        ("OKP", "EdDSA") => {
            UnparsedPublicKey::new(&signature::ED25519, part(key.x.as_ref())).verify(message, signed).is_ok()
        }
        _ => false,
    }
}

fn rsa(key: &Jwk, scheme: &'static signature::RsaParameters, message: &[u8], signed: &[u8]) -> bool {
    let components = RsaPublicKeyComponents { n: part(key.n.as_ref()), e: part(key.e.as_ref()) };
    components.verify(scheme, message, signed).is_ok()
}

fn part(text: Option<&String>) -> Vec<u8> {
    octets(text).unwrap_or_default()
}

fn octets(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}
