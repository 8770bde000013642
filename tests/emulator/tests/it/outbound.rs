//! `GetWebIdentityToken`: a JWT that proves a principal to somebody else.

use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::signer::{Keys, broker};
use crate::sts::{assume, refused};
use crate::wire::{Fixture, claims, names};

const ASK: &str = "Action=GetWebIdentityToken&SigningAlgorithm=ES384&Audience.member.1=https%3A%2F%2Fa.example";

/// Whether the token's signature is good, by the published keys.
async fn verifies(emulator: &Fixture, token: &str) -> bool {
    let (input, signed) = token.rsplit_once('.').unwrap();
    let header = claims(&format!("x.{input}"));
    let configuration = emulator.get("/outbound/.well-known/openid-configuration").await.json();
    let keys = configuration["jwks_uri"].as_str().unwrap().replace(&emulator.url(), "");
    let keys = emulator.get(&keys).await.json();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap().clone();
    assert_eq!((&key["alg"], &header["typ"]), (&header["alg"], &json!("JWT")));
    let octets = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let signed = URL_SAFE_NO_PAD.decode(signed).unwrap();
    match header["alg"].as_str().unwrap() {
        "ES384" => {
            let point = [vec![4], octets("x"), octets("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(input.as_bytes(), &signed).is_ok()
        }
        _ => RsaPublicKeyComponents { n: octets("n"), e: octets("e") }
            .verify(&RSA_PKCS1_2048_8192_SHA256, input.as_bytes(), &signed)
            .is_ok(),
    }
}

#[tokio::test]
async fn a_token_says_who_asked() {
    let emulator = Fixture::start().await;
    let tagged = "&Tags.member.1.Key=team&Tags.member.1.Value=a&DurationSeconds=900";
    let hub = Keys::of(&broker().sts(&emulator, &assume("hub", tagged)).await);
    let answer = hub.sts(&emulator, ASK).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.starts_with("<GetWebIdentityTokenResponse xmlns="));
    let token = answer.element("WebIdentityToken").to_owned();
    let content = claims(&token);
    assert_eq!(names(&content), ["aud", "exp", "https://sts.amazonaws.com/", "iat", "iss", "jti", "sub"]);
    assert_eq!(content["sub"], "arn:aws:iam::111122223333:role/hub");
    assert_eq!((&content["aud"], &content["iss"]), (&json!("https://a.example"), &json!(emulator.outbound_issuer())));
    assert_eq!(content["exp"].as_i64().unwrap() - content["iat"].as_i64().unwrap(), 300);
    let expiration: jiff::Timestamp = answer.element("Expiration").parse().unwrap();
    assert_eq!(Some(expiration.as_second()), content["exp"].as_i64());
    let about = &content["https://sts.amazonaws.com/"];
    assert_eq!((&about["aws_account"], &about["source_region"]), (&json!("111122223333"), &json!("eu-west-1")));
    assert_eq!(about["principal_tags"], json!({ "team": "a" }));
    assert!(about["original_session_exp"].is_string());
    assert!(verifies(&emulator, &token).await);

    let more = "&Audience.member.2=b&DurationSeconds=60&Tags.member.1.Key=k&Tags.member.1.Value=v";
    let more = broker().sts(&emulator, &format!("{}{more}", ASK.replace("ES384", "RS256"))).await;
    let token = more.element("WebIdentityToken").to_owned();
    assert!(verifies(&emulator, &token).await);
    let content = claims(&token);
    assert_eq!(content["aud"], json!(["https://a.example", "b"]));
    assert_eq!(content["sub"], "arn:aws:iam::111122223333:user/broker");
    assert_eq!(content["https://sts.amazonaws.com/"]["request_tags"], json!({ "k": "v" }));
    let journal = emulator.control().journal();
    assert!(!serde_json::to_string(&journal).unwrap().contains(&token));
    let asked: Vec<&Value> = journal
        .iter()
        .filter(|a| a.operation == "GetWebIdentityToken")
        .map(|a| &a.parameters["granted_seconds"])
        .collect();
    assert_eq!(asked, [300, 60]);
}

#[tokio::test]
async fn what_is_asked_must_be_within_bounds() {
    let emulator = Fixture::start().await;
    let without = |name: &str| ASK.split('&').filter(|part| !part.starts_with(name)).collect::<Vec<_>>().join("&");
    let eleven: String = (2..=11).map(|n| format!("&Audience.member.{n}=a")).collect();
    for body in [
        without("Audience"),
        without("SigningAlgorithm"),
        ASK.replace("ES384", "ES256"),
        ASK.replace("ES384", "RS512"),
        format!("{ASK}{eleven}"),
        format!("{ASK}&Audience.member.2={}", "a".repeat(1001)),
        format!("{ASK}&Audience.member.2="),
        format!("{ASK}&DurationSeconds=59"),
        format!("{ASK}&DurationSeconds=3601"),
        format!("{ASK}&Tags.member.1.Key={}&Tags.member.1.Value=v", "k".repeat(129)),
    ] {
        refused(&broker().sts(&emulator, &body).await, 400, "ValidationError");
    }
    let ten: String = (2..=10).map(|n| format!("&Audience.member.{n}=a")).collect();
    assert_eq!(broker().sts(&emulator, &format!("{ASK}{ten}&DurationSeconds=3600")).await.status, 200);
}

#[tokio::test]
async fn who_may_ask_and_for_how_long() {
    let emulator = Fixture::start().await;
    refused(&emulator.form("/", &[], &format!("{ASK}&Version=2011-06-15")).await, 403, "MissingAuthenticationToken");
    let hub = Keys::of(&broker().sts(&emulator, &assume("hub", "&DurationSeconds=900")).await);
    refused(
        &hub.sts(&emulator, &format!("{ASK}&DurationSeconds=901")).await,
        403,
        "SessionDurationEscalationException",
    );
    let tags = "&Tags.member.1.Key=k&Tags.member.1.Value=v";
    refused(&hub.sts(&emulator, &format!("{ASK}{tags}")).await, 403, "AccessDenied");
    let orders = Keys::of(&hub.sts(&emulator, &assume("orders", "")).await);
    refused(&orders.sts(&emulator, ASK).await, 403, "AccessDenied");

    let disabled = Fixture::with(|world| world.outbound_federation = false).await;
    refused(&broker().sts(&disabled, ASK).await, 403, "OutboundWebIdentityFederationDisabledException");
}

#[tokio::test]
async fn aws_does_not_take_its_own_tokens_back() {
    let emulator = Fixture::start().await;
    let token = broker().sts(&emulator, &ASK.replace("https%3A%2F%2Fa.example", "sts.amazonaws.com")).await;
    let token = token.element("WebIdentityToken").to_owned();
    let action = assume("reports", "").replace("AssumeRole", "AssumeRoleWithWebIdentity");
    let answer = emulator.form("/", &[], &format!("{action}&Version=2011-06-15&WebIdentityToken={token}")).await;
    refused(&answer, 400, "InvalidIdentityToken");
}
