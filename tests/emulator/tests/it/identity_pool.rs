//! The `cognito-identity` operations: whose tokens open what.

use serde_json::{Value, json};

use crate::signer::broker;
use crate::user_pool::sign_in;
use crate::wire::{Answer, Fixture, M2M, M2M_SECRET, POOL, claims, names};

pub(crate) const IDENTITY_POOL: &str = "eu-west-1:11112222-3333-4444-5555-666677778888";
pub(crate) const LOGIN: &str = "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCd12345";
pub(crate) const OWN: &str = "cognito-identity.amazonaws.com";

pub(crate) async fn ask(emulator: &Fixture, operation: &str, body: &Value) -> Answer {
    emulator.call(&format!("AWSCognitoIdentityService.{operation}"), body).await
}

pub(crate) async fn get_id(emulator: &Fixture, logins: &Value) -> Answer {
    ask(emulator, "GetId", &json!({ "IdentityPoolId": IDENTITY_POOL, "Logins": logins })).await
}

/// Asserts a `NotAuthorizedException` with this beginning.
pub(crate) fn refused(answer: &Answer, message: &str) {
    assert_eq!((answer.status, &answer.json()["__type"]), (400, &json!("NotAuthorizedException")), "{}", answer.body);
    let sent = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(sent.starts_with(message), "{sent}");
}

#[tokio::test]
async fn an_id_token_opens_and_nothing_else_does() {
    let emulator = Fixture::start().await;
    let tokens = sign_in(&emulator).await;
    let good = json!({ LOGIN: tokens["IdToken"] });
    let id = get_id(&emulator, &good).await.json()["IdentityId"].clone();
    assert_eq!(get_id(&emulator, &good).await.json()["IdentityId"], id);

    let machine = format!("grant_type=client_credentials&client_id={M2M}&client_secret={M2M_SECRET}");
    let machine = emulator.form("/oauth2/token", &[], &machine).await.json()["access_token"].clone();
    let no_audience = "Invalid login token. Missing a required claim: aud";
    refused(&get_id(&emulator, &json!({ LOGIN: machine })).await, no_audience);
    refused(&get_id(&emulator, &json!({ LOGIN: tokens["AccessToken"] })).await, no_audience);
    let forged = format!("{}AAAA", tokens["IdToken"].as_str().unwrap().rsplit_once('.').unwrap().0.to_owned() + ".");
    refused(&get_id(&emulator, &json!({ LOGIN: forged })).await, "Invalid login token. Couldn't verify signed token.");
    refused(&get_id(&emulator, &json!({ "graph.facebook.com": "x" })).await, "Token is not from a supported provider");
    refused(&get_id(&emulator, &json!({ LOGIN: "garbage" })).await, "Invalid login token.");
    refused(&get_id(&emulator, &json!({})).await, "Unauthenticated access is not supported for this identity pool.");
    let nowhere = json!({ "IdentityPoolId": "eu-west-1:00000000-0000-0000-0000-000000000000" });
    assert_eq!(ask(&emulator, "GetId", &nowhere).await.json()["__type"], "ResourceNotFoundException");
    emulator.control().clock_offset(3601);
    refused(&get_id(&emulator, &good).await, "Invalid login token. Token expired:");
}

#[tokio::test]
async fn credentials_for_an_identity() {
    let emulator = Fixture::start().await;
    let logins = json!({ LOGIN: sign_in(&emulator).await["IdToken"] });
    let id = get_id(&emulator, &logins).await.json()["IdentityId"].clone();
    let credentials = async |body: Value| ask(&emulator, "GetCredentialsForIdentity", &body).await;
    let answer = credentials(json!({ "IdentityId": id, "Logins": logins })).await.json();
    assert_eq!(answer["IdentityId"], id);
    assert_eq!(names(&answer["Credentials"]), ["AccessKeyId", "Expiration", "SecretKey", "SessionToken"]);
    assert!(answer["Credentials"]["Expiration"].is_i64());
    assert!(answer["Credentials"]["SessionToken"].as_str().unwrap().len() >= 300);

    refused(&credentials(json!({ "IdentityId": id })).await, "Access to Identity");
    let custom = "arn:aws:iam::111122223333:role/hub";
    refused(&credentials(json!({ "IdentityId": id, "Logins": logins, "CustomRoleArn": custom })).await, "");
    let stranger = json!({ "IdentityId": "eu-west-1:none", "Logins": logins });
    assert_eq!(credentials(stranger).await.json()["__type"], "ResourceNotFoundException");
    let classic = ask(&emulator, "GetOpenIdToken", &json!({ "IdentityId": id, "Logins": logins })).await;
    assert_eq!(classic.json()["__type"], "InvalidParameterException");
}

