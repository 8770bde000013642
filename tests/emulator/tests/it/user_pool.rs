//! The `cognito-idp` operations, key sets and discovery.

use serde_json::{Value, json};

use crate::signer::{Keys, broker};
use crate::wire::{Fixture, M2M, M2M_SECRET, POOL, ROBOT_CLIENT, claims};

const SERVICE: &str = "AWSCognitoIdentityProviderService";

/// The tokens of the demo's machine user.
pub(crate) async fn sign_in(emulator: &Fixture) -> Value {
    let body = json!({
        "ClientId": ROBOT_CLIENT,
        "AuthFlow": "USER_PASSWORD_AUTH",
        "AuthParameters": { "USERNAME": "robot", "PASSWORD": "correct horse Battery 1" },
    });
    let answer = emulator.call(&format!("{SERVICE}.InitiateAuth"), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["AuthenticationResult"].clone()
}

#[tokio::test]
async fn a_client_token_and_its_refusals() {
    let emulator = Fixture::start().await;
    let target = format!("{SERVICE}.GetClientToken");
    let good = json!({ "ClientId": M2M, "Secret": M2M_SECRET, "Scopes": ["billing/read"] });
    let answer = emulator.call(&target, &good).await;
    assert_eq!(answer.header("content-type"), Some("application/x-amz-json-1.1"));
    assert!(answer.header("x-amzn-requestid").is_some());
    let result = &answer.json()["ClientAuthenticationResult"];
    assert_eq!((&result["TokenType"], &result["ExpiresIn"]), (&json!("Bearer"), &json!(3600)));
    assert!(claims(result["AccessToken"].as_str().unwrap()).get("aud").is_none());

    let not_authorized = "NotAuthorizedException";
    let invalid = "InvalidParameterException";
    for (change, code) in [
        (json!({ "Secret": "wrong0secret0123456789abcdefgh" }), not_authorized),
        (json!({ "ClientId": "nobody" }), not_authorized),
        (json!({ "ClientId": ROBOT_CLIENT }), not_authorized),
        (json!({ "Scopes": ["billing/delete"] }), invalid),
        (json!({ "Scopes": ["with space"] }), invalid),
        (json!({ "ClientId": null }), invalid),
        (json!({ "ClientId": "no-hyphens" }), invalid),
        (json!({ "Secret": "short" }), invalid),
        (json!({ "Scopes": "billing/read" }), "SerializationException"),
    ] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = emulator.call(&target, &body).await;
        assert_eq!((answer.status, &answer.json()["__type"]), (400, &json!(code)), "{change}");
        assert_eq!(answer.header("x-amzn-errortype"), Some(code));
    }
    let signed = broker().json(&emulator, "cognito-idp", &target, &good).await;
    assert_eq!(signed.status, 200);
    let forged = Keys { secret: "wrong".into(), ..broker() };
    let refused = forged.json(&emulator, "cognito-idp", &target, &good).await;
    assert_eq!(refused.json()["__type"], "InvalidSignatureException");
}

#[tokio::test]
async fn signing_in_and_refreshing() {
    let emulator = Fixture::start().await;
    let tokens = sign_in(&emulator).await;
    let id = claims(tokens["IdToken"].as_str().unwrap());
    assert_eq!((&id["aud"], &id["token_use"]), (&json!(ROBOT_CLIENT), &json!("id")));
    let access = claims(tokens["AccessToken"].as_str().unwrap());
    assert_eq!(access["scope"], "aws.cognito.signin.user.admin");
    assert!(access.get("aud").is_none());

    let auth = async |flow: &str, parameters: Value| {
        let body = json!({ "ClientId": ROBOT_CLIENT, "AuthFlow": flow, "AuthParameters": parameters });
        emulator.call(&format!("{SERVICE}.InitiateAuth"), &body).await
    };
    let refreshed = auth("REFRESH_TOKEN_AUTH", json!({ "REFRESH_TOKEN": tokens["RefreshToken"] })).await.json();
    assert!(refreshed["AuthenticationResult"].get("RefreshToken").is_none());
    assert!(refreshed["AuthenticationResult"].get("IdToken").is_some());
    for (flow, parameters, code) in [
        ("REFRESH_TOKEN_AUTH", json!({ "REFRESH_TOKEN": "x" }), "NotAuthorizedException"),
        ("USER_PASSWORD_AUTH", json!({ "USERNAME": "robot", "PASSWORD": "x" }), "NotAuthorizedException"),
        ("USER_PASSWORD_AUTH", json!({ "USERNAME": "nobody", "PASSWORD": "x" }), "NotAuthorizedException"),
        ("USER_PASSWORD_AUTH", json!({ "USERNAME": "robot" }), "InvalidParameterException"),
        ("USER_SRP_AUTH", json!({}), "InvalidParameterException"),
    ] {
        assert_eq!(auth(flow, parameters.clone()).await.json()["__type"], code, "{flow} {parameters}");
    }
}

