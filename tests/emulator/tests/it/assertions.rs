//! JWTs signed with the private keys of the demo's world, by the tests' own hand.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use credbroker_emulator::private_keys::{PARTNER_EC, PARTNER_ED25519, PARTNER_RSA};
use serde_json::{Value, json};

/// Signs `claims` with `algorithm`, under a header naming `kid`.
pub(crate) fn signed(algorithm: &str, kid: &str, claims: &Value) -> String {
    with_header(algorithm, &json!({ "alg": algorithm, "typ": "JWT", "kid": kid }), claims)
}

pub(crate) fn with_header(algorithm: &str, header: &Value, claims: &Value) -> String {
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let input = format!("{}.{}", part(header), part(claims));
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature(algorithm, input.as_bytes())))
}

fn signature(algorithm: &str, message: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    let rsa = |scheme| {
        let pair = KeyPair::from_pkcs8(&der(PARTNER_RSA)).unwrap();
        let mut out = vec![0; pair.public_modulus_len()];
        pair.sign(scheme, &random, message, &mut out).unwrap();
        out
    };
    match algorithm {
        "RS256" => rsa(&signature::RSA_PKCS1_SHA256),
        "PS256" => rsa(&signature::RSA_PSS_SHA256),
        "ES256" => {
            let scheme = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            let pair = EcdsaKeyPair::from_pkcs8(scheme, &der(PARTNER_EC)).unwrap();
            pair.sign(&random, message).unwrap().as_ref().to_vec()
        }
        "EdDSA" => Ed25519KeyPair::from_pkcs8(&der(PARTNER_ED25519)).unwrap().sign(message).as_ref().to_vec(),
        _ => Vec::new(),
    }
}

fn der(pem: &str) -> Vec<u8> {
    let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(lines).unwrap()
}
