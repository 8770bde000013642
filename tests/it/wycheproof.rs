//! Google's Wycheproof vectors against the keys that verify inbound tokens: signatures that were made to find faults in those who verify,
//! in the forms that JWS uses (RFC 7518 section 3). A vector may be valid and yet not be taken, never the other way round.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credbroker::source::public_key::{Algorithm, PublicKey};
use serde_json::{Value, json};
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

/// How many vectors were judged, by what they are.
type Judged = BTreeMap<&'static str, usize>;

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Holds what the key says of a signature against what the vector says.
fn judge(judged: &mut Judged, jwk: &Value, algorithm: &str, told: (&[u8], &[u8], TestResult), name: &str) {
    let (message, signature, result) = told;
    let named = Algorithm::named(algorithm).unwrap();
    let accepted = PublicKey::read(jwk).is_some_and(|key| key.verifies(named, message, signature));
    let expected = match result {
        TestResult::Valid => true,
        TestResult::Invalid => false,
        TestResult::Acceptable if accepted => return *judged.entry("acceptable, taken").or_default() += 1,
        TestResult::Acceptable => return *judged.entry("acceptable, refused").or_default() += 1,
    };
    assert_eq!(accepted, expected, "{algorithm}: {name}");
    *judged.entry(if expected { "valid" } else { "invalid" }).or_default() += 1;
}

fn rsa(n: &[u8], e: &[u8]) -> Value {
    json!({ "kty": "RSA", "kid": "w", "n": b64(n), "e": b64(e) })
}

#[test]
fn signatures_on_the_curves_of_nist() {
    let mut judged = Judged::new();
    for (set, curve, algorithm, size) in [
        (ecdsa::TestName::EcdsaSecp256r1Sha256P1363, "P-256", "ES256", 32),
        (ecdsa::TestName::EcdsaSecp384r1Sha384P1363, "P-384", "ES384", 48),
    ] {
        for group in ecdsa::TestSet::load(set).unwrap().test_groups {
            let (x, y) = group.key.key[1..].split_at(size);
            let jwk = json!({ "kty": "EC", "crv": curve, "kid": "w", "x": b64(x), "y": b64(y) });
            for test in group.tests {
                judge(&mut judged, &jwk, algorithm, (&test.msg, &test.sig, test.result), &test.comment);
            }
        }
    }
    assert!(judged["valid"] > 250 && judged["invalid"] > 150, "{judged:?}");
}

#[test]
fn signatures_by_ed25519() {
    let mut judged = Judged::new();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "w", "x": b64(&group.key.pk) });
        for test in group.tests {
            judge(&mut judged, &jwk, "EdDSA", (&test.msg, &test.sig, test.result), &test.comment);
        }
    }
    assert!(judged["valid"] > 50 && judged["invalid"] > 50, "{judged:?}");
}

#[test]
fn signatures_by_rsa_as_pkcs_1_pads_them() {
    use rsa_pkcs1_verify::{TestName, TestSet};
    let mut judged = Judged::new();
    for (set, algorithm) in [
        (TestName::Rsa2048Sha256, "RS256"),
        (TestName::Rsa2048Sha384, "RS384"),
        (TestName::Rsa2048Sha512, "RS512"),
        (TestName::Rsa3072Sha256, "RS256"),
        (TestName::Rsa4096Sha512, "RS512"),
        (TestName::Rsa8192Sha256, "RS256"),
    ] {
        for group in TestSet::load(set).unwrap().test_groups {
            let jwk = rsa(&group.key.n, &group.key.e);
            for test in group.tests {
                judge(&mut judged, &jwk, algorithm, (&test.msg, &test.sig, test.result), &test.comment);
            }
        }
    }
    assert!(judged["valid"] > 30 && judged["invalid"] > 1_000, "{judged:?}");
    assert_eq!(judged.get("acceptable, taken"), None, "a padding without its NULL is no padding");
}

#[test]
fn signatures_by_rsa_with_pss() {
    use rsa_pss_verify::{TestName, TestSet};
    let mut judged = Judged::new();
    for (set, algorithm) in [
        (TestName::RsaPss2048Sha256Mgf1SaltLen32, "PS256"),
        (TestName::RsaPss2048Sha384Mgf1SaltLen48, "PS384"),
        (TestName::RsaPss3072Sha256Mgf1SaltLen32, "PS256"),
        (TestName::RsaPss4096Sha384Mgf1SaltLen48, "PS384"),
        (TestName::RsaPss4096Sha512Mgf1SaltLen64, "PS512"),
    ] {
        for group in TestSet::load(set).unwrap().test_groups {
            let jwk = rsa(&group.key.n, &group.key.e);
            for test in group.tests {
                judge(&mut judged, &jwk, algorithm, (&test.msg, &test.sig, test.result), &test.comment);
            }
        }
    }
    assert!(judged["valid"] > 100 && judged["invalid"] > 100, "{judged:?}");

    // RFC 7518 section 3.5: the salt is as long as the hash, and MGF1 uses the same one.
    for set in [TestName::RsaPss2048Sha256Mgf1SaltLen0, TestName::RsaPss2048Sha256Mgf1Sha1_20] {
        for group in TestSet::load(set).unwrap().test_groups {
            let key = PublicKey::read(&rsa(&group.key.n, &group.key.e)).unwrap();
            for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
                assert!(!key.verifies(Algorithm::Ps256, &test.msg, &test.sig), "{}", test.comment);
            }
        }
    }
}
