//! Two secrets of one client: added, listed, deleted, and what each opens meanwhile.

use serde_json::{Value, json};

use crate::signer::{Keys, broker};
use crate::wire::{Answer, Fixture, M2M, M2M_SECRET, POOL, ROBOT_CLIENT};

const OWN: &str = "own+secret_0123456789ABCDEF";

/// One of the three operations on the machine client, signed by the broker's user; `more` adds to the input.
async fn order(emulator: &Fixture, verb: &str, more: Value) -> Answer {
    let mut body = json!({ "UserPoolId": POOL, "ClientId": M2M });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    broker().json(emulator, "cognito-idp", &target(verb), &body).await
}

fn target(verb: &str) -> String {
    let plural = if verb == "List" { "s" } else { "" };
    format!("AWSCognitoIdentityProviderService.{verb}UserPoolClientSecret{plural}")
}

/// Whether a secret works at the token endpoint and with GetClientToken; both must agree.
async fn opens(emulator: &Fixture, secret: &str) -> bool {
    let encoded = secret.replace('+', "%2B");
    let form = format!("grant_type=client_credentials&client_id={M2M}&client_secret={encoded}");
    let endpoint = emulator.form("/oauth2/token", &[], &form).await.status == 200;
    let body = json!({ "ClientId": M2M, "Secret": secret });
    let api = emulator.call("AWSCognitoIdentityProviderService.GetClientToken", &body).await.status == 200;
    assert_eq!(endpoint, api);
    api
}

fn refusal(answer: &Answer) -> String {
    assert_eq!(answer.status, 400, "{}", answer.body);
    answer.json()["__type"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_rotation_from_one_secret_to_the_next() {
    let emulator = Fixture::start().await;
    let before = order(&emulator, "List", json!({})).await.json();
    let first = before["ClientSecrets"][0].clone();
    assert!(first["ClientSecretId"].as_str().unwrap().starts_with(&format!("{M2M}--")));
    assert!(first["ClientSecretCreateDate"].is_i64());

    let added = order(&emulator, "Add", json!({})).await.json()["ClientSecretDescriptor"].clone();
    let value = added["ClientSecretValue"].as_str().unwrap().to_owned();
    assert!((24..=64).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    assert!(opens(&emulator, M2M_SECRET).await && opens(&emulator, &value).await);
    let listed = order(&emulator, "List", json!({})).await;
    let ids = [&first["ClientSecretId"], &added["ClientSecretId"]];
    let shown = listed.json()["ClientSecrets"].clone();
    assert_eq!([&shown[0]["ClientSecretId"], &shown[1]["ClientSecretId"]], ids);
    assert!(ids[0] != ids[1] && !listed.body.contains(&value) && !listed.body.contains("ClientSecretValue"));
    let describe = json!({ "UserPoolId": POOL, "ClientId": M2M });
    let target = "AWSCognitoIdentityProviderService.DescribeUserPoolClient";
    let described = broker().json(&emulator, "cognito-idp", target, &describe).await.json();
    assert_eq!(described["UserPoolClient"]["ClientSecret"], json!(value));

    assert_eq!(refusal(&order(&emulator, "Add", json!({})).await), "LimitExceededException");
    let deleted = order(&emulator, "Delete", json!({ "ClientSecretId": ids[0] })).await;
    assert_eq!((deleted.status, deleted.json()), (200, json!({})));
    assert!(!opens(&emulator, M2M_SECRET).await && opens(&emulator, &value).await);
    let again = order(&emulator, "Delete", json!({ "ClientSecretId": ids[0] })).await;
    assert_eq!(refusal(&again), "ResourceNotFoundException");
    let last = order(&emulator, "Delete", json!({ "ClientSecretId": ids[1] })).await;
    assert_eq!(refusal(&last), "InvalidParameterException");
    assert!(opens(&emulator, &value).await);
    let journal = serde_json::to_string(&emulator.control().journal()).unwrap();
    assert!(!journal.contains(&value));
}

#[tokio::test]
async fn a_secret_of_ones_own_is_not_answered_and_no_id_comes_back() {
    let emulator = Fixture::start().await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let added = order(&emulator, "Add", json!({ "ClientSecret": OWN })).await.json();
        assert!(added["ClientSecretDescriptor"].get("ClientSecretValue").is_none());
        let id = added["ClientSecretDescriptor"]["ClientSecretId"].clone();
        assert!(!seen.contains(&id) && opens(&emulator, OWN).await);
        assert_eq!(order(&emulator, "Delete", json!({ "ClientSecretId": id })).await.status, 200);
        assert!(!opens(&emulator, OWN).await);
        seen.push(id);
    }
}

#[tokio::test]
async fn what_rotation_refuses() {
    let emulator = Fixture::start().await;
    let (invalid, missing) = ("InvalidParameterException", "ResourceNotFoundException");
    for (verb, more, code) in [
        ("Add", json!({ "ClientSecret": "too+short" }), invalid),
        ("Add", json!({ "ClientSecret": "x".repeat(65) }), invalid),
        ("Add", json!({ "ClientSecret": "with-hyphens-in-it-0123456789" }), invalid),
        ("Add", json!({ "ClientId": ROBOT_CLIENT }), invalid),
        ("Add", json!({ "ClientId": null }), invalid),
        ("Add", json!({ "ClientId": "nobody" }), missing),
        ("Add", json!({ "UserPoolId": "eu-west-1_nope" }), missing),
        ("List", json!({ "NextToken": "x" }), invalid),
        ("Delete", json!({}), invalid),
        ("Delete", json!({ "ClientSecretId": format!("{M2M}--1") }), missing),
    ] {
        assert_eq!(refusal(&order(&emulator, verb, more.clone()).await), code, "{verb} {more}");
    }
    let body = json!({ "UserPoolId": POOL, "ClientId": M2M });
    let hub = "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fhub&RoleSessionName=ab";
    let role = Keys::of(&broker().sts(&emulator, hub).await);
    for verb in ["Add", "List", "Delete"] {
        let unsigned = emulator.call(&target(verb), &body).await;
        assert_eq!(refusal(&unsigned), "MissingAuthenticationTokenException", "{verb}");
        let denied = role.json(&emulator, "cognito-idp", &target(verb), &body).await;
        assert_eq!(refusal(&denied), "AccessDeniedException", "{verb}");
    }
    assert_eq!(order(&emulator, "List", json!({})).await.json()["ClientSecrets"].as_array().unwrap().len(), 1);
}
