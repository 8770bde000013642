//! The claims of a token, read without verifying: the emulator signed it, and the conformance tests verify.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The claims.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_else(|| panic!("no JWT"));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// `exp`, in seconds since the epoch.
pub fn expiry(token: &str) -> u32 {
    u32::try_from(claims(token)["exp"].as_u64().unwrap()).unwrap()
}
