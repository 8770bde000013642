//! What clients get while the source fails, and how long what they get is good for.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};

use super::{ROLE, SESSION, Service, document, limited, own_uid};
use crate::client::{Answer, Ask};
use crate::site::Site;
use crate::waiting::until;

fn down() -> FaultKind {
    FaultKind::Status { status: 503, body: "<html>down</html>".into(), headers: [].into() }
}

/// No `Code`, no JSON: nothing that a client would take for an instance without a role.
fn assert_plain(answer: &Answer) {
    assert_eq!((answer.header("content-type"), answer.header("server")), (Some("text/plain"), Some("EC2ws")));
    assert!(answer.text.starts_with("credentials.orders: ") && !answer.text.contains("<html>"), "{}", answer.text);
}

#[tokio::test]
async fn an_outage_is_503_with_a_time_to_come_back_and_ends_by_itself() {
    limited(async {
        let site = Site::open().await;
        let service = Service::open(&site).await;
        site.control().fault(Fault::always("AssumeRole", down()));
        let answer = service.get(ROLE).await;
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(answer.retry_after() >= 1);
        assert_plain(&answer);
        let roles = service.get("/latest/meta-data/iam/security-credentials/").await;
        assert_eq!((roles.status, &*roles.text), (200, "orders"), "it has a role, at any time");
        site.control().clear_faults();
        until("recovery", Duration::from_secs(15), async || {
            Some(service.get(ROLE).await).filter(|answer| answer.status == 200)
        })
        .await;
        site.control().fault(Fault::always("AssumeRole", down()));
        assert_eq!(service.get(ROLE).await.cache(), "hit", "what is held is served");
    })
    .await;
}

#[tokio::test]
async fn a_refusal_upstream_is_502() {
    limited(async {
        let site = Site::open().await;
        let service = Service::open(&site).await;
        let denied = FaultKind::Error { code: "AccessDenied".into(), status: 403, message: "no".into() };
        site.control().fault(Fault::always("AssumeRole", denied));
        let answer = service.get(ROLE).await;
        assert_eq!(answer.status, 502, "{}", answer.text);
        assert_plain(&answer);
    })
    .await;
}

#[tokio::test]
async fn a_first_fetch_that_takes_long_is_answered_within_the_second_that_clients_wait() {
    limited(async {
        let site = Site::open().await;
        let service = Service::open(&site).await;
        site.control().fault(Fault::once("AssumeRole", FaultKind::Delay { milliseconds: 3_000 }));
        let ask = Ask::get(ROLE).header(SESSION, &service.session().await);
        let first = ask.over(&service.way()).await.unwrap();
        assert_eq!((first.status, first.retry_after()), (503, 1), "{}", first.text);
        let served = until("the fetch goes on", Duration::from_secs(15), async || {
            Some(service.get(ROLE).await).filter(|answer| answer.status == 200)
        })
        .await;
        assert!(served.text.contains("\"Code\":\"Success\""));
        assert_eq!(site.asked("AssumeRole").len(), 2, "hub and orders, once each");
    })
    .await;
}

/// Renewed at half of their life, credentials of an hour have more than 26 minutes left, however late somebody asks; the
/// engine's own tests go through the hours. Here: what the wire says of it.
#[tokio::test]
async fn credentials_are_handed_out_with_26_minutes_left() {
    limited(async {
        let site = Site::open().await;
        let service = Service::launch(site.launch(&document("127.0.0.1:0", own_uid()))).await;
        let held = service.get(ROLE).await.json();
        let instant = |key: &str| held[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
        let life = instant("Expiration") - instant("LastUpdated");
        assert!((26 * 60..=3_601).contains(&life), "{held}");
        let row = service.daemon.get("/v1/status", crate::documents::REPORTS).await.json();
        let row =
            row["credentials"].as_array().unwrap().iter().find(|row| row["name"] == "credentials.orders").unwrap();
        let left_at_due = row["expires_in"].as_i64().unwrap() - row["refresh_due_in"].as_i64().unwrap();
        assert!(left_at_due >= 30 * 60 - 1, "a replacement is sought with {left_at_due} s left");
    })
    .await;
}
