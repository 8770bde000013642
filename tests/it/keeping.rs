//! What is fetched and renewed without being asked for, and readiness.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};

use crate::client::{Answer, Ask};
use crate::daemon::Daemon;
use crate::documents::{BILLING, LEDGER, ORDERS, REPORTS, ROLES, billing_for_orders, caller, token_called};
use crate::site::Site;
use crate::waiting::{limited, until};

async fn readiness(daemon: &Daemon) -> Answer {
    daemon.ask(Ask::get("/readyz")).await
}

async fn ready(daemon: &Daemon) {
    until("ready", Duration::from_secs(15), async || (readiness(daemon).await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn always_is_fetched_at_the_start_and_renewed_without_being_asked_for() {
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime("token", 2);
        let document =
            format!("{}{}", token_called("billing", "keep = \"always\""), caller("orders", &["tokens.billing"]));
        let daemon = site.daemon(&document).await;
        site.asked_times("token", 3).await;
        assert_eq!(daemon.get("/v1/tokens/billing", ORDERS).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn always_is_fetched_for_each_caller_where_the_caller_matters() {
    limited(async {
        let site = Site::open().await;
        let roles = ROLES.replace("session_name =", "keep = \"always\"\nsession_name =");
        let callers = [caller("orders", &["credentials.orders"]), caller("reports", &["credentials.orders"])].concat();
        let daemon = site.daemon(&format!("{roles}{callers}")).await;
        ready(&daemon).await;
        for token in [ORDERS, REPORTS] {
            assert_eq!(daemon.get("/v1/credentials/orders", token).await.cache(), "hit");
        }
        assert_eq!(site.asked("AssumeRole").len(), 3, "hub, and orders for both callers");
    })
    .await;
}

#[tokio::test]
async fn used_is_not_renewed_when_nobody_asks() {
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime("token", 2);
        site.control().set_lifetime("GetClientToken", 2);
        let document = format!("{BILLING}{LEDGER}keep = \"always\"\n{}", caller("orders", &["tokens.billing"]));
        let daemon = site.daemon(&document).await;
        let token = daemon.get("/v1/tokens/billing", ORDERS).await.token();
        // The sibling of the same lifetime is the clock: meanwhile it is renewed again and again.
        let before = site.asked("GetClientToken").len();
        site.asked_times("GetClientToken", before + 4).await;
        let asked = site.asked("token").len();
        assert!(asked <= 2, "asked for once, and at most once renewed for whoever asked: {asked} requests");
        let fresh = daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!(fresh.cache(), "miss");
        assert_ne!(fresh.token(), token);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_fetched_before_it_is_asked_for() {
    limited(async {
        let site = Site::open().await;
        let document = format!("{BILLING}{LEDGER}keep = \"always\"\n{}", caller("orders", &["tokens.billing"]));
        let daemon = site.daemon(&document).await;
        ready(&daemon).await;
        assert_eq!(site.operations(), ["GetClientToken"], "only what is always kept");
    })
    .await;
}

#[tokio::test]
async fn readiness_waits_for_what_is_always_kept_and_the_rest_is_served_meanwhile() {
    limited(async {
        let site = Site::open().await;
        site.control()
            .fault(Fault::always("token", FaultKind::Status { status: 503, body: String::new(), headers: [].into() }));
        let always = token_called("billing", "keep = \"always\"");
        let daemon =
            site.daemon(&format!("{always}{LEDGER}{}", caller("orders", &["tokens.billing", "tokens.ledger"]))).await;
        site.asked_times("token", 1).await;
        let waiting = readiness(&daemon).await;
        assert_eq!(waiting.status, 503, "{}", waiting.text);
        assert!(!waiting.text.contains("billing"), "anybody may read it, so it names no entry: {}", waiting.text);
        assert_eq!(daemon.ask(Ask::get("/healthz")).await.status, 200);
        assert_eq!(daemon.get("/v1/tokens/ledger", ORDERS).await.status, 200);

        site.control().clear_faults();
        ready(&daemon).await;
        assert_eq!(daemon.get("/v1/tokens/billing", ORDERS).await.cache(), "hit");
    })
    .await;
}

#[tokio::test]
async fn status_tells_callers_what_is_held_and_never_a_token() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let empty = daemon.get("/v1/status", ORDERS).await.json();
        assert_eq!(
            (empty["tokens"][0]["name"].as_str(), empty["tokens"][0]["state"].as_str()),
            (Some("tokens.billing"), Some("empty"))
        );
        let token = daemon.get("/v1/tokens/billing", ORDERS).await.token();
        daemon.get("/v1/tokens/billing", ORDERS).await;
        let status = daemon.get("/v1/status", ORDERS).await;
        assert!(!status.text.contains(&token));
        let row = &status.json()["tokens"][0];
        assert_eq!(
            (row["state"].as_str(), &row["upstream_requests"], &row["upstream_avoided"]),
            (Some("fresh"), &1.into(), &1.into())
        );
        let (due, ends) = (row["refresh_due_in"].as_u64().unwrap(), row["expires_in"].as_u64().unwrap());
        assert!(
            (2_490..=2_890).contains(&due) && (3_580..=3_600).contains(&ends),
            "due in {due} s, expires in {ends} s"
        );

        site.control().fault(Fault::once("token", FaultKind::Throttle { retry_after: None }));
        daemon.get("/v1/tokens/billing?scope=billing/read", ORDERS).await;
        let rows = daemon.get("/v1/status", ORDERS).await.json();
        let failed = rows["tokens"].as_array().unwrap().iter().find(|row| row["scope"] == "billing/read").unwrap();
        assert_eq!(
            (failed["state"].as_str(), failed["last_error"]["kind"].as_str()),
            (Some("failed"), Some("throttled"))
        );
    })
    .await;
}