#[tokio::test]
async fn a_challenge_is_answered_as_configured() {
    let emulator = Fixture::with(|world| {
        let user = world.pools.values_mut().next().unwrap().users.get_mut("robot").unwrap();
        user.challenge = Some("NEW_PASSWORD_REQUIRED".into());
    })
    .await;
    let parameters = json!({ "USERNAME": "robot", "PASSWORD": "correct horse Battery 1" });
    let body = json!({ "ClientId": ROBOT_CLIENT, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters });
    let answer = emulator.call(&format!("{SERVICE}.InitiateAuth"), &body).await.json();
    assert_eq!(answer["ChallengeName"], "NEW_PASSWORD_REQUIRED");
    assert!(answer.get("AuthenticationResult").is_none());
}

#[tokio::test]
async fn describing_needs_a_signature_and_permission() {
    let emulator = Fixture::start().await;
    let target = format!("{SERVICE}.DescribeUserPoolClient");
    let body = json!({ "UserPoolId": POOL, "ClientId": M2M });
    let unsigned = emulator.call(&target, &body).await;
    assert_eq!(unsigned.json()["__type"], "MissingAuthenticationTokenException");
    let answer = broker().json(&emulator, "cognito-idp", &target, &body).await.json();
    assert_eq!(answer["UserPoolClient"]["ClientSecret"], M2M_SECRET);
    let wrong_service = broker().json(&emulator, "cognito-identity", &target, &body).await;
    assert_eq!(wrong_service.json()["__type"], "InvalidSignatureException");
    let hub = "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fhub&RoleSessionName=ab";
    let role = Keys::of(&broker().sts(&emulator, hub).await);
    let denied = role.json(&emulator, "cognito-idp", &target, &body).await;
    assert_eq!((denied.status, &denied.json()["__type"]), (400, &json!("AccessDeniedException")));
}

#[tokio::test]
async fn key_sets_rotate_and_discovery_stays_on_loopback() {
    let emulator = Fixture::start().await;
    let path = format!("/{POOL}/.well-known/jwks.json");
    let kids = async || -> Vec<String> {
        let keys = emulator.get(&path).await.json();
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let before = kids().await;
    assert_eq!(before.len(), 2);
    emulator.control().rotate_keys(POOL);
    let after = kids().await;
    assert_eq!((after.len(), &after[2..]), (4, &before[..]));
    assert!(!before.contains(&after[0]));

    let discovery = emulator.get(&format!("/{POOL}/.well-known/openid-configuration")).await.json();
    assert_eq!(discovery["issuer"], format!("https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"));
    assert_eq!(discovery["jwks_uri"], format!("{}{path}", emulator.url()));
    assert_eq!(discovery["token_endpoint"], format!("{}/oauth2/token", emulator.url()));
    assert_eq!(emulator.get("/eu-west-1_nope/.well-known/jwks.json").await.status, 404);
    assert_eq!(emulator.get("/.well-known/jwks_uri").await.json()["keys"][0]["alg"], "RS512");
}
