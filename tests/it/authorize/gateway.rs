//! The authorizer of an Amazon API Gateway.

use credbroker_emulator::{Fault, FaultKind};
use serde_json::{Value, json};

use super::{document, valid};
use crate::client::{Answer, Ask};
use crate::daemon::Daemon;
use crate::documents::{M2M_CLIENT, ORDERS, REPORTS};
use crate::site::Site;
use crate::waiting::limited;

pub const PATH: &str = "/v1/authorize/users/policy";
pub const METHOD: &str = "arn:aws:execute-api:eu-west-1:111122223333:abcdef123/test/GET/orders";

async fn decide(daemon: &Daemon, query: &str, event: &Value) -> Answer {
    daemon.ask(Ask::json(&format!("{PATH}{query}"), event).bearer(ORDERS)).await
}

/// As API Gateway sends them, shortened.
fn token_event(token: &str) -> Value {
    json!({ "type": "TOKEN", "authorizationToken": format!("Bearer {token}"), "methodArn": METHOD })
}

fn rest_event(token: &str) -> Value {
    let value = format!("Bearer {token}");
    json!({
        "type": "REQUEST", "methodArn": METHOD, "resource": "/orders", "path": "/orders", "httpMethod": "GET",
        "headers": { "Host": "abcdef123.execute-api.eu-west-1.amazonaws.com", "Authorization": value },
        "multiValueHeaders": { "Host": ["abcdef123.execute-api.eu-west-1.amazonaws.com"], "Authorization": [value] },
        "queryStringParameters": {}, "pathParameters": {}, "stageVariables": null,
        "requestContext": { "accountId": "111122223333", "stage": "test" },
    })
}

fn http_event(token: &str) -> Value {
    json!({
        "version": "1.0", "type": "REQUEST", "methodArn": METHOD, "identitySource": token, "authorizationToken": token,
        "resource": "/orders", "path": "/orders", "httpMethod": "GET", "headers": { "X-AMZ-Date": "20260101T000000Z" },
    })
}

fn route_event(token: &str) -> Value {
    let value = format!("Bearer {token}");
    json!({
        "version": "2.0", "type": "REQUEST", "routeArn": METHOD, "identitySource": [value], "routeKey": "GET /orders",
        "rawPath": "/orders", "rawQueryString": "", "cookies": [], "headers": { "authorization": value },
        "requestContext": { "accountId": "111122223333", "http": { "method": "GET" } },
    })
}

fn context() -> Value {
    json!({ "subject": "ann-1", "client": M2M_CLIENT, "scope": "billing/read billing/write" })
}

fn policy(effect: &str, principal: &str, context: &Value) -> Value {
    let statement = json!([{ "Action": "execute-api:Invoke", "Effect": effect, "Resource": METHOD }]);
    let document = json!({ "Version": "2012-10-17", "Statement": statement });
    json!({ "principalId": principal, "policyDocument": document, "context": context })
}

#[tokio::test]
async fn each_event_gets_the_answer_of_its_shape() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let token = valid(&site);
        for event in [token_event, rest_event, http_event] {
            let answer = decide(&daemon, "", &event(&token)).await;
            assert_eq!((answer.status, answer.json()), (200, policy("Allow", "ann-1", &context())), "{}", event("T"));
            let denied = decide(&daemon, "", &event("forged")).await;
            assert_eq!((denied.status, denied.json()), (200, policy("Deny", "unknown", &json!({}))), "{}", event("T"));
        }
        let route = decide(&daemon, "", &route_event(&token)).await;
        assert_eq!((route.status, route.json()), (200, json!({ "isAuthorized": true, "context": context() })));
        let denied = decide(&daemon, "", &route_event("forged")).await;
        assert_eq!(denied.json(), json!({ "isAuthorized": false, "context": {} }));
        let as_policy = decide(&daemon, "?format=iam", &route_event(&token)).await;
        assert_eq!(as_policy.json(), policy("Allow", "ann-1", &context()));
    })
    .await;
}

#[tokio::test]
async fn scopes_are_asked_for_and_what_cannot_be_known_is_denied() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let token = valid(&site);
        let down = FaultKind::Status { status: 503, body: String::new(), headers: [].into() };
        site.control().fault(Fault::always("jwks", down));
        assert_eq!(decide(&daemon, "", &route_event(&token)).await.json()["isAuthorized"], false, "there are no keys");
        drop(daemon);

        site.control().clear_faults();
        let daemon = site.daemon(&document()).await;
        let authorized =
            async |query: &str| decide(&daemon, query, &route_event(&token)).await.json()["isAuthorized"].clone();
        assert_eq!(authorized("?scope=billing/write").await, true);
        assert_eq!(authorized("?scope=billing/write%20admin").await, false);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_event_and_who_is_no_caller_get_errors() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let token = valid(&site);
        let event = token_event(&token);
        for body in [json!({}), json!([event]), json!({ "type": "TOKEN", "authorizationToken": token }), json!("TOKEN")]
        {
            let answer = decide(&daemon, "", &body).await;
            assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_request")), "{body}");
            assert!(!answer.text.contains(&token), "{}", answer.text);
        }
        assert_eq!(decide(&daemon, "?format=xml", &event).await.status, 400);
        assert_eq!(daemon.ask(Ask::json(PATH, &event).bearer(REPORTS)).await.status, 403);
        assert_eq!(daemon.ask(Ask::json(PATH, &event)).await.status, 401);
        assert_eq!(daemon.ask(Ask::json("/v1/authorize/nothing/policy", &event).bearer(ORDERS)).await.status, 404);
        let read = daemon.ask(Ask::get(PATH).bearer(ORDERS)).await;
        assert_eq!((read.status, read.header("allow")), (405, Some("POST")));
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}
