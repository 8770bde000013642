#![expect(clippy::disallowed_methods, reason = "tests look at what was signed")]

use std::path::PathBuf;

use ring::signature::{KeyPair as _, UnparsedPublicKey, VerificationAlgorithm};

use super::*;
use crate::secret::Secret;

fn text(name: &str) -> SecretString {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name);
    SecretString::from(std::fs::read_to_string(path).unwrap())
}

fn read(text: &SecretString, algorithm: Option<Algorithm>) -> Result<SigningKey, Failure> {
    SigningKey::read(text, &Place::Local(Secret::File("/etc/credbroker/key.pem".into())), algorithm)
}

fn public(key: &SigningKey) -> Vec<u8> {
    match &key.pair {
        Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
        Pair::P256(pair) | Pair::P384(pair) => pair.public_key().as_ref().to_vec(),
        Pair::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
    }
}

fn verifier(algorithm: Algorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
        Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
        Algorithm::EdDsa => &signature::ED25519,
    }
}

/// The header of a JWT whose signature holds.
fn verified_header(jwt: &str, algorithm: Algorithm, public: &[u8]) -> Value {
    let (message, signed) = jwt.rsplit_once('.').unwrap();
    let signed = URL_SAFE_NO_PAD.decode(signed).unwrap();
    UnparsedPublicKey::new(verifier(algorithm), public).verify(message.as_bytes(), &signed).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(message.split('.').next().unwrap()).unwrap()).unwrap()
}

#[test]
fn every_form_of_a_key_is_read_and_its_signature_holds_for_the_same_public_key() {
    use Algorithm::{EdDsa, Es256, Es384, Ps256, Rs256};
    for (forms, wanted, algorithm) in [
        (&["rsa.pkcs8.pem", "rsa.pkcs1.pem"][..], None, Rs256),
        (&["rsa.pkcs8.pem", "rsa.pkcs1.pem", "rsa.jwk.json"], Some(Ps256), Ps256),
        (&["rsa.jwk.json"], None, Ps256),
        (&["rsa.jwk.json"], Some(Rs256), Rs256),
        (&["p256.pkcs8.pem", "p256.sec1.pem", "p256.jwk.json"], None, Es256),
        (&["p384.pkcs8.pem", "p384.sec1.pem", "p384.jwk.json"], Some(Es384), Es384),
        (&["ed25519.pkcs8.pem", "ed25519.jwk.json"], None, EdDsa),
    ] {
        let same = public(&read(&text(forms[0]), wanted).unwrap());
        for form in forms {
            let key = read(&text(form), wanted).unwrap_or_else(|fault| panic!("{form}: {fault}"));
            let jwt = key.jwt(None, &json!({ "iss": "x" })).unwrap();
            let header = verified_header(jwt.expose_secret(), algorithm, &same);
            assert_eq!((&header["alg"], &header["typ"]), (&json!(algorithm.name()), &json!("JWT")), "{form}");
        }
    }
}

#[test]
fn the_header_names_the_key_as_the_configuration_does_else_as_the_key_does() {
    let kid = |file: &str, id: Option<&str>| {
        let key = read(&text(file), None).unwrap();
        let jwt = key.jwt(id, &json!({})).unwrap();
        verified_header(jwt.expose_secret(), key.algorithm, &public(&key)).get("kid").cloned()
    };
    assert_eq!(kid("p256.jwk.json", Some("mine")), Some(json!("mine")));
    assert_eq!(kid("p256.jwk.json", None), Some(json!("p256-test")));
    assert_eq!(kid("p256.pkcs8.pem", None), None);
}

#[test]
fn what_is_no_key_to_sign_with_is_named_by_kind_and_place() {
    let changed = |file: &str, from: &str, to: &str| SecretString::from(text(file).expose_secret().replace(from, to));
    let cases = [
        (text("rsa1024.pem"), None, "less than 2048 bits"),
        (text("secp256k1.pem"), None, "does not sign here"),
        (text("encrypted.pem"), None, "is encrypted"),
        (text("public.pem"), None, "public key"),
        (text("p256.no-public.pem"), None, "without its public half"),
        (text("rsa.pkcs8.pem"), Some(Algorithm::Es256), "is an RSA key, and ES256 needs an EC key on P-256"),
        (text("p256.sec1.pem"), Some(Algorithm::Es384), "is an EC key on P-256, and ES384 needs"),
        (text("rsa.jwk.json"), Some(Algorithm::EdDsa), "is an RSA key, and EdDSA needs"),
        (changed("rsa.jwk.json", "PS256", "RS512"), None, "does not sign here: set algorithm to one of RS256, PS256"),
        (changed("rsa.jwk.json", "\"p\"", "\"zz\""), None, "a JWK without p"),
        (changed("p256.jwk.json", "\"d\"", "\"zz\""), None, "public key (without d)"),
        (changed("p256.jwk.json", "P-256", "P-521"), None, "does not sign here"),
        (changed("ed25519.jwk.json", "\"d\": \"", "\"d\": \"*"), None, "d is not Base64url"),
        (SecretString::from(r#"{"keys":[]}"#), None, "no JWK"),
        (SecretString::from("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"), None, "is a certificate"),
        (SecretString::from("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA"), None, "OpenSSH"),
        (SecretString::from("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"), None, "damaged"),
        (SecretString::from("-----BEGIN PRIVATE KEY-----\nAA"), None, "damaged"),
        (SecretString::from("hunter2hunter2"), None, "neither PEM nor a JWK"),
    ];
    for (text, algorithm, part) in cases {
        let failure = read(&text, algorithm).err().unwrap_or_else(|| panic!("{part}: it was read"));
        let words = failure.to_string();
        assert!(failure.kind == FailureKind::Misconfigured && words.contains(part), "{words}\nexpected … {part}");
        assert!(words.contains("file /etc/credbroker/key.pem") && !words.contains("hunter2"), "{words}");
    }
}

#[test]
fn a_jwk_whose_halves_do_not_belong_together_is_refused() {
    let other = URL_SAFE_NO_PAD.encode([7; 32]);
    let mut jwk: Value = serde_json::from_str(text("ed25519.jwk.json").expose_secret()).unwrap();
    jwk["d"] = json!(other);
    assert!(read(&SecretString::from(jwk.to_string()), None).is_err());
}
