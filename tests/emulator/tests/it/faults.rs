//! Every kind of fault, seen from the client.

use std::time::{Duration, Instant};

use credbroker_emulator::{Fault, FaultKind};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::signer::broker;
use crate::wire::{Answer, Fixture, M2M, M2M_SECRET};

async fn token(emulator: &Fixture) -> Answer {
    let body = format!("grant_type=client_credentials&client_id={M2M}&client_secret={M2M_SECRET}");
    emulator.form("/oauth2/token", &[], &body).await
}

/// Sets a fault over HTTP, as a test in another language would.
async fn set(emulator: &Fixture, fault: Value) {
    let answer = emulator.send("POST", "/_emulator/faults", &[], &fault.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn answers_that_are_not_the_services_own() {
    let emulator = Fixture::start().await;
    let status = json!({ "status": 503, "body": "busy", "headers": { "Retry-After": "30" } });
    set(&emulator, json!({ "operation": "token", "status": status })).await;
    let answer = token(&emulator).await;
    assert_eq!((answer.status, answer.body.as_str(), answer.header("retry-after")), (503, "busy", Some("30")));

    set(&emulator, json!({ "operation": "*", "kind": { "garbage": { "body": "<html>" } } })).await;
    let answer = token(&emulator).await;
    assert_eq!(
        (answer.status, answer.body.as_str(), answer.header("content-type")),
        (200, "<html>", Some("text/html"))
    );

    set(&emulator, json!({ "operation": "token", "redirect": { "location": "http://127.0.0.1:1/" } })).await;
    let answer = token(&emulator).await;
    assert_eq!((answer.status, answer.header("location")), (302, Some("http://127.0.0.1:1/")));

    assert_eq!(token(&emulator).await.status, 200);
    let outcomes: Vec<String> = emulator.control().journal().into_iter().map(|asked| asked.outcome).collect();
    assert_eq!(outcomes, ["fault:status", "fault:garbage", "fault:redirect", "ok"]);
}

#[tokio::test]
async fn errors_and_throttling_in_each_protocol() {
    let emulator = Fixture::start().await;
    let control = emulator.control();
    let get_id = || json!({ "IdentityPoolId": "x" });
    let throttle = || FaultKind::Throttle { retry_after: Some(5) };
    control.fault(Fault::always("*", throttle()));
    let answer = token(&emulator).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("5")));
    let answer = emulator.call("AWSCognitoIdentityService.GetId", &get_id()).await;
    assert_eq!((answer.status, &answer.json()["__type"]), (400, &json!("TooManyRequestsException")));
    let answer = broker().sts(&emulator, "Action=GetCallerIdentity").await;
    assert_eq!((answer.status, answer.element("Code")), (400, "Throttling"));
    control.clear_faults();

    let error = FaultKind::Error { code: "Odd".into(), status: 418, message: "a < b".into() };
    control.fault(Fault::always("*", error));
    assert_eq!(token(&emulator).await.json(), json!({ "error": "Odd", "error_description": "a < b" }));
    let answer = emulator.call("AWSCognitoIdentityService.GetId", &get_id()).await;
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (418, Some("Odd")));
    let answer = broker().sts(&emulator, "Action=GetCallerIdentity").await;
    assert_eq!((answer.element("Code"), answer.element("Message")), ("Odd", "a &lt; b"));
}

#[tokio::test]
async fn late_cut_and_changed_answers() {
    let emulator = Fixture::start().await;
    let control = emulator.control();
    control.fault(Fault::once("token", FaultKind::Delay { milliseconds: 150 }));
    let start = Instant::now();
    assert_eq!(token(&emulator).await.status, 200);
    assert!(start.elapsed() >= Duration::from_millis(150));

    control.fault(Fault::once("token", FaultKind::Cut { after_bytes: 20 }));
    let answer = token(&emulator).await;
    let promised: usize = answer.header("content-length").unwrap().parse().unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 20));
    assert!(promised > 500);

    set(&emulator, json!({ "operation": "token", "replace": { "expires_in": "3600", "scope": null } })).await;
    let answer = token(&emulator).await.json();
    assert_eq!((&answer["expires_in"], &answer["scope"]), (&json!("3600"), &Value::Null));
    assert_eq!(answer["token_type"], "Bearer");
    let target = "AWSCognitoIdentityProviderService.GetClientToken";
    let change = json!({ "ClientAuthenticationResult": { "ExpiresIn": -1 } });
    set(&emulator, json!({ "operation": "GetClientToken", "replace": change })).await;
    let answer = emulator.call(target, &json!({ "ClientId": M2M, "Secret": M2M_SECRET })).await.json();
    let result = &answer["ClientAuthenticationResult"];
    assert_eq!((&result["ExpiresIn"], &result["TokenType"]), (&json!(-1), &json!("Bearer")));
}

#[tokio::test]
async fn silence_ends_with_the_emulator() {
    let emulator = Fixture::start().await;
    emulator.control().fault(Fault { after: 1, ..Fault::once("jwks", FaultKind::Hang {}) });
    let path = "/.well-known/jwks_uri";
    assert_eq!(emulator.get(path).await.status, 200);
    let mut stream = emulator.connect().await;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let silent = timeout(Duration::from_millis(200), stream.read_to_end(&mut bytes)).await;
    assert!(silent.is_err() && bytes.is_empty());
    let asked = emulator.control().journal().pop().unwrap();
    assert_eq!((asked.outcome.as_str(), asked.status), ("fault:hang", 0));
    timeout(Duration::from_secs(5), emulator.shutdown()).await.expect("a prompt end");
    let ended = timeout(Duration::from_secs(5), stream.read_to_end(&mut bytes)).await;
    assert!(ended.is_ok() && bytes.is_empty());
}
