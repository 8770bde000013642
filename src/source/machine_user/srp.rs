//! The Secure Remote Password exchange as Cognito speaks it: the password is proven and never sent.
//!
//! It is SRP-6a (RFC 5054) with SHA-256 and departures of its own. `N` is the 3072-bit prime and `g` is 2. A number is hashed as
//! the fewest big-endian bytes with a clear first bit, so a zero byte stands before a first bit that is set:
//!
//! ```text
//! k = H(N | g)        u = H(A | B)        x = H(salt | H(pool | user | ":" | password))
//! A = g^a             S = (B - k g^x)^(a + u x)             all modulo N
//! key   = HKDF-SHA256(ikm = S, salt = u, info = "Caldera Derived Key"), 16 bytes
//! proof = HMAC-SHA256(key, pool | user | secret block | timestamp)
//! ```
//!
//! `pool` is the part of the pool's id after the underscore and `user` what the challenge calls `USER_ID_FOR_SRP`. A server that
//! sends a multiple of `N` as `B`, or a `B` that makes `u` zero, wants to learn the password and is refused.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_bigint::modular::ConstMontyParams as _;
use crypto_bigint::{U256, U1024, U1280, U3072, Uint, const_monty_form, const_monty_params};
use ring::{hkdf, hmac};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::secret::sha256;

const_monty_params!(
    Prime,
    U3072,
    concat!(
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD",
        "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED",
        "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F",
        "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B",
        "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510",
        "15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7",
        "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C",
        "BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
    ),
    "The 3072-bit prime of RFC 5054, appendix A."
);
const_monty_form!(Element, Prime, "A number modulo the prime; its arithmetic takes the same time for all numbers.");

const GENERATOR: Element = Element::new(&U3072::from_u8(2));
const INFO: &[u8] = b"Caldera Derived Key";
/// Of a + u x: a has 1024 bits, the product 512.
const EXPONENT_BITS: u32 = 1_025;

/// One exchange: its secret exponent is used once.
pub struct Exchange {
    secret: Zeroizing<U1024>,
    public: U3072,
}

/// What the server asks to be proven (`PASSWORD_VERIFIER`).
pub struct Challenge<'a> {
    /// The user as Cognito calls it (`USER_ID_FOR_SRP`).
    pub user: &'a str,
    /// `SALT`, hexadecimal.
    pub salt: &'a str,
    /// `SRP_B`, hexadecimal.
    pub server: &'a str,
    /// `SECRET_BLOCK`, Base64.
    pub secret_block: &'a str,
}

/// Why a challenge is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a challenge {0}")]
pub struct Refused(&'static str);

impl Exchange {
    /// Begins with the secret exponent `random`, which nobody may be able to foresee.
    pub fn new(random: &[u8; 128]) -> Self {
        let secret = Zeroizing::new(U1024::from_be_slice(random));
        let public = GENERATOR.pow(&*secret).retrieve();
        Self { secret, public }
    }

    /// `SRP_A`, hexadecimal.
    pub fn public(&self) -> String {
        format!("{:x}", self.public).trim_start_matches('0').to_owned()
    }

    /// The proof (`PASSWORD_CLAIM_SIGNATURE`) that we know the `password` in `pool`, said at `timestamp`.
    ///
    /// # Errors
    /// If the challenge is not one, or one that an honest server does not make.
    pub fn prove(
        &self,
        pool: &str,
        password: &SecretString,
        challenge: &Challenge<'_>,
        timestamp: &str,
    ) -> Result<String, Refused> {
        let pool = pool.split_once('_').map_or(pool, |(_, name)| name);
        let block = STANDARD.decode(challenge.secret_block).map_err(|_| Refused("whose secret block is not Base64"))?;
        let x = exponent(pool, password, challenge)?;
        let key = self.key(&read(challenge.server)?, &x)?;
        let mut proof = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &*key));
        for part in [pool.as_bytes(), challenge.user.as_bytes(), &block, timestamp.as_bytes()] {
            proof.update(part);
        }
        Ok(STANDARD.encode(proof.sign()))
    }

    fn key(&self, server: &U3072, x: &U256) -> Result<Zeroizing<[u8; 16]>, Refused> {
        let b = Element::new(server);
        if b == Element::ZERO {
            return Err(Refused("that would reveal the password"));
        }
        let u = number(sha256([&*padded(&self.public), &*padded(server)]));
        if u == U256::ZERO {
            return Err(Refused("that would reveal the password"));
        }
        let (base, exponent) = (Zeroizing::new(b - verifier(x)), self.exponent(&u, x));
        let shared = Zeroizing::new(base.pow_bounded_exp(&*exponent, EXPONENT_BITS).retrieve());
        derived(&shared, &u).ok_or(Refused("from which no key can be derived"))
    }

    /// a + u x, as a plain number.
    fn exponent(&self, u: &U256, x: &U256) -> Zeroizing<U1280> {
        let a = Zeroizing::new(self.secret.resize::<{ U1280::LIMBS }>());
        let x = Zeroizing::new(x.resize::<{ U1280::LIMBS }>());
        let product = Zeroizing::new(x.wrapping_mul(u));
        Zeroizing::new(a.wrapping_add(&product))
    }
}

/// The wall clock as the proof wants it: English, UTC, the day without a leading zero.
pub fn timestamp(wall: SystemTime) -> String {
    let instant = jiff::Timestamp::try_from(wall).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    instant.strftime("%a %b %-d %H:%M:%S UTC %Y").to_string()
}

/// k g^x.
fn verifier(x: &U256) -> Element {
    let k = number(sha256([&*padded(Prime::PARAMS.modulus().as_ref()), &[2]]));
    Element::new(&k.resize()) * GENERATOR.pow(x)
}

