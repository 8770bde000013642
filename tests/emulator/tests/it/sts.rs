//! STS: trust, chains, durations, web identities.

use serde_json::json;

use crate::signer::{Keys, broker};
use crate::wire::{Answer, Fixture, M2M, M2M_SECRET};

pub(crate) fn assume(role: &str, more: &str) -> String {
    format!("Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2F{role}&RoleSessionName=s-1{more}")
}

pub(crate) fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.element("Code")), (status, code), "{}", answer.body);
    assert!(answer.body.starts_with("<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"));
    assert_eq!(answer.header("content-type"), Some("text/xml"));
    assert!(answer.header("x-amzn-requestid").is_some_and(|id| answer.element("RequestId") == id));
}

#[tokio::test]
async fn a_chain_of_roles() {
    let emulator = Fixture::start().await;
    let hub = broker().sts(&emulator, &assume("hub", "&DurationSeconds=7200&SourceIdentity=me-1")).await;
    let hub_keys = Keys::of(&hub);
    assert!(hub_keys.id.starts_with("ASIA"));
    assert_eq!(hub_keys.secret.len(), 40);
    assert_eq!(hub.element("Arn"), "arn:aws:sts::111122223333:assumed-role/hub/s-1");
    let orders = hub_keys.sts(&emulator, &assume("orders", "")).await;
    assert_eq!(orders.element("SourceIdentity"), "me-1");
    let identity = Keys::of(&orders).sts(&emulator, "Action=GetCallerIdentity").await;
    assert_eq!(identity.element("Arn"), "arn:aws:sts::111122223333:assumed-role/orders/s-1");
    let id = identity.element("UserId");
    assert!(id.starts_with("AROA") && id.ends_with(":s-1"));

    refused(&hub_keys.sts(&emulator, &assume("orders", "&DurationSeconds=3601")).await, 400, "ValidationError");
    refused(&hub_keys.sts(&emulator, &assume("orders", "&SourceIdentity=other")).await, 403, "AccessDenied");
    refused(&Keys::of(&orders).sts(&emulator, &assume("hub", "")).await, 403, "AccessDenied");
    let asked = &emulator.control().journal()[1];
    assert_eq!(asked.principal.as_deref(), Some("arn:aws:sts::111122223333:assumed-role/hub/s-1"));
    assert_eq!(asked.parameters["session_name"], "s-1");
}

#[tokio::test]
async fn trust_durations_and_patterns() {
    let emulator = Fixture::start().await;
    let cases = [
        ("orders", "", 403, "AccessDenied"),
        ("orders", "&ExternalId=wrong", 403, "AccessDenied"),
        ("uploads", "", 403, "AccessDenied"),
        ("missing", "", 403, "AccessDenied"),
        ("hub", "&DurationSeconds=899", 400, "ValidationError"),
        ("hub", "&DurationSeconds=43201", 400, "ValidationError"),
        ("orders", "&ExternalId=optional&DurationSeconds=3601", 400, "ValidationError"),
        ("hub", "&ExternalId=x", 400, "ValidationError"),
        ("hub", "&Policy=%7Bnope", 400, "MalformedPolicyDocument"),
        ("hub", "&SourceIdentity=a+b", 400, "ValidationError"),
        (
            "hub",
            "&Tags.member.1.Key=a&Tags.member.1.Value=b&TransitiveTagKeys.member.1=c",
            400,
            "InvalidParameterValue",
        ),
    ];
    for (role, more, status, code) in cases {
        refused(&broker().sts(&emulator, &assume(role, more)).await, status, code);
    }
    let bad_name = assume("hub", "").replace("s-1", "a%20b");
    refused(&broker().sts(&emulator, &bad_name).await, 400, "ValidationError");
    refused(&broker().sts(&emulator, "Action=GetSessionToken").await, 400, "InvalidAction");
    let long = format!("&Policy=%7B%22Statement%22%3A%22{}%22%7D", "x".repeat(2000));
    let long = format!("{long}&PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2F{}", "y".repeat(60));
    refused(&broker().sts(&emulator, &assume("hub", &long)).await, 400, "PackedPolicyTooLarge");
    let good = broker().sts(&emulator, &assume("orders", "&ExternalId=optional")).await;
    assert_eq!(good.status, 200);
}

#[tokio::test]
async fn signatures_that_are_not_good() {
    let emulator = Fixture::start().await;
    let who = "Action=GetCallerIdentity";
    let unsigned = emulator.form("/", &[], "Action=GetCallerIdentity&Version=2011-06-15").await;
    refused(&unsigned, 403, "MissingAuthenticationToken");
    let forged = Keys { secret: "wrong".into(), ..broker() };
    refused(&forged.sts(&emulator, who).await, 403, "SignatureDoesNotMatch");
    let stranger = Keys { id: "AKIASTRANGER00000000".into(), ..broker() };
    refused(&stranger.sts(&emulator, who).await, 403, "InvalidClientTokenId");
    let session = Keys::of(&broker().sts(&emulator, &assume("hub", "")).await);
    let without_token = Keys { token: None, id: session.id.clone(), secret: session.secret.clone() };
    refused(&without_token.sts(&emulator, who).await, 403, "InvalidClientTokenId");
    emulator.control().clock_offset(301);
    refused(&broker().sts(&emulator, who).await, 403, "SignatureDoesNotMatch");
    emulator.control().clock_offset(3601);
    refused(&session.sts(&emulator, who).await, 403, "ExpiredToken");
}

#[tokio::test]
async fn web_identities() {
    let emulator = Fixture::start().await;
    let target = "AWSCognitoIdentityService.GetOpenIdTokenForDeveloperIdentity";
    let pool = "eu-west-1:11112222-3333-4444-5555-666677778888";
    let body = json!({ "IdentityPoolId": pool, "Logins": { "login.acme": "worker-1" } });
    let token = broker().json(&emulator, "cognito-identity", target, &body).await.json()["Token"].clone();
    let web = async |role: &str, token: &str| {
        let action = assume(role, "").replace("AssumeRole", "AssumeRoleWithWebIdentity");
        emulator.form("/", &[], &format!("{action}&Version=2011-06-15&WebIdentityToken={token}")).await
    };
    let token = token.as_str().unwrap();
    let answer = web("uploads", token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.element("Provider"), "cognito-identity.amazonaws.com");
    assert_eq!(answer.element("Audience"), pool);
    assert_eq!(Keys::of(&answer).sts(&emulator, "Action=GetCallerIdentity").await.status, 200);

    refused(&web("hub", token).await, 403, "AccessDenied");
    refused(&web("uploads", "garbage").await, 400, "InvalidIdentityToken");
    refused(&web("uploads", &format!("{}.AAAA", token.rsplit_once('.').unwrap().0)).await, 400, "InvalidIdentityToken");
    let machine = format!("grant_type=client_credentials&client_id={M2M}&client_secret={M2M_SECRET}");
    let machine = emulator.form("/oauth2/token", &[], &machine).await.json()["access_token"].clone();
    refused(&web("uploads", machine.as_str().unwrap()).await, 400, "InvalidIdentityToken");
    emulator.control().clock_offset(901);
    refused(&web("uploads", token).await, 400, "ExpiredTokenException");
}