#[tokio::test]
async fn a_role_that_does_not_trust_the_pool_is_a_configuration_error() {
    for role in ["hub", "missing"] {
        let emulator = Fixture::with(|world| {
            let pool = world.identity_pools.values_mut().next().unwrap();
            pool.authenticated_role = Some(format!("arn:aws:iam::111122223333:role/{role}"));
        })
        .await;
        let logins = json!({ LOGIN: sign_in(&emulator).await["IdToken"] });
        let id = get_id(&emulator, &logins).await.json()["IdentityId"].clone();
        let answer = ask(&emulator, "GetCredentialsForIdentity", &json!({ "IdentityId": id, "Logins": logins })).await;
        assert_eq!(answer.json()["__type"], "InvalidIdentityPoolConfigurationException");
    }
}

#[tokio::test]
async fn developer_identities_vouch_with_a_signature() {
    let emulator = Fixture::start().await;
    let target = "AWSCognitoIdentityService.GetOpenIdTokenForDeveloperIdentity";
    let good = json!({
        "IdentityPoolId": IDENTITY_POOL, "Logins": { "login.acme": "worker-1" },
        "PrincipalTags": { "team": "a" }, "TokenDuration": 60,
    });
    let unsigned = emulator.call(target, &good).await;
    assert_eq!(unsigned.json()["__type"], "MissingAuthenticationTokenException");
    let answer = broker().json(&emulator, "cognito-identity", target, &good).await.json();
    let token = claims(answer["Token"].as_str().unwrap());
    assert_eq!((&token["aud"], &token["sub"]), (&json!(IDENTITY_POOL), &answer["IdentityId"]));
    assert_eq!(token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap(), 60);
    let asked = emulator.control().journal().pop().unwrap();
    assert_eq!(asked.principal.as_deref(), Some("arn:aws:iam::111122223333:user/broker"));
    assert_eq!(asked.parameters["principal_tags"], json!({ "team": "a" }));

    let opened = json!({ "IdentityId": answer["IdentityId"], "Logins": { OWN: answer["Token"] } });
    assert_eq!(ask(&emulator, "GetCredentialsForIdentity", &opened).await.status, 200);
    let robot = get_id(&emulator, &json!({ LOGIN: sign_in(&emulator).await["IdToken"] })).await.json();
    let other = json!({ "IdentityId": robot["IdentityId"], "Logins": { OWN: answer["Token"] } });
    refused(&ask(&emulator, "GetCredentialsForIdentity", &other).await, "Logins don't match.");

    for change in
        [json!({ "TokenDuration": 0 }), json!({ "TokenDuration": 86_401 }), json!({ "Logins": { "login.x": "y" } })]
    {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = broker().json(&emulator, "cognito-identity", target, &body).await.json();
        assert_eq!(answer["__type"], "InvalidParameterException", "{change}");
    }
    assert_eq!(POOL, LOGIN.rsplit_once('/').unwrap().1);
}

#[tokio::test]
async fn guests_only_where_they_are_allowed() {
    let emulator = Fixture::with(|world| {
        let pool = world.identity_pools.values_mut().next().unwrap();
        pool.allow_unauthenticated = true;
        pool.unauthenticated_role = Some("arn:aws:iam::111122223333:role/uploads".into());
        world.iam.roles.get_mut("uploads").unwrap().trust[0].amr = Some("unauthenticated".into());
    })
    .await;
    let id = get_id(&emulator, &json!({})).await.json()["IdentityId"].clone();
    assert_eq!(ask(&emulator, "GetCredentialsForIdentity", &json!({ "IdentityId": id })).await.status, 200);
}
