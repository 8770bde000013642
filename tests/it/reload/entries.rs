//! Entries: what stays as it is keeps its lease, whatever else changes, and what is gone leaves nothing behind.

use credbroker_emulator::{Fault, FaultKind};
use nix::unistd::geteuid;

use super::{applied, status};
use crate::documents::{BILLING, LEDGER, ORDERS, ROLES, billing_for_orders, caller};
use crate::memory::image::{are_gone, are_there};
use crate::site::Site;
use crate::waiting::{limited, limited_to};

/// `hub` and `orders`, which is built on it, and the ledger beside them.
fn chain(roles: &str) -> String {
    let allow = ["tokens.ledger", "credentials.own", "credentials.hub", "credentials.orders"];
    format!("{LEDGER}{roles}{}", caller("orders", &allow))
}

#[tokio::test]
async fn an_entry_that_stays_keeps_its_lease_its_counts_and_its_trouble() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let token = daemon.get("/v1/tokens/billing", ORDERS).await.token();
        let before = daemon.row("tokens.billing", "").await;

        let both = format!("{BILLING}{LEDGER}{}", caller("orders", &["tokens.ledger", "tokens.billing"]));
        applied(&site, &daemon, &both).await;
        let answer = daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!((answer.cache(), answer.token()), ("hit", token.clone()));
        let after = daemon.row("tokens.billing", "").await;
        assert_eq!(after["upstream_requests"], 1);
        assert_eq!(after["hits"].as_u64(), Some(before["hits"].as_u64().unwrap() + 1), "it goes on counting");
        assert_eq!(after["refresh_due_at"], before["refresh_due_at"]);
        daemon.served("/v1/tokens/ledger", ORDERS).await;

        applied(&site, &daemon, &billing_for_orders()).await;
        assert_eq!(daemon.get("/v1/tokens/ledger", ORDERS).await.status, 404, "it is configured no longer");
        let rows = status(&daemon).await["tokens"].clone();
        assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
        assert_eq!(daemon.get("/v1/tokens/billing", ORDERS).await.token(), token);
        assert_eq!((site.asked("token").len(), site.asked("GetClientToken").len()), (1, 1));

        // Added again, it is another one.
        applied(&site, &daemon, &both).await;
        daemon.served("/v1/tokens/ledger", ORDERS).await;
        assert_eq!(site.asked("GetClientToken").len(), 2);
    })
    .await;
}

#[tokio::test]
async fn an_entry_that_changes_is_asked_for_anew_and_no_other() {
    limited(async {
        let site = Site::open().await;
        let both = format!("{BILLING}{LEDGER}{}", caller("orders", &["tokens.ledger", "tokens.billing"]));
        let daemon = site.daemon(&both).await;
        daemon.served("/v1/tokens/ledger", ORDERS).await;
        daemon.served("/v1/tokens/billing", ORDERS).await;
        let narrower = both.replacen("[\"billing/read\", \"billing/write\"]", "[\"billing/write\"]", 1);
        assert_ne!(narrower, both);
        applied(&site, &daemon, &narrower).await;
        let answer = daemon.served("/v1/tokens/billing", ORDERS).await;
        assert_eq!(answer.json()["scope"], "billing/write", "{}", answer.text);
        assert_eq!(daemon.get("/v1/tokens/ledger", ORDERS).await.cache(), "hit");
        assert_eq!((site.asked("token").len(), site.asked("GetClientToken").len()), (2, 1));
    })
    .await;
}

