//! Any text as an inbound token, and any header and claims under a good signature. Whatever is accepted was signed here, by
//! the key and the algorithm that it names, for this issuer and for now; and nothing of a refused one is repeated.
//!
//! The first letter of an input says who verifies it, and whether it is a token as it is or a header and claims, in a line each,
//! that are to be signed.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credbroker::lease::Issued;
use credbroker::refresh::schedule::{Freshness, Keep};
use credbroker::refresh::{Entry, Inputs};
use credbroker::source::key_set::KeySet;
use credbroker::source::{Ask, Failure, Source};
use credbroker::verify::{Config, Issuer, Kind, Verified};
use credbroker_fuzz::tokens::{self, ISSUER, KEY_SET, POOL};
use credbroker_fuzz::{NOW, canary, clock, run};
use libfuzzer_sys::fuzz_target;
use ring::signature::Ed25519KeyPair;
use serde_json::{Map, Value};

struct Published;

#[async_trait]
impl Source<KeySet> for Published {
    async fn fetch(&self, _: &Ask) -> Result<Issued<KeySet>, Failure> {
        let now = clock().now();
        let keys = KeySet::read(KEY_SET.as_bytes()).expect("the keys of the tests");
        Ok(Issued::new(keys, now, now.plus(Duration::from_secs(86_400))))
    }
}

fn config(kind: Kind) -> Config {
    let list = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect();
    let issuer = if kind == Kind::Generic { ISSUER } else { POOL };
    Config {
        issuers: list(&[issuer]),
        kind,
        clients: list(if kind == Kind::Generic { &[] } else { &["web"] }),
        audience: list(if kind == Kind::Generic { &["api"] } else { &[] }),
        scopes: list(&["a/read"]),
        leeway: Duration::from_secs(30),
    }
}

static ISSUERS: LazyLock<[(Config, Issuer); 3]> = LazyLock::new(|| {
    [Kind::Generic, Kind::CognitoAccess, Kind::CognitoId].map(|kind| {
        let freshness = Freshness { ahead: 0.0, keep: Keep::Used, outage_cover: None, life_left: Duration::ZERO };
        let entry = Entry::new("issuers.fuzz", "here", Arc::new(Published), Inputs::default(), freshness, clock());
        (config(kind), Issuer::new(config(kind), Arc::new(entry), clock()))
    })
});

static ED25519: LazyLock<Ed25519KeyPair> = LazyLock::new(|| {
    let jwk: Value = serde_json::from_str(include_str!("../../keys/ed25519.jwk.json")).expect("a key of the tests");
    let part = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default()).expect("base64url");
    Ed25519KeyPair::from_seed_and_public_key(&part("d"), &part("x")).expect("a key of the tests")
});

fuzz_target!(|input: &[u8]| {
    canary::listen();
    let Some((letter, rest)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let is_to_be_signed = letter & 4 != 0;
    let token = if is_to_be_signed { signed(text) } else { text.to_owned() };
    run(async {
        let (config, issuer) = &ISSUERS[usize::from(letter & 3) % 3];
        match issuer.verify(&token).await {
            Ok(verified) => {
                assert!(is_to_be_signed || tokens::is_good(&token), "{token}");
                accepted(config, &token, &verified);
            }
            Err(refused) => {
                let words = format!("{refused} {refused:?}");
                canary::is_not_in("a refusal", words.as_bytes());
                assert!(!words.contains(char::is_control), "{words}");
            }
        }
    });
    canary::is_not_logged();
});

/// The first line as header and the second as claims, signed by the Ed25519 key.
fn signed(text: &str) -> String {
    let (header, claims) = text.split_once('\n').unwrap_or((text, "{}"));
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = ED25519.sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// What has to be so, read once more by simpler means.
fn accepted(config: &Config, token: &str, verified: &Verified) {
    let part = |index: usize| -> Map<String, Value> {
        let part = token.split('.').nth(index).expect("three parts");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
    };
    let (header, claims) = (part(0), part(1));
    assert!(!header.contains_key("crit"), "{header:?}");
    let algorithm = header["alg"].as_str().expect("an algorithm");
    let key = header.get("kid").and_then(Value::as_str).expect("several keys, so it names one");
    let fits = match key {
        "ed25519-test" => matches!(algorithm, "EdDSA" | "Ed25519"),
        "p256-test" => algorithm == "ES256",
        "p384-test" => algorithm == "ES384",
        _ => algorithm.starts_with("RS") || algorithm.starts_with("PS"),
    };
    assert!(fits && (config.kind == Kind::Generic || algorithm == "RS256"), "{header:?}");
    assert_eq!(claims["iss"], *config.issuers[0]);
    assert_eq!(verified.issuer, config.issuers[0]);
    #[expect(clippy::cast_precision_loss, reason = "seconds of this century")]
    let start = NOW as f64;
    assert!(claims["exp"].as_f64().is_some_and(|end| end + 30.0 > start), "{claims:?}");
    assert!(verified.scopes.contains(&"a/read".to_owned()), "{claims:?}");
    assert_eq!(verified.claims, claims);
    assert_eq!(verified.subject.as_deref(), claims.get("sub").and_then(Value::as_str));
}
