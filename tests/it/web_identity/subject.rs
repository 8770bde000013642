//! With a token that the caller brings.

use credbroker_emulator::Mint;
use serde_json::{Value, json};

use super::{reports, subjects};
use crate::asking::seconds_of;
use crate::client::{Answer, Ask};
use crate::daemon::Daemon;
use crate::documents::{ORDERS, caller};
use crate::jwt::expiry;
use crate::site::Site;
use crate::users::{USERS, id_token, mint, order};
use crate::waiting::limited;

const OPERATION: &str = "AssumeRoleWithWebIdentity";

/// `credentials.verified`, whose subject tokens are verified here, and `credentials.passed`, whose are not.
fn document() -> String {
    let entries = [
        reports("verified", "\"caller\"", "issuer = \"issuers.users\""),
        reports("passed", "\"caller\"", "session_name = \"{caller}\""),
    ];
    format!("{USERS}{}{}", entries.concat(), caller("orders", &["credentials.verified", "credentials.passed"]))
}

async fn exchange(daemon: &Daemon, name: &str, token: &str) -> Answer {
    let ask = Ask::form(&format!("/v1/credentials/{name}"), &[("subject_token", token)]);
    daemon.ask(ask.bearer(ORDERS)).await
}

#[tokio::test]
async fn a_subject_token_is_exchanged_with_and_without_an_issuer() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        for (name, session) in [("verified", "credbroker"), ("passed", "orders")] {
            site.control().clear_journal();
            let (ann, bob) = (id_token(&site, "ann"), id_token(&site, "bob"));
            let mut keys = Vec::new();
            for (token, cache) in [(&ann, "miss"), (&bob, "miss"), (&ann, "hit")] {
                let answer = exchange(&daemon, name, token).await;
                assert_eq!((answer.status, answer.cache()), (200, cache), "{name}: {}", answer.text);
                keys.push(answer.json()["AccessKeyId"].clone());
            }
            assert_eq!(subjects(&site), ["ann", "bob"], "{name}");
            let issued: Vec<Value> =
                site.asked(OPERATION).iter().map(|asked| asked.parameters["access_key_id"].clone()).collect();
            assert_eq!(keys, [&issued[0], &issued[1], &issued[0]].map(Clone::clone), "{name}: to each his own");
            let body = exchange(&daemon, name, &bob).await.json();
            let who = format!("arn:aws:sts::111122223333:assumed-role/reports/{session}");
            assert_eq!(site.whose(&body).await, who);
        }
    })
    .await;
}

#[tokio::test]
async fn a_bad_subject_token_costs_a_request_only_where_nobody_verifies_it_first() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let good = id_token(&site, "ann");
        let forged = format!("{}.{}", good.rsplit_once('.').unwrap().0, "A".repeat(342));
        let verified = exchange(&daemon, "verified", &forged).await;
        assert_eq!((verified.status, &verified.json()["code"]), (400, &json!("InvalidSubjectToken")));
        assert_eq!(site.operations(), ["jwks"]);
        let passed = exchange(&daemon, "passed", &forged).await;
        assert_eq!((passed.status, &passed.json()["code"]), (502, &json!("UpstreamDenied")), "{}", passed.text);
        assert!(passed.complaint().contains("InvalidIdentityToken"), "{}", passed.complaint());
        assert_eq!(site.operations(), ["jwks", OPERATION]);
        assert_eq!(exchange(&daemon, "passed", &good).await.status, 200, "another's refusal is not held against it");
    })
    .await;
}

#[tokio::test]
async fn an_expired_subject_token_is_refused_here_in_either_case() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let expired = mint(&site.control(), &Mint { lifetime: -10, ..order("ann") });
        for name in ["verified", "passed"] {
            let answer = exchange(&daemon, name, &expired).await;
            assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("InvalidSubjectToken")), "{name}");
            assert!(answer.complaint().contains("expired"), "{}", answer.complaint());
        }
        assert_eq!(site.asked(OPERATION), []);
    })
    .await;
}

#[tokio::test]
async fn credentials_never_outlive_the_subject_token() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        for name in ["verified", "passed"] {
            let token = mint(&site.control(), &Mint { lifetime: 60, ..order("ann") });
            let answer = exchange(&daemon, name, &token).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text);
            let end = seconds_of(answer.json()["Expiration"].as_str().unwrap());
            let early = i64::from(expiry(&token)) - end;
            assert!((0..=1).contains(&early), "{name}: they end {early} s before the token");
            assert_eq!(site.asked(OPERATION).last().unwrap().parameters["granted_seconds"], 3_600);
        }
    })
    .await;
}
