//! With the token of another entry; and what becomes of an issuer that STS cannot reach.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};
use serde_json::{Value, json};

use super::{failed_fetches, reports, subjects};
use crate::documents::{ORDERS, REPORTS, caller};
use crate::site::Site;
use crate::waiting::{limited, until};

const OPERATION: &str = "AssumeRoleWithWebIdentity";

/// The partner's token, whose subject the role trusts.
const PARTNER: &str = r#"
[tokens.partner]
from           = "oauth2"
token_endpoint = "EMULATOR/as/partner/token"
client_id      = "reports-client"
client_auth    = "basic"
client_secret  = { file = "DIR/partner.secret" }
audience       = "sts.amazonaws.com"
"#;

async fn site() -> Site {
    let site = Site::open().await;
    site.write("partner.secret", "reports-secret-0123456789\n");
    site
}

fn document(more: &str, callers: &[&str]) -> String {
    let callers: String = callers.iter().map(|name| caller(name, &["credentials.reports"])).collect();
    format!("{PARTNER}{}{callers}", reports("reports", "\"tokens.partner\"", more))
}

fn unreachable(count: u64) -> Fault {
    let kind = FaultKind::Error { code: "IDPCommunicationError".into(), status: 400, message: String::new() };
    Fault { count, ..Fault::once(OPERATION, kind) }
}

#[tokio::test]
async fn the_token_of_another_entry_is_exchanged_unsigned() {
    limited(async {
        let site = site().await;
        let more = "session_name = \"{caller}\"\nduration = \"15m\"\n\
                    policy = { json = '{\"Statement\":[]}' }\npolicy_arns = [\"arn:aws:iam::aws:policy/ReadOnlyAccess\"]";
        let daemon = site.daemon(&document(more, &["orders"])).await;
        let answer = daemon.get("/v1/credentials/reports", ORDERS).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let body = answer.json();
        let members = ["AccessKeyId", "AccountId", "Expiration", "RoleArn", "SecretAccessKey", "Token"];
        assert_eq!(answer.members(), members);
        assert_eq!(site.whose(&body).await, "arn:aws:sts::111122223333:assumed-role/reports/orders");
        assert_eq!(site.operations(), ["as/partner/token", OPERATION, "GetCallerIdentity"]);
        let mut asked = site.asked(OPERATION).remove(0);
        assert_eq!(asked.principal, None, "it needs no identity of ours");
        assert_eq!(asked.parameters.remove("access_key_id").as_ref(), Some(&body["AccessKeyId"]));
        let expected = json!({
            "role_arn": "arn:aws:iam::111122223333:role/reports",
            "session_name": "orders",
            "duration_seconds": 900,
            "policy": { "Statement": [] },
            "policy_arns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
            "subject": "reports-client",
            "audience": "sts.amazonaws.com",
            "granted_seconds": 900,
        });
        assert_eq!(Value::Object(asked.parameters), expected);
    })
    .await;
}

#[tokio::test]
async fn callers_share_a_session_unless_it_names_them() {
    limited(async {
        for (more, sessions) in [("", 1), ("session_name = \"{caller}\"", 2)] {
            let site = site().await;
            let daemon = site.daemon(&document(more, &["orders", "reports"])).await;
            for token in [ORDERS, REPORTS, ORDERS, REPORTS] {
                daemon.served("/v1/credentials/reports", token).await;
            }
            assert_eq!(site.asked(OPERATION).len(), sessions, "{more}");
            assert_eq!(site.asked("as/partner/token").len(), 1, "{more}: they share the token in any case");
        }
    })
    .await;
}

#[tokio::test]
async fn an_issuer_that_sts_cannot_reach_at_once_is_not_noticed() {
    limited(async {
        let site = site().await;
        site.control().fault(unreachable(2));
        let daemon = site.daemon(&document("", &["orders"])).await;
        daemon.served("/v1/credentials/reports", ORDERS).await;
        assert_eq!((subjects(&site).len(), failed_fetches(&daemon).await), (3, json!(0)), "all in one fetch");
        assert_eq!(site.asked("as/partner/token").len(), 1, "the token is not to blame");
    })
    .await;
}

#[tokio::test]
async fn an_issuer_that_sts_cannot_reach_is_unavailable() {
    limited(async {
        let site = site().await;
        site.control().fault(unreachable(3));
        let daemon = site.daemon(&document("", &["orders"])).await;
        let answer = until("the fetch is given up", Duration::from_secs(10), async || {
            let answer = daemon.get("/v1/credentials/reports", ORDERS).await;
            Some(answer).filter(|answer| answer.json()["code"] != "CredentialsUninitialized")
        })
        .await;
        assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("UpstreamUnavailable")), "{}", answer.text);
        assert!(answer.complaint().contains("IDPCommunicationError"), "{}", answer.complaint());
        assert!(answer.retry_after() >= 1);
        assert_eq!(subjects(&site).len(), 3);
        daemon.served("/v1/credentials/reports", ORDERS).await;
        assert_eq!(subjects(&site).len(), 4);
    })
    .await;
}

/// A token is not fetched twice within ten seconds only because STS calls it expired: clocks that differ would storm its source.
#[tokio::test]
async fn a_token_that_sts_calls_expired_is_fetched_anew_before_long() {
    limited(async {
        let site = site().await;
        let kind = FaultKind::Error { code: "ExpiredTokenException".into(), status: 400, message: String::new() };
        site.control().fault(Fault::always(OPERATION, kind));
        let daemon = site.daemon(&document("", &["orders"])).await;
        let answer = daemon.get("/v1/credentials/reports", ORDERS).await;
        assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("UpstreamUnavailable")), "{}", answer.text);
        assert_eq!(site.asked("as/partner/token").len(), 1);
        until("the token is fetched anew", Duration::from_secs(20), async || {
            daemon.get("/v1/credentials/reports", ORDERS).await;
            (site.asked("as/partner/token").len() == 2).then_some(())
        })
        .await;
        site.control().clear_faults();
        daemon.served("/v1/credentials/reports", ORDERS).await;
        assert_eq!(site.asked("as/partner/token").len(), 2);
        let fetches = failed_fetches(&daemon).await.as_u64().unwrap() + 1;
        let exchanges = u64::try_from(subjects(&site).len()).unwrap();
        assert_eq!(exchanges, fetches + 1, "the fetch that got the new token went on with it");
    })
    .await;
}

#[tokio::test]
async fn a_subject_that_the_role_does_not_trust_is_denied() {
    limited(async {
        let site = site().await;
        site.write("partner.secret", "revoked-secret-0123456789");
        let revoked = document("", &["orders"]).replace("reports-client", "revoked-client");
        let daemon = site.daemon(&revoked).await;
        let answer = daemon.get("/v1/credentials/reports", ORDERS).await;
        assert_eq!((answer.status, &answer.json()["code"]), (502, &json!("UpstreamDenied")), "{}", answer.text);
        for word in ["credentials.reports", "IDPRejectedClaim", "get a new one there"] {
            assert!(answer.complaint().contains(word), "{word}: {}", answer.complaint());
        }
    })
    .await;
}
