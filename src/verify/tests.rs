mod signer;

use proptest::prelude::*;
use ring::hmac;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use serde_json::json;

use super::*;
use crate::lease::Issued;
use crate::refresh::Inputs;
use crate::refresh::schedule::{Freshness, Keep};
use crate::source::{FailureKind, Source};
use signer::{NOW, Signer, all, b64, issuer};

const ISS: &str = "https://login.example";
const POOL: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCd12345";
const UPDATED: &str = "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCd12345";

fn generic() -> Config {
    Config {
        issuers: vec![ISS.to_owned()],
        kind: Kind::Generic,
        clients: Vec::new(),
        audience: Vec::new(),
        scopes: Vec::new(),
        leeway: Duration::ZERO,
    }
}

fn cognito(kind: Kind) -> Config {
    let clients = vec!["4f3".to_owned(), "5g4".to_owned()];
    Config { issuers: vec![POOL.to_owned(), UPDATED.to_owned()], kind, clients, ..generic() }
}

/// Good claims of a generic issuer, with `changes`; null takes a claim away.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({ "iss": ISS, "sub": "u1", "exp": NOW + 600, "nbf": NOW, "iat": NOW });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    claims
}

/// The name of the refusal, or "accepted".
async fn outcome(issuer: &Issuer, token: &str) -> &'static str {
    match issuer.verify(token).await {
        Ok(_) => "accepted",
        Err(refused) => {
            let words = refused.to_string();
            assert!(!words.contains("evil") && !words.contains(ISS) && !words.contains("eyJ"), "{words}");
            refused.as_str()
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_algorithm_verifies_with_a_key_of_its_kind_and_no_other() {
    let is_rsa = |name: &str| name.starts_with("RS") || name.starts_with("PS");
    for (name, signer) in all() {
        let (issuer, _) = issuer(generic(), vec![signer.jwk()]);
        for (other, _) in all() {
            let found = outcome(&issuer, &signer.token(other, &claims(&json!({})))).await;
            let expected = match (name == other, is_rsa(name) && is_rsa(other)) {
                (true, _) => "accepted",
                // An RSA key that names no algorithm has six; the signature is still of one only.
                (false, true) => "signature",
                (false, false) => "algorithm",
            };
            assert_eq!(found, expected, "{name} key, {other} token");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_does_not_choose_how_it_is_verified() {
    let rsa = Signer::rsa(&RSA_PKCS1_SHA256);
    let (fixed, der) = Signer::es256_in_der();
    let stranger = Signer::ed25519("rsa");
    let mut jwk = rsa.jwk();
    jwk["alg"] = json!("RS256");
    let (issuer, _) = issuer(generic(), vec![jwk.clone(), fixed.jwk()]);
    let good = claims(&json!({})).to_string();
    let hmac = |key: &[u8]| {
        let message = format!("{}.{}", b64(r#"{"alg":"HS256","kid":"rsa"}"#), b64(&good));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes());
        format!("{message}.{}", b64(tag))
    };
    let unsigned = |header: &str| format!("{}.{}.", b64(header), b64(&good));
    let embedded = |name: &str, value: Value| {
        stranger.raw(&json!({ "alg": "EdDSA", "kid": "evil", name: value }).to_string(), &good)
    };
    for (what, token, expected) in [
        ("a good one", rsa.raw(r#"{"alg":"RS256","kid":"rsa"}"#, &good), "accepted"),
        ("another good one", fixed.raw(r#"{"alg":"ES256","kid":"ec"}"#, &good), "accepted"),
        (
            "jku beside a good signature",
            rsa.raw(r#"{"alg":"RS256","kid":"rsa","jku":"https://evil.example"}"#, &good),
            "accepted",
        ),
        ("none", unsigned(r#"{"alg":"none","kid":"rsa"}"#), "algorithm"),
        ("None", unsigned(r#"{"alg":"None"}"#), "algorithm"),
        ("no signature", unsigned(r#"{"alg":"RS256","kid":"rsa"}"#), "signature"),
        ("no alg", rsa.raw(r#"{"kid":"rsa"}"#, &good), "algorithm"),
        ("alg in lower case", rsa.raw(r#"{"alg":"rs256","kid":"rsa"}"#, &good), "algorithm"),
        ("alg as a list", rsa.raw(r#"{"alg":["RS256"],"kid":"rsa"}"#, &good), "algorithm"),
        ("HS256 with the public key", hmac(&rsa.public_bytes()), "algorithm"),
        ("HS256 with the key's JSON", hmac(jwk.to_string().as_bytes()), "algorithm"),
        (
            "alg that the key's alg excludes",
            Signer::rsa(&RSA_PSS_SHA256).raw(r#"{"alg":"PS256","kid":"rsa"}"#, &good),
            "algorithm",
        ),
        ("the kid of another's key", stranger.raw(r#"{"alg":"EdDSA","kid":"rsa"}"#, &good), "algorithm"),
        ("ES256 in DER", der.raw(r#"{"alg":"ES256","kid":"ec"}"#, &good), "signature"),
        ("an unknown kid", rsa.raw(r#"{"alg":"RS256","kid":"evil"}"#, &good), "unknown_key"),
        ("no kid", rsa.raw(r#"{"alg":"RS256"}"#, &good), "unknown_key"),
        ("a numeric kid", rsa.raw(r#"{"alg":"RS256","kid":7}"#, &good), "malformed"),
        ("a null kid", rsa.raw(r#"{"alg":"RS256","kid":null}"#, &good), "malformed"),
        ("an embedded key", embedded("jwk", stranger.jwk()), "unknown_key"),
        ("a key address", embedded("jku", json!("https://evil.example/keys")), "unknown_key"),
        ("a certificate address", embedded("x5u", json!("https://evil.example/x")), "unknown_key"),
        ("a certificate", embedded("x5c", json!(["evil"])), "unknown_key"),
        ("crit", rsa.raw(r#"{"alg":"RS256","kid":"rsa","crit":["b64"],"b64":false}"#, &good), "malformed"),
        ("crit that is null", rsa.raw(r#"{"alg":"RS256","kid":"rsa","crit":null}"#, &good), "malformed"),
        ("two algs", rsa.raw(r#"{"alg":"RS256","alg":"none","kid":"rsa"}"#, &good), "malformed"),
        ("a header that is no object", rsa.raw(r#"["RS256"]"#, &good), "malformed"),
        ("claims that are no object", rsa.raw(r#"{"alg":"RS256","kid":"rsa"}"#, "[]"), "malformed"),
        ("claims and more", rsa.raw(r#"{"alg":"RS256","kid":"rsa"}"#, &format!("{good}x")), "malformed"),
    ] {
        assert_eq!(outcome(&issuer, &token).await, expected, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_issuer_signs_for_something_else_is_no_token_to_show() {
    let signer = Signer::ed25519("ed");
    let (issuer, _) = issuer(generic(), vec![signer.jwk()]);
    for (kind, expected) in [
        (json!("JWT"), "accepted"),
        (json!("jwt"), "accepted"),
        (json!("at+jwt"), "accepted"),
        (json!("application/AT+JWT"), "accepted"),
        (json!("application/okta-internal-at+jwt"), "accepted"),
        (json!("Bearer"), "accepted"),
        (json!("logout+jwt"), "kind"),
        (json!("application/secevent+jwt"), "kind"),
        (json!("DPoP+JWT"), "kind"),
        (json!("flat+jwt"), "kind"),
        (json!("token-introspection+jwt"), "kind"),
        (json!(["at+jwt"]), "malformed"),
        (json!(null), "malformed"),
    ] {
        let header = json!({ "alg": "EdDSA", "kid": "ed", "typ": kind }).to_string();
        assert_eq!(outcome(&issuer, &signer.raw(&header, &claims(&json!({})).to_string())).await, expected, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_form_is_taken_to_the_letter() {
    let signer = Signer::ed25519("ed");
    let (issuer, _) = issuer(generic(), vec![signer.jwk()]);
    let good = signer.token("EdDSA", &claims(&json!({})));
    assert_eq!(outcome(&issuer, &good).await, "accepted");
    let (message, signature) = good.rsplit_once('.').unwrap();
    let long = claims(&json!({ "more": "m".repeat(13_000) }));
    // The last character of a signature of 64 bytes carries two bits that mean nothing, and have to be zero.
    let last = char::from(signature.as_bytes()[85] + 1);
    for (what, token) in [
        ("nothing", String::new()),
        ("opaque", "opaque".to_owned()),
        ("two parts", message.to_owned()),
        ("four parts", format!("{good}.")),
        ("five parts", format!("{good}.a.b")),
        ("a space before", format!(" {good}")),
        ("a newline behind", format!("{good}\n")),
        ("padding", format!("{good}==")),
        ("stray bits", format!("{message}.{}{last}", &signature[..85])),
        ("the other alphabet", format!("+{message}.{signature}")),
        ("cut in the middle of a byte", good[..good.len() - 1].to_owned()),
        (
            "a claim twice",
            signer
                .raw(r#"{"alg":"EdDSA","kid":"ed"}"#, &format!(r#"{{"iss":"{ISS}","iss":"{ISS}","exp":{}}}"#, NOW + 9)),
        ),
        (
            "a claim twice below",
            signer.raw(
                r#"{"alg":"EdDSA","kid":"ed"}"#,
                &format!(r#"{{"iss":"{ISS}","exp":{},"a":[{{"b":1,"b":2}}]}}"#, NOW + 9),
            ),
        ),
        ("more than 16 KiB", signer.token("EdDSA", &long)),
    ] {
        assert_eq!(outcome(&issuer, &token).await, "malformed", "{what}");
    }
    let cut = b64(&signer.signature(message.as_bytes())[..63]);
    assert_eq!(outcome(&issuer, &format!("{message}.{cut}")).await, "signature");
}

#[tokio::test(start_paused = true)]
async fn claims_are_of_their_types_and_say_what_is_configured() {
    let signer = Signer::ed25519("ed");
    let config = Config {
        clients: vec!["c1".to_owned()],
        audience: vec!["api".to_owned(), "other".to_owned()],
        scopes: vec!["a".to_owned(), "b".to_owned()],
        ..generic()
    };
    let (issuer, _) = issuer(config, vec![signer.jwk()]);
    let base = json!({ "client_id": "c1", "aud": "api", "scope": "a b c" });
    for (changes, expected) in [
        (json!({}), "accepted"),
        (json!({ "typ": "at+jwt", "anything": { "else": [null, 1.5, -1, true] } }), "accepted"),
        (json!({ "iss": null }), "issuer"),
        (json!({ "iss": "https://login.example/" }), "issuer"),
        (json!({ "iss": "https://evil.example" }), "issuer"),
        (json!({ "iss": ["https://login.example"] }), "malformed"),
        (json!({ "exp": null }), "malformed"),
        (json!({ "exp": (NOW + 600).to_string() }), "malformed"),
        (json!({ "exp": u64::MAX }), "malformed"),
        (json!({ "exp": 1e300 }), "malformed"),
        (json!({ "exp": -1 }), "malformed"),
        (json!({ "exp": [NOW + 600] }), "malformed"),
        (json!({ "exp": true }), "malformed"),
        (json!({ "exp": NOW }), "expired"),
        (json!({ "exp": 0 }), "expired"),
        (json!({ "exp": NOW + 1 }), "accepted"),
        (json!({ "exp": NOW as f64 + 0.5 }), "accepted"),
        (json!({ "exp": NOW as f64 - 0.5 }), "expired"),
        (json!({ "nbf": null }), "accepted"),
        (json!({ "nbf": NOW + 1 }), "not_yet_valid"),
        (json!({ "nbf": NOW.to_string() }), "malformed"),
        (json!({ "nbf": -5 }), "malformed"),
        (json!({ "iat": "evil" }), "malformed"),
        (json!({ "sub": 7 }), "malformed"),
        (json!({ "sub": null }), "accepted"),
        (json!({ "jti": 7 }), "malformed"),
        (json!({ "jti": "7" }), "accepted"),
        (json!({ "client_id": "evil" }), "client"),
        (json!({ "client_id": null }), "client"),
        (json!({ "client_id": null, "azp": "c1" }), "accepted"),
        (json!({ "client_id": "evil", "azp": "c1" }), "client"),
        (json!({ "client_id": ["c1"] }), "malformed"),
        (json!({ "aud": null }), "audience"),
        (json!({ "aud": "apis" }), "audience"),
        (json!({ "aud": "api other" }), "audience"),
        (json!({ "aud": [] }), "audience"),
        (json!({ "aud": ["evil", "other"] }), "accepted"),
        (json!({ "aud": ["api", 7] }), "malformed"),
        (json!({ "aud": { "api": 1 } }), "malformed"),
        (json!({ "scope": null }), "scope"),
        (json!({ "scope": "a bb" }), "scope"),
        (json!({ "scope": ["a", "b"] }), "malformed"),
        (json!({ "scope": null, "scp": ["b", "a"] }), "accepted"),
        (json!({ "scope": null, "scp": "b a" }), "accepted"),
        (json!({ "scope": "a", "scp": "a b" }), "scope"),
        (json!({ "scope": null, "scp": [1] }), "malformed"),
    ] {
        let mut all = base.clone();
        changes.as_object().unwrap().iter().for_each(|(name, value)| all[name] = value.clone());
        assert_eq!(outcome(&issuer, &signer.token("EdDSA", &claims(&all))).await, expected, "{changes}");
    }
    // A null that stands there is a claim of the wrong type.
    let nulls = format!(r#"{{"iss":"{ISS}","exp":{},"nbf":null}}"#, NOW + 600);
    assert_eq!(outcome(&issuer, &signer.raw(r#"{"alg":"EdDSA","kid":"ed"}"#, &nulls)).await, "malformed");
}

#[tokio::test(start_paused = true)]
async fn what_is_accepted_is_told_without_being_shown() {
    let signer = Signer::ed25519("ed");
    let (issuer, _) = issuer(Config { leeway: Duration::from_secs(30), ..generic() }, vec![signer.jwk()]);
    let all = claims(&json!({ "azp": "c1", "scope": "a  b", "email": "someone@example.com" }));
    let verified = issuer.verify(&signer.token("EdDSA", &all)).await.unwrap();
    assert_eq!((verified.issuer.as_str(), verified.subject.as_deref()), (ISS, Some("u1")));
    assert_eq!((verified.client.as_deref(), verified.scopes.join(",")), (Some("c1"), "a,b".to_owned()));
    assert_eq!(Value::Object(verified.claims.clone()), all);
    assert_eq!(verified.expiry, issuer.clock.now().plus(Duration::from_secs(600)), "without leeway");
    assert!(!format!("{verified:?}{issuer:?}").contains("someone"));
    assert!(verified.has_scopes(&["a".to_owned()]).is_ok());
    let lacks = verified.has_scopes(&["a".to_owned(), "c".to_owned()]).unwrap_err();
    assert_eq!(lacks.to_string(), "the token lacks the scope c");
    for (changes, expected) in [
        (json!({ "exp": NOW - 29 }), "accepted"),
        (json!({ "exp": NOW - 30 }), "expired"),
        (json!({ "nbf": NOW + 30 }), "accepted"),
        (json!({ "nbf": NOW + 31 }), "not_yet_valid"),
    ] {
        assert_eq!(outcome(&issuer, &signer.token("EdDSA", &claims(&changes))).await, expected, "{changes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_pool_says_things_its_own_way() {
    let signer = Signer::rsa(&RSA_PKCS1_SHA256);
    let (access, _) = issuer(cognito(Kind::CognitoAccess), vec![signer.jwk()]);
    let (id, _) = issuer(cognito(Kind::CognitoId), vec![signer.jwk()]);
    let access_claims = json!({ "iss": POOL, "token_use": "access", "client_id": "4f3", "scope": "x/read" });
    let id_claims = json!({ "iss": POOL, "token_use": "id", "aud": "5g4" });
    for (changes, to_access, to_id) in [
        (access_claims.clone(), "accepted", "token_use"),
        (id_claims.clone(), "token_use", "accepted"),
        (json!({ "iss": UPDATED, "token_use": "access", "client_id": "5g4" }), "accepted", "token_use"),
        (json!({ "iss": format!("{POOL}6"), "token_use": "access", "client_id": "4f3" }), "issuer", "issuer"),
        (json!({ "iss": POOL, "token_use": "access", "client_id": "evil" }), "client", "token_use"),
        (json!({ "iss": POOL, "token_use": "access", "aud": "4f3" }), "client", "token_use"),
        (json!({ "iss": POOL, "token_use": "access", "azp": "4f3" }), "client", "token_use"),
        (json!({ "iss": POOL, "token_use": "id", "client_id": "4f3" }), "token_use", "client"),
        (json!({ "iss": POOL, "token_use": "id", "aud": ["4f3", "evil"] }), "token_use", "client"),
        (json!({ "iss": POOL, "client_id": "4f3", "aud": "4f3" }), "token_use", "token_use"),
        (json!({ "iss": POOL, "token_use": "ACCESS", "client_id": "4f3" }), "token_use", "token_use"),
        (json!({ "iss": POOL, "token_use": ["access"], "client_id": "4f3" }), "token_use", "token_use"),
    ] {
        let token = signer.token("RS256", &claims(&changes));
        assert_eq!(outcome(&access, &token).await, to_access, "{changes}");
        assert_eq!(outcome(&id, &token).await, to_id, "{changes}");
    }
    let pss = Signer::rsa(&RSA_PSS_SHA256).token("PS256", &claims(&access_claims));
    assert_eq!(outcome(&access, &pss).await, "algorithm", "RS256 only, even where the key names no algorithm");
    let client = id.verify(&signer.token("RS256", &claims(&id_claims))).await.unwrap().client;
    assert_eq!(client.as_deref(), Some("5g4"));
}

#[tokio::test(start_paused = true)]
async fn a_single_nameless_key_is_for_tokens_that_name_none() {
    let signer = Signer::ed25519("ed");
    let mut jwk = signer.jwk();
    jwk.as_object_mut().unwrap().remove("kid");
    let (issuer, _) = issuer(generic(), vec![jwk]);
    let good = claims(&json!({})).to_string();
    assert_eq!(outcome(&issuer, &signer.raw(r#"{"alg":"EdDSA"}"#, &good)).await, "accepted");
    assert_eq!(outcome(&issuer, &signer.raw(r#"{"alg":"EdDSA","kid":"ed"}"#, &good)).await, "unknown_key");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_key_ids_makes_one_fetch_in_ten_seconds() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let (issuer, published) = issuer(generic(), vec![old.jwk()]);
    let issuer = Arc::new(issuer);
    let good = claims(&json!({ "exp": NOW + 7_200 }));
    assert_eq!(outcome(&issuer, &old.token("EdDSA", &good)).await, "accepted");
    for second in 0..60 {
        let flood = (0..20).map(|i| {
            let (issuer, signer) = (Arc::clone(&issuer), Signer::ed25519("x"));
            let token = signer.raw(&format!(r#"{{"alg":"EdDSA","kid":"evil-{second}-{i}"}}"#), &good.to_string());
            tokio::spawn(async move { outcome(&issuer, &token).await })
        });
        for one in flood.collect::<Vec<_>>() {
            assert_eq!(one.await.unwrap(), "unknown_key");
        }
        assert_eq!(outcome(&issuer, &old.token("EdDSA", &good)).await, "accepted");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert!((2..=7).contains(&published.fetches()), "{} fetches in a minute", published.fetches());

    tokio::time::advance(Duration::from_secs(10)).await;
    published.keys.lock().unwrap().push(new.jwk());
    let before = published.fetches();
    assert_eq!(outcome(&issuer, &new.token("EdDSA", &good)).await, "accepted", "a new key is found");
    assert_eq!(published.fetches(), before + 1);
    for nonsense in
        ["opaque", "a.b.c", &new.raw(r#"{"alg":"none","kid":"evil"}"#, "{}"), &new.raw(r#"{"alg":"EdDSA"}"#, "{}")]
    {
        tokio::time::advance(Duration::from_secs(11)).await;
        outcome(&issuer, nonsense).await;
    }
    assert_eq!(published.fetches(), before + 1, "what cannot be right fetches nothing");
}

#[tokio::test(start_paused = true)]
async fn keys_survive_an_issuer_out_of_reach_for_a_day_and_no_longer() {
    let signer = Signer::ed25519("ed");
    let (issuer, published) = issuer(generic(), vec![signer.jwk()]);
    let token = signer.token("EdDSA", &claims(&json!({ "exp": NOW + 1_000_000 })));
    published.down.store(true, std::sync::atomic::Ordering::SeqCst);
    let refused = issuer.verify(&token).await.unwrap_err();
    assert!(
        matches!(&refused, Refused::KeysUnavailable(failure) if failure.kind == FailureKind::Unavailable),
        "{refused}"
    );
    assert!(issuer.keys().held.is_none());

    published.down.store(false, std::sync::atomic::Ordering::SeqCst);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(outcome(&issuer, &token).await, "accepted");
    let keys = issuer.keys();
    assert_eq!(keys.held.unwrap().0, ["ed"]);

    published.down.store(true, std::sync::atomic::Ordering::SeqCst);
    for _ in 0..23 {
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(outcome(&issuer, &token).await, "accepted");
        assert_eq!(outcome(&issuer, &Signer::ed25519("evil").token("EdDSA", &json!({}))).await, "unknown_key");
    }
    let report = issuer.keys().report;
    assert!(report.variations[0].1.trouble.is_some(), "it is seen that they cannot be renewed");
    tokio::time::advance(Duration::from_secs(3_700)).await;
    assert_eq!(outcome(&issuer, &token).await, "keys_unavailable");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_keys_and_known_ones_need_no_waiting() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let (issuer, published) = issuer(generic(), vec![old.jwk()]);
    let good = claims(&json!({}));
    published.hangs.store(true, std::sync::atomic::Ordering::SeqCst);
    let start = issuer.clock.now();
    let refused = issuer.verify(&old.token("EdDSA", &good)).await.unwrap_err();
    assert!(matches!(&refused, Refused::KeysUnavailable(failure) if failure.timed_out), "{refused}");
    assert_eq!(issuer.clock.now().since(start), PATIENCE);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(outcome(&issuer, &old.token("EdDSA", &good)).await, "accepted", "the fetch went on");

    let (unknown, start) = (new.token("EdDSA", &good), issuer.clock.now());
    let (unknown, known) = tokio::join!(outcome(&issuer, &unknown), async {
        tokio::task::yield_now().await;
        let known = outcome(&issuer, &old.token("EdDSA", &good)).await;
        (known, issuer.clock.now().since(start))
    });
    assert_eq!((unknown, known), ("keys_unavailable", ("accepted", Duration::ZERO)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_a_byte_of_a_good_token_is_accepted(place in 0.0..1.0_f64, byte in 0x20..0x7f_u8, which in 0..3_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let signer = [Signer::es256, || Signer::ed25519("ed"), || Signer::rsa(&RSA_PKCS1_SHA256)][which]();
            let algorithm = ["ES256", "EdDSA", "RS256"][which];
            let (issuer, _) = issuer(generic(), vec![signer.jwk()]);
            let good = signer.token(algorithm, &claims(&json!({})));
            assert_eq!(outcome(&issuer, &good).await, "accepted");
            let mut bytes = good.clone().into_bytes();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a short length")]
            let at = (place * bytes.len() as f64) as usize;
            bytes[at] = byte;
            let mutated = String::from_utf8(bytes).unwrap();
            if mutated != good {
                let found = issuer.verify(&mutated).await;
                assert!(found.is_err(), "byte {at} replaced by {byte:#x}: {algorithm}");
            }
        });
    }

    #[test]
    fn no_input_makes_it_panic(text in "\\PC{0,80}", parts in proptest::collection::vec("[A-Za-z0-9_-]{0,40}", 3)) {
        drop(Jws::read(&text));
        drop(Jws::read(&parts.join(".")).map(|jws| jws.claims().is_ok()));
        drop(Jws::read(&format!("{}.{}.", b64(&text), b64(&text))));
    }
}
