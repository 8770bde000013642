//! The claims of a token after its signature was verified with the pool's published keys, as a service that receives it does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::Value;

use crate::Fault;

/// The claims of `token`, if one of `keys` (a JWK set) signed it with RS256.
pub fn claims(token: &str, keys: &Value) -> Result<Value, Fault> {
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("the token is not a JWT".into());
    };
    let kid = json(header)?["kid"].clone();
    let all = keys["keys"].as_array().ok_or("the key set has no keys")?;
    let key = all.iter().find(|key| key["kid"] == kid).ok_or("no published key has the token's kid")?;
    let part = |name: &str| bytes(key[name].as_str().unwrap_or_default());
    RsaPublicKeyComponents { n: part("n")?, e: part("e")? }
        .verify(&RSA_PKCS1_2048_8192_SHA256, format!("{header}.{payload}").as_bytes(), &bytes(signature)?)
        .map_err(|_| "the token's signature is wrong")?;
    json(payload)
}

fn json(part: &str) -> Result<Value, Fault> {
    Ok(serde_json::from_slice(&bytes(part)?)?)
}

fn bytes(part: &str) -> Result<Vec<u8>, Fault> {
    Ok(URL_SAFE_NO_PAD.decode(part)?)
}