#[expect(clippy::disallowed_methods, reason = "the exponent is made of the password")]
fn exponent(pool: &str, password: &SecretString, challenge: &Challenge<'_>) -> Result<Zeroizing<U256>, Refused> {
    let parts = [pool, challenge.user, ":", password.expose_secret()];
    let identity = sha256(parts.map(str::as_bytes));
    Ok(Zeroizing::new(number(sha256([&*padded(&read(challenge.salt)?), &identity]))))
}

struct KeyLength;

impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        16
    }
}

fn derived(shared: &U3072, u: &U256) -> Option<Zeroizing<[u8; 16]>> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, &padded(u));
    let mut key = Zeroizing::new([0; 16]);
    salt.extract(&padded(shared)).expand(&[INFO], KeyLength).ok()?.fill(&mut *key).ok()?;
    Some(key)
}

fn number(digest: [u8; 32]) -> U256 {
    U256::from_be_slice(&digest)
}

/// The fewest big-endian bytes whose first bit is clear.
fn padded<const LIMBS: usize>(number: &Uint<LIMBS>) -> Zeroizing<Vec<u8>> {
    let bytes = Zeroizing::new(number.to_be_bytes());
    let bytes: &[u8] = (*bytes).as_ref();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let sign = bytes.get(first).is_none_or(|byte| *byte >= 0x80);
    let mut padded = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
    padded.extend(sign.then_some(0));
    padded.extend_from_slice(&bytes[first..]);
    padded
}

/// A hexadecimal number, leading zeros or not.
fn read(digits: &str) -> Result<U3072, Refused> {
    let not_a_number = Refused("with a number that is none");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(not_a_number);
    }
    let significant = digits.trim_start_matches('0');
    let digits = if significant.is_empty() { "0" } else { significant };
    U3072::from_str_radix_vartime(digits, 16).map_err(|_| not_a_number)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;

    const POOL: &str = "eu-west-1_AbCd12345";
    const USER: &str = "0f4e2c1a-robot";
    const PASSWORD: &str = "Corr€ct horse, battery";
    const TIMESTAMP: &str = "Fri Nov 3 07:05:09 UTC 2023";

    /// Made with `AWSSRP` of pycognito 2024.5.1 against a server in ten lines of Python: `a`, `b` and the salt were drawn until the
    /// numbers had the shape that the name says, and server and client came to the same S.
    #[derive(Deserialize)]
    #[expect(non_snake_case, reason = "the letters of RFC 5054")]
    struct Vector {
        name: String,
        a: String,
        salt: String,
        A: String,
        B: String,
        secret_block: String,
        signature: String,
    }

    fn exchange(a: &str) -> Exchange {
        let mut random = [0; 128];
        for (byte, digits) in random.iter_mut().zip(a.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
        }
        Exchange::new(&random)
    }

    fn challenge<'a>(salt: &'a str, server: &'a str) -> Challenge<'a> {
        Challenge { user: USER, salt, server, secret_block: "AAAA" }
    }

    #[test]
    fn the_proof_is_the_one_cognito_expects_whatever_bytes_the_numbers_begin_with() {
        let vectors: Vec<Vector> = serde_json::from_str(include_str!("srp_vectors.json")).unwrap();
        assert_eq!(vectors.len(), 8);
        for vector in vectors {
            let exchange = exchange(&vector.a);
            assert_eq!(exchange.public(), vector.A, "{}", vector.name);
            for (salt, server) in [
                (vector.salt.clone(), vector.B.clone()),
                (format!("0{}", vector.salt), format!("00{}", vector.B.to_uppercase())),
            ] {
                let challenge = Challenge { secret_block: &vector.secret_block, ..challenge(&salt, &server) };
                let proof = exchange.prove(POOL, &SecretString::from(PASSWORD), &challenge, TIMESTAMP);
                assert_eq!(proof.as_deref(), Ok(&*vector.signature), "{}", vector.name);
            }
        }
    }

    #[test]
    fn what_an_honest_server_does_not_send_is_refused() {
        let exchange = exchange("07");
        let prime = format!("{:x}", Prime::PARAMS.modulus().as_ref());
        let too_long = "f".repeat(769);
        for server in ["0", "000", &*prime, &*too_long, "", "-1", "0x12", "1_0", "g"] {
            let answer = exchange.prove(POOL, &SecretString::from(PASSWORD), &challenge("ab", server), TIMESTAMP);
            assert!(answer.is_err(), "{server}");
        }
        for bad in [challenge("", "5"), challenge("salt", "5"), Challenge { secret_block: "?", ..challenge("ab", "5") }]
        {
            assert!(exchange.prove(POOL, &SecretString::from(PASSWORD), &bad, TIMESTAMP).is_err());
        }
    }

    #[test]
    fn numbers_are_hashed_with_a_clear_first_bit_and_no_byte_more() {
        for (number, bytes) in
            [(0_u64, &[0_u8][..]), (0x7f, &[0x7f]), (0x80, &[0, 0x80]), (0x100, &[1, 0]), (0xfff, &[0x0f, 0xff])]
        {
            assert_eq!(&**padded(&U256::from_u64(number)), bytes);
        }
    }

    #[test]
    fn the_timestamp_is_english_and_the_day_has_no_leading_zero() {
        let at = |seconds| timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(1_698_995_109), TIMESTAMP);
        assert_eq!(at(1_735_657_199), "Tue Dec 31 14:59:59 UTC 2024");
        assert_eq!(at(1_709_164_800), "Thu Feb 29 00:00:00 UTC 2024");
    }
}
