//! Identifiers and secrets nobody can guess.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// `ASIA` and sixteen characters: the id of a temporary key.
pub(crate) fn access_key_id() -> String {
    let random: [u8; 16] = bytes();
    format!("ASIA{}", base32(&random))
}

/// Forty characters of base64.
pub(crate) fn secret_access_key() -> String {
    let random: [u8; 30] = bytes();
    STANDARD.encode(random)
}

/// A session token: opaque and long, as real ones are. No maximum length is promised by AWS.
pub(crate) fn session_token() -> String {
    let random: [u8; 420] = bytes();
    format!("IQoJ{}", STANDARD.encode(random))
}

/// An opaque value for refresh tokens and challenge sessions.
pub(crate) fn opaque() -> String {
    let random: [u8; 96] = bytes();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random)
}

/// A client secret as Cognito generates them: lower-case letters and digits.
pub(crate) fn client_secret() -> String {
    let random: [u8; 52] = bytes();
    base32(&random).to_ascii_lowercase()
}

/// A version 4 UUID.
pub(crate) fn uuid() -> String {
    let mut random: [u8; 16] = bytes();
    random[6] = (random[6] & 0x0f) | 0x40;
    random[8] = (random[8] & 0x3f) | 0x80;
    let hex = crate::digest::hex(&random);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The unique id IAM gives a principal, made from its name: `AROA…` for a role, `AIDA…` for a user.
pub(crate) fn unique_id(prefix: &str, name: &str) -> String {
    format!("{prefix}{}", base32(&crate::digest::sha256(name.as_bytes())[..17]))
}

fn base32(random: &[u8]) -> String {
    random.iter().map(|byte| char::from(BASE32[usize::from(byte % 32)])).collect()
}

fn bytes<const N: usize>() -> [u8; N] {
    let mut random = [0; N];
    aws_lc_rs::rand::fill(&mut random).expect("the system has randomness");
    random
}
