//! Cognito's variant of the Secure Remote Password protocol, SRP-6a, the server's half.
//!
//! The group is the 3072-bit one of RFC 5054 (prime `N`, generator `g` = 2), the hash `H` is SHA-256. A number is
//! hashed as its `pad`: big-endian bytes, with a zero byte in front when the first bit is set.
//!
//! ```text
//! k = H(pad(N) | pad(g))
//! x = H(pad(salt) | H(pool name | user id | ":" | password))     v = g^x
//! B = k*v + g^b                                                  u = H(pad(A) | pad(B))
//! S = (A * v^u)^b
//! key = HKDF-SHA256(ikm = pad(S), salt = pad(u), info = "Caldera Derived Key"), 16 bytes
//! signature = Base64(HMAC-SHA256(key, pool name | user id | secret block | timestamp))
//! ```
//!
//! The pool name is the part of the pool's id after the underscore.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigUint;

use crate::digest::{hmac_sha256, sha256};

const PRIME: &str = "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
    EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
    83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
    E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510\
    15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7\
    ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C\
    BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF";
const GENERATOR: u32 = 2;
const INFO: &[u8] = b"Caldera Derived Key";

/// Whose password it is.
pub(super) struct Identity {
    pub(super) pool_name: String,
    pub(super) user_id: String,
}

/// A handshake whose client has shown its `A`; what is missing is the proof.
pub(super) struct Handshake {
    identity: Identity,
    /// `SALT`, hexadecimal.
    pub(super) salt: String,
    /// `SRP_B`, hexadecimal.
    pub(super) public: String,
    key: [u8; 16],
}

impl Handshake {
    /// Answers the client's `A` with the secret exponent `b`; `None` when `A` is no element of the group.
    pub(super) fn new(a: &str, identity: Identity, password: &str, salt: &[u8], b: &[u8]) -> Option<Handshake> {
        let (prime, generator) = (number(PRIME)?, BigUint::from(GENERATOR));
        let a = number(a).filter(|a| *a != BigUint::ZERO && *a < prime)?;
        let (salt, b) = (BigUint::from_bytes_be(salt), BigUint::from_bytes_be(b));
        let multiplier = hash(&[&pad(&prime), &pad(&generator)]);
        let verifier = generator.modpow(&private_key(&identity, password, &salt), &prime);
        let public = (multiplier * &verifier + generator.modpow(&b, &prime)) % &prime;
        let scrambler = hash(&[&pad(&a), &pad(&public)]);
        let shared = (a * verifier.modpow(&scrambler, &prime)).modpow(&b, &prime);
        let key = derived(&shared, &scrambler);
        Some(Handshake { identity, salt: salt.to_str_radix(16), public: public.to_str_radix(16), key })
    }

    /// What a client that knows the password sends as `PASSWORD_CLAIM_SIGNATURE`.
    pub(super) fn signature(&self, secret_block: &[u8], timestamp: &str) -> String {
        let Identity { pool_name, user_id } = &self.identity;
        let message = [pool_name.as_bytes(), user_id.as_bytes(), secret_block, timestamp.as_bytes()].concat();
        STANDARD.encode(hmac_sha256(&self.key, &message))
    }
}

/// `x`
fn private_key(identity: &Identity, password: &str, salt: &BigUint) -> BigUint {
    let login = format!("{}{}:{password}", identity.pool_name, identity.user_id);
    hash(&[&pad(salt), &sha256(login.as_bytes())])
}

fn derived(shared: &BigUint, scrambler: &BigUint) -> [u8; 16] {
    let extracted = hmac_sha256(&pad(scrambler), &pad(shared));
    let expanded = hmac_sha256(&extracted, &[INFO, &[1]].concat());
    let mut key = [0; 16];
    key.copy_from_slice(&expanded[..16]);
    key
}

fn hash(parts: &[&[u8]]) -> BigUint {
    BigUint::from_bytes_be(&sha256(&parts.concat()))
}

fn pad(number: &BigUint) -> Vec<u8> {
    let mut bytes = number.to_bytes_be();
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        bytes.insert(0, 0);
    }
    bytes
}

/// A hexadecimal number that is not much longer than the prime.
fn number(text: &str) -> Option<BigUint> {
    let plausible = text.len() <= PRIME.len() + 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    plausible.then(|| BigUint::parse_bytes(text.as_bytes(), 16)).flatten()
}

#[cfg(test)]
mod tests {
    use super::{Handshake, Identity, PRIME};

    fn handshake(a: &str) -> Option<Handshake> {
        let identity = Identity { pool_name: "AbCd12345".into(), user_id: "robot".into() };
        Handshake::new(a, identity, "correct horse Battery 1", &SALT, &[0x5a; 32])
    }

    const SALT: [u8; 16] = [0x0a, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];

    /// `A` for the exponent 3 is 8; the rest was computed by another implementation.
    #[test]
    fn a_signature_another_implementation_computed() {
        let handshake = handshake("8").unwrap();
        assert_eq!(handshake.salt, "aff0102030405060708090a0b0c0d0e");
        assert_eq!(
            handshake.signature(b"block", "Sat Nov 7 09:05:00 UTC 2026"),
            "eHpYS1bCv+Y7Ua2VH1SUZGLs3/ujcrrDk+RYD46KFlY="
        );
    }

    #[test]
    fn an_a_outside_the_group_is_refused() {
        for a in ["", "0", "00", PRIME, "nothex", "-8", "+8", "1_0", &"f".repeat(770), &"8".repeat(771)] {
            assert!(handshake(a).is_none(), "{a}");
        }
        assert!(handshake("008").is_some());
    }
}
