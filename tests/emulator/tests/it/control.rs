//! The control interface, limits, and what gets in at all.

use credbroker_emulator::{Emulator, World};
use serde_json::{Value, json};

use crate::signer::broker;
use crate::wire::{Fixture, M2M, M2M_SECRET, POOL};

const TOKEN_BODY: &str = "grant_type=client_credentials&client_id=4f3q8example1m2m&client_secret=";

#[tokio::test]
async fn everything_over_http() {
    let emulator = Fixture::start().await;
    let order = async |name: &str, body: Value| {
        emulator.send("POST", &format!("/_emulator/{name}"), &[], &body.to_string()).await.status
    };
    assert_eq!(emulator.get("/_emulator/health").await.status, 200);
    assert_eq!(order("lifetime", json!({ "operation": "token", "seconds": 2 })).await, 200);
    assert_eq!(order("clock", json!({ "offset_seconds": -86_400 })).await, 200);
    assert_eq!(order("rotate-keys", json!({ "pool": POOL })).await, 200);
    assert_eq!(order("secret", json!({ "client_id": M2M, "secret": "changed" })).await, 200);
    let answer = emulator.form("/oauth2/token", &[], &format!("{TOKEN_BODY}changed")).await;
    assert_eq!(answer.json()["expires_in"], 2);

    assert_eq!(order("rotate-keys", json!({ "pool": "nope" })).await, 404);
    assert_eq!(order("secret", json!({ "client_id": "nope", "secret": "x" })).await, 404);
    assert_eq!(order("clock", json!({ "offset": 1 })).await, 400);
    assert_eq!(order("faults", json!({ "operation": "token" })).await, 400);
    assert_eq!(order("nothing", json!({})).await, 404);
    let journal = emulator.get("/_emulator/journal").await.json();
    assert_eq!(journal.as_array().unwrap().len(), 1);
    assert_eq!(journal[0]["outcome"], "ok");
    assert_eq!(emulator.send("DELETE", "/_emulator/journal", &[], "").await.status, 200);
    assert_eq!(emulator.get("/_emulator/journal").await.json(), json!([]));
    assert_eq!(emulator.send("DELETE", "/_emulator/faults", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_lifetime_is_an_upper_limit_for_roles() {
    let emulator = Fixture::start().await;
    emulator.control().set_lifetime("AssumeRole", 1000);
    let assume = |seconds: u32| {
        format!(
            "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fhub&RoleSessionName=ab&DurationSeconds={seconds}"
        )
    };
    broker().sts(&emulator, &assume(900)).await;
    broker().sts(&emulator, &assume(7200)).await;
    let granted: Vec<Value> =
        emulator.control().journal().iter().map(|asked| asked.parameters["granted_seconds"].clone()).collect();
    assert_eq!(granted, [900, 1000]);
}

#[tokio::test]
async fn the_journal_keeps_no_secrets() {
    let emulator = Fixture::start().await;
    let answer = emulator.form("/oauth2/token", &[], &format!("{TOKEN_BODY}{M2M_SECRET}")).await.json();
    emulator.form("/oauth2/token", &[], &format!("{TOKEN_BODY}canary0secret0canary0secret")).await;
    let journal = serde_json::to_string(&emulator.control().journal()).unwrap();
    for secret in [M2M_SECRET, "canary0secret", answer["access_token"].as_str().unwrap()] {
        assert!(!journal.contains(secret));
    }
}

#[tokio::test]
async fn limits_and_unknown_places() {
    let emulator = Fixture::start().await;
    let big = "x".repeat(256 * 1024 + 1);
    assert_eq!(emulator.form("/oauth2/token", &[], &big).await.status, 413);
    assert_eq!(emulator.get("/").await.status, 404);
    assert_eq!(emulator.get("/nothing/here").await.status, 404);
    let unknown = emulator.call("AWSCognitoIdentityProviderService.DeleteUserPool", &json!({})).await;
    assert_eq!((unknown.status, &unknown.json()["__type"]), (400, &json!("UnknownOperationException")));
    let world = World::from_toml(include_str!("../../world.toml")).unwrap();
    assert!(Emulator::start(world, "0.0.0.0:0".parse().unwrap()).await.is_err());
}