#[tokio::test]
async fn how_fresh_an_entry_is_kept_can_change_without_a_request() {
    limited(async {
        let site = Site::open().await;
        let roles = |hub: &str| ROLES.replacen("role/hub\"\n", &format!("role/hub\"\n{hub}"), 1);
        let document = |refresh: &str, hub: &str| {
            let allow = ["tokens.billing", "credentials.own", "credentials.hub", "credentials.orders"];
            format!("{refresh}{BILLING}{}{}", roles(hub), caller("orders", &allow))
        };
        let daemon = site.daemon(&document("", "")).await;
        let token = daemon.served("/v1/tokens/billing", ORDERS).await.token();
        let key = daemon.served("/v1/credentials/orders", ORDERS).await.json()["SecretAccessKey"].clone();
        let asked = site.operations();
        let is_held = async || {
            let answer = daemon.get("/v1/tokens/billing", ORDERS).await;
            assert_eq!((answer.cache(), answer.token()), ("hit", token.clone()), "{}", answer.text);
            let answer = daemon.get("/v1/credentials/orders", ORDERS).await;
            assert_eq!((answer.status, &answer.json()["SecretAccessKey"]), (200, &key), "{}", answer.text);
            assert_eq!(site.operations(), asked, "not one request more");
        };
        let due_after = async || daemon.row("tokens.billing", "").await["refresh_due_after"].as_u64().unwrap();
        let before = due_after().await;

        applied(&site, &daemon, &document("[refresh]\nahead = 0.5\n", "")).await;
        is_held().await;
        let after = due_after().await;
        assert!(after * 10 < before * 9, "what is held is renewed sooner: {after} after {before}");
        // With the upstream gone, and of an earlier stage too.
        for operation in ["token", "AssumeRole"] {
            site.control().fault(Fault::always(operation, FaultKind::Cut { after_bytes: 0 }));
        }
        applied(&site, &daemon, &document("[refresh]\nkeep = \"always\"\n", "outage_cover = \"10m\"\n")).await;
        is_held().await;
        assert_eq!(daemon.row("tokens.billing", "").await["keep"], "always");
    })
    .await;
}

#[tokio::test]
async fn what_is_built_on_an_entry_that_changes_is_asked_for_anew_too() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&chain(ROLES)).await;
        daemon.served("/v1/credentials/orders", ORDERS).await;
        daemon.served("/v1/tokens/ledger", ORDERS).await;
        assert_eq!(site.asked("AssumeRole").len(), 2, "the hub, and the role behind it");

        applied(&site, &daemon, &chain(ROLES)).await;
        assert_eq!(daemon.get("/v1/credentials/orders", ORDERS).await.cache(), "hit");
        // The hub lasts another time; `orders` is written as it was.
        let longer = ROLES.replacen("role/hub\"\n", "role/hub\"\nduration = \"30m\"\n", 1);
        applied(&site, &daemon, &chain(&longer)).await;
        daemon.served("/v1/credentials/orders", ORDERS).await;
        assert_eq!(site.asked("AssumeRole").len(), 4);
        assert_eq!(daemon.get("/v1/tokens/ledger", ORDERS).await.cache(), "hit");

        // The place in AWS is something that every role stands on.
        applied(&site, &daemon, &format!("[aws]\nregion = \"eu-west-1\"\n{}", chain(&longer))).await;
        daemon.served("/v1/credentials/orders", ORDERS).await;
        assert_eq!(site.asked("AssumeRole").len(), 6);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_left_in_memory_of_an_entry_that_was_taken_away() {
    if !geteuid().is_root() {
        eprintln!("only root may read the daemon's memory: that others may not is another test's");
        return;
    }
    limited_to(std::time::Duration::from_secs(60), async {
        let site = Site::open().await;
        let both = format!("{BILLING}{LEDGER}{}", caller("orders", &["tokens.ledger", "tokens.billing"]));
        let daemon = site.daemon(&both).await;
        let signature = |token: String| token.rsplit('.').next().unwrap().to_owned();
        let ledger = signature(daemon.served("/v1/tokens/ledger", ORDERS).await.token());
        let billing = signature(daemon.served("/v1/tokens/billing", ORDERS).await.token());
        are_there(&daemon.running, &[("ledger".into(), ledger.clone()), ("billing".into(), billing.clone())]).await;
        applied(&site, &daemon, &billing_for_orders()).await;
        are_gone(&daemon.running, &[("ledger".into(), ledger)]).await;
        are_there(&daemon.running, &[("billing".into(), billing)]).await;
    })
    .await;
}
