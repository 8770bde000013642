//! Refresh tokens: renewed, rotated, reused, revoked, expired.

use serde_json::json;

use crate::users::{ALIAS, PLAIN, ROBOT, ROTATING, SUB, idp, refused};
use crate::wire::{Fixture, claims, names};

const DENIED: &str = "NotAuthorizedException";
const INVALID: &str = "InvalidParameterException";
const MONTH: i64 = 30 * 24 * 3600;

#[tokio::test]
async fn the_flow_wants_a_hash_over_the_real_name() {
    let emulator = Fixture::start().await;
    let answer = PLAIN.initiate(&emulator, "USER_PASSWORD_AUTH", PLAIN.password_as(ALIAS)).await.json();
    let token = &answer["AuthenticationResult"]["RefreshToken"];
    let flow = "REFRESH_TOKEN_AUTH";
    let with = |name: &str| json!({ "REFRESH_TOKEN": token, "SECRET_HASH": PLAIN.hash(name) });
    let renewed = PLAIN.initiate(&emulator, flow, with(ROBOT)).await.json()["AuthenticationResult"].clone();
    assert_eq!(names(&renewed), ["AccessToken", "ExpiresIn", "IdToken", "TokenType"]);
    let (before, after) = (&answer["AuthenticationResult"]["IdToken"], &renewed["IdToken"]);
    let (before, after) = (claims(before.as_str().unwrap()), claims(after.as_str().unwrap()));
    assert_eq!((&before["origin_jti"], &before["auth_time"]), (&after["origin_jti"], &after["auth_time"]));
    assert_ne!(before["jti"], after["jti"]);
    for name in [ALIAS, SUB, ""] {
        refused(&PLAIN.initiate(&emulator, flow, with(name)).await, DENIED);
    }
    refused(&PLAIN.initiate(&emulator, flow, json!({ "REFRESH_TOKEN": token })).await, DENIED);
    refused(&PLAIN.initiate(&emulator, flow, json!({})).await, INVALID);
}

#[tokio::test]
async fn the_operation_wants_the_secret_itself() {
    let emulator = Fixture::start().await;
    let token = PLAIN.sign_in(&emulator).await["RefreshToken"].clone();
    let renewed = PLAIN.renew(&emulator, &token).await.json();
    assert_eq!(names(&renewed), ["AuthenticationResult"]);
    assert_eq!(names(&renewed["AuthenticationResult"]), ["AccessToken", "ExpiresIn", "IdToken", "TokenType"]);
    assert_eq!(PLAIN.renew(&emulator, &token).await.status, 200);

    let operation = "GetTokensFromRefreshToken";
    for (change, code) in [
        (json!({ "ClientSecret": null }), DENIED),
        (json!({ "ClientSecret": PLAIN.hash(ROBOT) }), INVALID),
        (json!({ "ClientSecret": ROTATING.secret }), DENIED),
        (json!({ "RefreshToken": "unknown" }), DENIED),
        (json!({ "RefreshToken": "with space" }), INVALID),
        (json!({ "RefreshToken": null }), INVALID),
        (json!({ "ClientId": "nobody" }), "ResourceNotFoundException"),
        (json!({ "ClientId": ROTATING.id, "ClientSecret": ROTATING.secret }), DENIED),
    ] {
        let mut body = json!({ "ClientId": PLAIN.id, "ClientSecret": PLAIN.secret, "RefreshToken": token });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        refused(&idp(&emulator, operation, &body).await, code);
    }
    let journal = serde_json::to_string(&emulator.control().journal()).unwrap();
    assert!(!journal.contains(PLAIN.secret) && !journal.contains(token.as_str().unwrap()));
}

