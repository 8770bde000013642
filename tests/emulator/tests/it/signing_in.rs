//! Signing in through a client with a secret: secret hashes, aliases, and the administrator's door.

use serde_json::{Value, json};

use crate::signer::{Keys, broker};
use crate::users::{ALIAS, PASSWORD, PLAIN, ROBOT, SUB, refused};
use crate::wire::{Answer, Fixture, POOL, claims};

const ADMIN: &str = "AWSCognitoIdentityProviderService.AdminInitiateAuth";
const FLOW: &str = "ADMIN_USER_PASSWORD_AUTH";
const DENIED: &str = "NotAuthorizedException";
const INVALID: &str = "InvalidParameterException";

fn order(flow: &str, parameters: &Value) -> Value {
    json!({ "UserPoolId": POOL, "ClientId": PLAIN.id, "AuthFlow": flow, "AuthParameters": parameters })
}

async fn admin(emulator: &Fixture, body: &Value) -> Answer {
    broker().json(emulator, "cognito-idp", ADMIN, body).await
}

#[tokio::test]
async fn a_secret_hash_is_over_the_name_that_is_sent() {
    let emulator = Fixture::start().await;
    let flow = "USER_PASSWORD_AUTH";
    for name in [ROBOT, ALIAS] {
        let answer = PLAIN.initiate(&emulator, flow, PLAIN.password_as(name)).await;
        let access = claims(answer.json()["AuthenticationResult"]["AccessToken"].as_str().unwrap());
        assert_eq!((&access["username"], &access["sub"]), (&json!(ROBOT), &json!(SUB)), "{name}");
    }
    let with = |hash: Value| json!({ "USERNAME": ALIAS, "PASSWORD": PASSWORD, "SECRET_HASH": hash });
    let message = refused(&PLAIN.initiate(&emulator, flow, with(json!(PLAIN.hash(ROBOT)))).await, DENIED);
    assert_eq!(message, format!("Unable to verify secret hash for client {}", PLAIN.id));
    let without = json!({ "USERNAME": ROBOT, "PASSWORD": PASSWORD });
    let message = refused(&PLAIN.initiate(&emulator, flow, without).await, DENIED);
    assert!(message.ends_with("is configured with secret but SECRET_HASH was not received"), "{message}");
    let stranger = json!({ "USERNAME": "x", "PASSWORD": PASSWORD, "SECRET_HASH": PLAIN.hash("x") });
    let message = refused(&PLAIN.initiate(&emulator, flow, stranger).await, DENIED);
    assert_eq!(message, "Incorrect username or password.");
}

#[tokio::test]
async fn both_secrets_hash_until_one_is_deleted() {
    let emulator = Fixture::start().await;
    let manage = async |operation: &str, more: Value| {
        let mut body = json!({ "UserPoolId": POOL, "ClientId": PLAIN.id });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let target = format!("AWSCognitoIdentityProviderService.{operation}");
        broker().json(&emulator, "cognito-idp", &target, &body).await.json()
    };
    let newer = crate::users::Confidential { secret: "newer0secret0123456789abcdefghij", ..PLAIN };
    manage("AddUserPoolClientSecret", json!({ "ClientSecret": newer.secret })).await;
    let token = newer.sign_in(&emulator).await["RefreshToken"].clone();
    assert_eq!(PLAIN.renew(&emulator, &token).await.status, 200);
    PLAIN.sign_in(&emulator).await;
    let older = manage("ListUserPoolClientSecrets", json!({})).await["ClientSecrets"][0]["ClientSecretId"].clone();
    manage("DeleteUserPoolClientSecret", json!({ "ClientSecretId": older })).await;
    refused(&PLAIN.initiate(&emulator, "USER_PASSWORD_AUTH", PLAIN.password_as(ROBOT)).await, DENIED);
    refused(&PLAIN.renew(&emulator, &token).await, DENIED);
    assert_eq!(newer.renew(&emulator, &token).await.status, 200);
}

#[tokio::test]
async fn an_administrator_signs_users_in() {
    let emulator = Fixture::start().await;
    let robot = PLAIN.password_as(ROBOT);
    for flow in [FLOW, "ADMIN_NO_SRP_AUTH"] {
        let answer = admin(&emulator, &order(flow, &robot)).await.json();
        assert_eq!(claims(answer["AuthenticationResult"]["IdToken"].as_str().unwrap())["aud"], PLAIN.id);
        let token = &answer["AuthenticationResult"]["RefreshToken"];
        let again = json!({ "REFRESH_TOKEN": token, "SECRET_HASH": PLAIN.hash(ROBOT) });
        assert_eq!(admin(&emulator, &order("REFRESH_TOKEN_AUTH", &again)).await.status, 200);
    }
    let unsigned = emulator.call(ADMIN, &order(FLOW, &robot)).await;
    refused(&unsigned, "MissingAuthenticationTokenException");
    let hub = "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fhub&RoleSessionName=ab";
    let role = Keys::of(&broker().sts(&emulator, hub).await);
    refused(&role.json(&emulator, "cognito-idp", ADMIN, &order(FLOW, &robot)).await, "AccessDeniedException");
    let mut elsewhere = order(FLOW, &robot);
    elsewhere["UserPoolId"] = json!("eu-west-1_nope");
    refused(&admin(&emulator, &elsewhere).await, "ResourceNotFoundException");
    let wrong = json!({ "USERNAME": ROBOT, "PASSWORD": "x", "SECRET_HASH": PLAIN.hash(ROBOT) });
    refused(&admin(&emulator, &order(FLOW, &wrong)).await, DENIED);
    let unproven = json!({ "USERNAME": ROBOT, "PASSWORD": PASSWORD });
    refused(&admin(&emulator, &order(FLOW, &unproven)).await, DENIED);
    refused(&admin(&emulator, &order("USER_PASSWORD_AUTH", &robot)).await, INVALID);
    refused(&PLAIN.initiate(&emulator, FLOW, robot).await, INVALID);
}

#[tokio::test]
async fn a_flow_that_is_not_allowed() {
    let emulator = Fixture::with(|world| {
        let clients = &mut world.pools.get_mut(POOL).unwrap().clients;
        clients.get_mut(PLAIN.id).unwrap().explicit_auth_flows.clear();
    })
    .await;
    let robot = PLAIN.password_as(ROBOT);
    for flow in ["USER_PASSWORD_AUTH", "REFRESH_TOKEN_AUTH", "REFRESH_TOKEN"] {
        let message = refused(&PLAIN.initiate(&emulator, flow, robot.clone()).await, INVALID);
        assert!(message.ends_with("flow not enabled for this client"), "{message}");
    }
    refused(&admin(&emulator, &order(FLOW, &robot)).await, INVALID);
}
