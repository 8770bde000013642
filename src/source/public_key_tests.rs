use super::*;

fn number(bytes: usize, first: u8) -> String {
    let mut number = vec![0x5b; bytes];
    number[0] = first;
    URL_SAFE_NO_PAD.encode(number)
}

fn rsa(changes: &Value) -> Value {
    let mut jwk = json!({ "kty": "RSA", "kid": "a", "n": number(256, 0x80), "e": "AQAB" });
    changes.as_object().unwrap().iter().for_each(|(name, value)| jwk[name] = value.clone());
    jwk
}

#[test]
fn what_a_key_may_verify_follows_from_the_key() {
    let allowed = |jwk: &Value| {
        let key = PublicKey::read(jwk).unwrap();
        let again = PublicKey::read(&key.jwk()).unwrap();
        assert_eq!(format!("{key:?}"), format!("{again:?}"), "as it is written it reads the same");
        key.algorithms
    };
    assert_eq!(allowed(&rsa(&json!({}))), RSA);
    assert_eq!(allowed(&rsa(&json!({ "alg": "PS384", "use": "sig" }))), [Algorithm::Ps384]);
    assert_eq!(allowed(&rsa(&json!({ "key_ops": ["sign", "verify"] }))).len(), 6);
    let ec = |crv, size| json!({ "kty": "EC", "crv": crv, "x": number(size, 1), "y": number(size, 0) });
    assert_eq!(allowed(&ec("P-256", 32)), [Algorithm::Es256]);
    assert_eq!(allowed(&ec("P-384", 48)), [Algorithm::Es384]);
    let okp = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "x": number(32, 1) });
    assert_eq!(allowed(&okp), [Algorithm::EdDsa]);
}

#[test]
fn what_is_not_understood_too_small_or_for_something_else_is_no_key() {
    for jwk in [
        rsa(&json!({ "n": number(255, 0xff) })),
        rsa(&json!({ "n": number(256, 0x7f) })),
        rsa(&json!({ "n": number(257, 0x00) + "=" })),
        rsa(&json!({ "n": number(1_025, 0x80) })),
        rsa(&json!({ "e": "AQ" })),
        rsa(&json!({ "e": "AAAA" })),
        rsa(&json!({ "e": "AQAA" })),
        rsa(&json!({ "e": 65_537 })),
        rsa(&json!({ "use": "enc" })),
        rsa(&json!({ "key_ops": ["encrypt"] })),
        rsa(&json!({ "alg": "RSA-OAEP" })),
        rsa(&json!({ "alg": "HS256" })),
        rsa(&json!({ "alg": "ES256" })),
        rsa(&json!({ "kty": "rsa" })),
        rsa(&json!({ "kid": 7 })),
        json!({ "kty": "oct", "k": "AAAA", "alg": "HS256" }),
        json!({ "kty": "EC", "crv": "P-256", "x": number(31, 1), "y": number(33, 1) }),
        json!({ "kty": "EC", "crv": "P-521", "x": number(66, 1), "y": number(66, 1) }),
        json!({ "kty": "EC", "crv": "P-256", "alg": "ES384", "x": number(32, 1), "y": number(32, 1) }),
        json!({ "kty": "OKP", "crv": "X25519", "x": number(32, 1) }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA" }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "7P_______________________________________38" }),
        json!("key"),
    ] {
        assert!(PublicKey::read(&jwk).is_none(), "{jwk}");
    }
    assert!(PublicKey::read(&rsa(&json!({ "n": number(257, 0x00).replace("AFtb", "AIBb") }))).is_some());
}