#[tokio::test]
async fn rotation_replaces_the_token_and_forgives_for_a_while() {
    let emulator = Fixture::start().await;
    let first = ROTATING.sign_in(&emulator).await["RefreshToken"].clone();
    let flow = json!({ "REFRESH_TOKEN": first, "SECRET_HASH": ROTATING.hash(ROBOT) });
    refused(&ROTATING.initiate(&emulator, "REFRESH_TOKEN_AUTH", flow).await, INVALID);

    let second = ROTATING.renew(&emulator, &first).await.json()["AuthenticationResult"]["RefreshToken"].clone();
    assert!(second.is_string() && second != first);
    emulator.control().clock_offset(20);
    assert_eq!(ROTATING.renew(&emulator, &first).await.status, 200);
    assert_eq!(ROTATING.renew(&emulator, &second).await.status, 200);
    emulator.control().clock_offset(31);
    let third = ROTATING.renew(&emulator, &second).await.json()["AuthenticationResult"]["RefreshToken"].clone();
    refused(&ROTATING.renew(&emulator, &first).await, "RefreshTokenReuseException");
    for token in [&second, &third] {
        let message = refused(&ROTATING.renew(&emulator, token).await, DENIED);
        assert_eq!(message, "Refresh Token has been revoked");
    }
    let other = ROTATING.sign_in(&emulator).await["RefreshToken"].clone();
    assert_eq!(ROTATING.renew(&emulator, &other).await.status, 200, "another sign-in is another family");
}

#[tokio::test]
async fn a_successor_lives_no_longer_than_the_first() {
    let emulator = Fixture::start().await;
    let first = ROTATING.sign_in(&emulator).await["RefreshToken"].clone();
    emulator.control().clock_offset(MONTH - 100);
    let second = ROTATING.renew(&emulator, &first).await.json()["AuthenticationResult"]["RefreshToken"].clone();
    assert_eq!(ROTATING.renew(&emulator, &second).await.status, 200);
    emulator.control().clock_offset(MONTH + 1);
    let message = refused(&ROTATING.renew(&emulator, &second).await, DENIED);
    assert_eq!(message, "Refresh Token has expired");
}

#[tokio::test]
async fn an_expired_token_of_the_flow() {
    let emulator = Fixture::start().await;
    let token = PLAIN.sign_in(&emulator).await["RefreshToken"].clone();
    emulator.control().clock_offset(MONTH + 1);
    let flow = json!({ "REFRESH_TOKEN": token, "SECRET_HASH": PLAIN.hash(ROBOT) });
    let message = refused(&PLAIN.initiate(&emulator, "REFRESH_TOKEN_AUTH", flow).await, DENIED);
    assert_eq!(message, "Refresh Token has expired");
}

#[tokio::test]
async fn only_its_own_client_revokes_a_refresh_token() {
    let emulator = Fixture::start().await;
    let tokens = PLAIN.sign_in(&emulator).await;
    let (token, unauthorized) = (&tokens["RefreshToken"], "UnauthorizedException");
    for (change, code) in [
        (json!({ "ClientSecret": null }), unauthorized),
        (json!({ "ClientSecret": ROTATING.secret }), unauthorized),
        (json!({ "ClientId": "nobody" }), unauthorized),
        (json!({ "ClientId": ROTATING.id, "ClientSecret": ROTATING.secret }), unauthorized),
        (json!({ "Token": tokens["AccessToken"] }), "UnsupportedTokenTypeException"),
        (json!({ "Token": null }), INVALID),
    ] {
        let mut body = json!({ "ClientId": PLAIN.id, "ClientSecret": PLAIN.secret, "Token": token });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        refused(&idp(&emulator, "RevokeToken", &body).await, code);
    }
    assert_eq!(PLAIN.renew(&emulator, token).await.status, 200);
    let order = json!({ "ClientId": PLAIN.id, "ClientSecret": PLAIN.secret, "Token": token });
    for _ in 0..2 {
        let answer = idp(&emulator, "RevokeToken", &order).await;
        assert_eq!((answer.status, answer.json()), (200, json!({})));
    }
    let flow = json!({ "REFRESH_TOKEN": token, "SECRET_HASH": PLAIN.hash(ROBOT) });
    for answer in [PLAIN.renew(&emulator, token).await, PLAIN.initiate(&emulator, "REFRESH_TOKEN_AUTH", flow).await] {
        assert_eq!(refused(&answer, DENIED), "Refresh Token has been revoked");
    }
}
