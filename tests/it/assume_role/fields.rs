//! What is configured for a session is what STS is asked for, and nothing else is.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ROLES, each, hostname, role};
use crate::asking::seconds_of;
use crate::documents::{ORDERS, caller};
use crate::site::Site;
use crate::waiting::{limited, until, wall};

const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;
const NARROWER: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn every_field_reaches_sts() {
    limited(async {
        let site = Site::with(ROLES).await;
        site.write("policy.json", POLICY);
        let more = r#"
session_name    = "{caller}.{host}"
duration        = "2h"
external_id     = "acme/77"
source_identity = "{caller}"
policy          = { file = "DIR/policy.json" }
policy_arns     = ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
tags            = { team = "a", service = "{caller}", host = "on {host}" }
transitive_tags = ["team"]
"#;
        let document = format!("{}{}", role("full", "guarded", more), caller("orders", &["credentials.full"]));
        let daemon = site.daemon(&document).await;
        let answer = daemon.get("/v1/credentials/full", ORDERS).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let body = answer.json();
        let (host, session) = (hostname(), format!("orders.{}", hostname()));
        let mut asked = site.asked("AssumeRole").remove(0);
        let issued = asked.parameters.remove("access_key_id");
        assert_eq!(issued.as_ref(), Some(&body["AccessKeyId"]));
        let tags = json!({ "host": format!("on {host}"), "service": "orders", "team": "a" });
        let expected = json!({
            "role_arn": "arn:aws:iam::111122223333:role/guarded",
            "session_name": session,
            "duration_seconds": 7_200,
            "policy": json_of(POLICY),
            "policy_arns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
            "external_id": "acme/77",
            "source_identity": "orders",
            "tags": tags,
            "transitive_tag_keys": ["team"],
            "granted_seconds": 7_200,
            "session_tags": tags,
        });
        assert_eq!(Value::Object(asked.parameters), expected);
        assert_eq!(site.whose(&body).await, format!("arn:aws:sts::111122223333:assumed-role/guarded/{session}"));
        let left = f64::from(i32::try_from(seconds_of(body["Expiration"].as_str().unwrap())).unwrap()) - wall();
        assert!((7_180.0..=7_201.0).contains(&left), "{left} s are left of two hours");
    })
    .await;
}

#[tokio::test]
async fn what_is_not_configured_is_not_sent() {
    limited(async {
        let site = Site::open().await;
        let document = format!("{}{}", role("hub", "hub", ""), caller("orders", &["credentials.hub"]));
        let daemon = site.daemon(&document).await;
        daemon.served("/v1/credentials/hub", ORDERS).await;
        let asked = site.asked("AssumeRole").remove(0).parameters;
        let sent: Vec<&String> = asked.keys().collect();
        assert_eq!(sent, ["role_arn", "session_name", "granted_seconds", "access_key_id"]);
        assert_eq!(asked["session_name"], "credbroker");
    })
    .await;
}

#[tokio::test]
async fn a_role_that_asks_for_an_external_id_wants_the_right_one() {
    limited(async {
        let site = Site::with(ROLES).await;
        let roles = [
            role("without", "guarded", ""),
            role("wrong", "guarded", "external_id = \"acme/78\""),
            role("right", "guarded", "external_id = \"acme/77\""),
        ];
        let allow = ["credentials.without", "credentials.wrong", "credentials.right"];
        let daemon = site.daemon(&format!("{}{}", roles.concat(), caller("orders", &allow))).await;
        for name in ["without", "wrong"] {
            let answer = daemon.get(&format!("/v1/credentials/{name}"), ORDERS).await;
            assert_eq!((answer.status, &answer.json()["code"]), (502, &json!("UpstreamDenied")), "{}", answer.text);
            assert!(answer.complaint().contains("trust policy"), "{}", answer.complaint());
        }
        assert_eq!(daemon.get("/v1/credentials/right", ORDERS).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_policy_in_the_configuration_narrows_the_session() {
    limited(async {
        let site = Site::open().await;
        let narrowed = role("hub", "hub", &format!("policy = {{ json = '{POLICY}' }}"));
        let daemon = site.daemon(&format!("{narrowed}{}", caller("orders", &["credentials.hub"]))).await;
        daemon.served("/v1/credentials/hub", ORDERS).await;
        assert_eq!(each(&site, "policy"), [json_of(POLICY)]);
    })
    .await;
}

#[tokio::test]
async fn a_policy_replaced_on_disk_narrows_the_next_session() {
    limited(async {
        let site = Site::open().await;
        site.write("policy.json", POLICY);
        site.control().set_lifetime("AssumeRole", 2);
        let narrowed = role("hub", "hub", "policy = { file = \"DIR/policy.json\" }");
        let daemon = site.daemon(&format!("{narrowed}{}", caller("orders", &["credentials.hub"]))).await;
        daemon.served("/v1/credentials/hub", ORDERS).await;
        assert_eq!(each(&site, "policy"), [json_of(POLICY)]);
        site.replace("policy.json", NARROWER);
        until("the new policy is used", Duration::from_secs(10), async || {
            daemon.served("/v1/credentials/hub", ORDERS).await;
            (each(&site, "policy").last() == Some(&json_of(NARROWER))).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_policy_that_is_missing_or_none_is_named_and_nobody_is_asked_without_it() {
    limited(async {
        let site = Site::open().await;
        let roles = [
            role("missing", "hub", "policy = { file = \"DIR/absent.json\" }"),
            role("broken", "hub", "policy = { file = \"DIR/broken.json\" }"),
        ];
        site.write("broken.json", "{");
        let allow = caller("orders", &["credentials.missing", "credentials.broken"]);
        let daemon = site.daemon(&format!("{}{allow}", roles.concat())).await;
        let missing = daemon.get("/v1/credentials/missing", ORDERS).await;
        assert_eq!((missing.status, &missing.json()["code"]), (502, &json!("UpstreamMisconfigured")));
        assert!(missing.complaint().contains("absent.json"), "{}", missing.complaint());
        assert_eq!(site.operations(), [""; 0], "a session without its policy may too much");
        let broken = daemon.get("/v1/credentials/broken", ORDERS).await;
        assert_eq!((broken.status, &broken.json()["code"]), (502, &json!("UpstreamMisconfigured")));
        assert!(broken.complaint().contains("policy is not an IAM policy"), "{}", broken.complaint());
    })
    .await;
}

#[tokio::test]
async fn multi_factor_authentication_is_refused_with_its_reason() {
    limited(async {
        let site = Site::open().await;
        let role = role("hub", "hub", "mfa_serial = \"arn:aws:iam::111122223333:mfa/ann\"");
        let ended = site.check(&format!("{role}{}", caller("orders", &["credentials.hub"]))).await;
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{}", ended.stderr);
        for word in ["mfa_serial", "needs a person", "trust policy"] {
            assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
        }
    })
    .await;
}
