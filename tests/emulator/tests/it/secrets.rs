//! Secrets Manager: which version of which secret, for whom.

use credbroker_emulator::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::signer::{Keys, broker};
use crate::sts::assume;
use crate::wire::{Answer, Fixture, names};

const TARGET: &str = "secretsmanager.GetSecretValue";

async fn ask(emulator: &Fixture, body: Value) -> Answer {
    broker().json(emulator, "secretsmanager", TARGET, &body).await
}

fn refused(answer: &Answer, code: &str) {
    assert_eq!((answer.status, &answer.json()["__type"]), (400, &json!(code)), "{}", answer.body);
}

#[tokio::test]
async fn a_value_by_name_by_arn_and_by_label() {
    let emulator = Fixture::start().await;
    let answer = ask(&emulator, json!({ "SecretId": "credbroker/billing" })).await;
    assert_eq!(answer.header("content-type"), Some("application/x-amz-json-1.1"));
    let current = answer.json();
    assert_eq!(names(&current), ["ARN", "CreatedDate", "Name", "SecretString", "VersionId", "VersionStages"]);
    let value: Value = serde_json::from_str(current["SecretString"].as_str().unwrap()).unwrap();
    assert_eq!(value["client_id"], "4f3q8example1m2m");
    assert_eq!((&current["Name"], &current["VersionStages"]), (&json!("credbroker/billing"), &json!(["AWSCURRENT"])));
    assert!(current["CreatedDate"].is_number());
    let arn = current["ARN"].as_str().unwrap();
    let partial = arn.rsplit_once('-').unwrap().0;
    assert_eq!(partial, "arn:aws:secretsmanager:eu-west-1:111122223333:secret:credbroker/billing");
    for id in [arn, partial] {
        assert_eq!(ask(&emulator, json!({ "SecretId": id })).await.json(), current);
    }
    let by_version = json!({ "SecretId": arn, "VersionId": current["VersionId"], "VersionStage": "AWSCURRENT" });
    assert_eq!(ask(&emulator, by_version).await.json(), current);
    let previous = ask(&emulator, json!({ "SecretId": arn, "VersionStage": "AWSPREVIOUS" })).await.json();
    assert!(previous["SecretString"].as_str().unwrap().contains("previous"));
    let pending = ask(&emulator, json!({ "SecretId": "partner-basic", "VersionStage": "AWSPENDING" })).await.json();
    assert_eq!(pending["SecretString"], "the partner's next secret");
    let binary = ask(&emulator, json!({ "SecretId": "partner-key" })).await.json();
    assert!(binary["SecretBinary"].is_string() && binary.get("SecretString").is_none());
    let journal = serde_json::to_string(&emulator.control().journal()).unwrap();
    assert!(!journal.contains("billingsecret") && journal.contains("credbroker/billing"));
}

#[tokio::test]
async fn what_is_not_there_and_what_makes_no_sense() {
    let emulator = Fixture::with(|world| world.secrets.get_mut("partner-basic").unwrap().deleted = true).await;
    let version = ask(&emulator, json!({ "SecretId": "partner-key" })).await.json()["VersionId"].clone();
    let (missing, invalid) = ("ResourceNotFoundException", "InvalidParameterException");
    for (body, code) in [
        (json!({ "SecretId": "nothing" }), missing),
        (json!({ "SecretId": "credbroker/billing", "VersionStage": "AWSPENDING" }), missing),
        (json!({ "SecretId": "credbroker/billing", "VersionId": version }), missing),
        (json!({ "SecretId": "arn:aws:secretsmanager:us-east-1:111122223333:secret:credbroker/billing" }), missing),
        (json!({}), invalid),
        (json!({ "SecretId": "" }), invalid),
        (json!({ "SecretId": "partner-key", "VersionId": "short" }), invalid),
        (json!({ "SecretId": "partner-key", "VersionStage": "" }), invalid),
        (
            json!({ "SecretId": "partner-key", "VersionId": version, "VersionStage": "AWSPENDING" }),
            "InvalidRequestException",
        ),
        (json!({ "SecretId": "partner-basic" }), "InvalidRequestException"),
        (json!({ "SecretId": 1 }), "SerializationException"),
    ] {
        refused(&ask(&emulator, body).await, code);
    }
}

#[tokio::test]
async fn only_who_signs_and_is_allowed() {
    let emulator = Fixture::start().await;
    let body = json!({ "SecretId": "credbroker/billing" });
    refused(&emulator.call(TARGET, &body).await, "MissingAuthenticationTokenException");
    refused(&broker().json(&emulator, "cognito-idp", TARGET, &body).await, "InvalidSignatureException");
    let hub = Keys::of(&broker().sts(&emulator, &assume("hub", "")).await);
    let denied = hub.json(&emulator, "secretsmanager", TARGET, &body).await;
    refused(&denied, "AccessDeniedException");
    let nothing = hub.json(&emulator, "secretsmanager", TARGET, &json!({ "SecretId": "nothing" })).await;
    refused(&nothing, "AccessDeniedException");
    emulator.control().fault(Fault::once("GetSecretValue", FaultKind::Throttle { retry_after: None }));
    refused(&ask(&emulator, body).await, "ThrottlingException");
}

#[tokio::test]
async fn a_new_value_makes_the_current_one_the_previous() {
    let emulator = Fixture::start().await;
    let value = async |stage: &str| {
        let answer = ask(&emulator, json!({ "SecretId": "partner-basic", "VersionStage": stage })).await;
        answer.json()["SecretString"].as_str().map(str::to_owned)
    };
    assert_eq!(value("AWSPREVIOUS").await, None);
    emulator.control().put_secret_value("partner-basic", "second");
    assert_eq!(value("AWSCURRENT").await.as_deref(), Some("second"));
    assert_eq!(value("AWSPREVIOUS").await.as_deref(), Some("basic+secret: 100% / odd & long"));
    let order = json!({ "name": "partner-basic", "value": "third" }).to_string();
    assert_eq!(emulator.send("POST", "/_emulator/secret-value", &[], &order).await.status, 200);
    assert_eq!((value("AWSCURRENT").await, value("AWSPREVIOUS").await), (Some("third".into()), Some("second".into())));
    assert_eq!(value("AWSPENDING").await.as_deref(), Some("the partner's next secret"));
    let nobody = json!({ "name": "nothing", "value": "x" }).to_string();
    assert_eq!(emulator.send("POST", "/_emulator/secret-value", &[], &nobody).await.status, 404);
}
