//! What systemd hears while the daemon runs, and what it does for want of it.

use std::time::Duration;

use serde_json::Value;

use super::{activated, kept};
use crate::client::Ask;
use crate::documents::{BILLING, ORDERS, caller};
use crate::site::Site;
use crate::supervisor::{End, Supervisor};
use crate::waiting::{limited, limited_to, until};

#[tokio::test]
async fn systemd_hears_how_many_entries_are_usable_and_of_the_end() {
    limited(async {
        let site = Site::open().await;
        let always = format!("{BILLING}keep = \"always\"\n{}", caller("orders", &["tokens.billing"]));
        let mut service = Supervisor::start(site.launch(&kept(&always))).await;
        until("the status of a held token", Duration::from_secs(20), async || {
            service.status().is_some_and(|status| status.ends_with("; 1 of 1 entries usable")).then_some(())
        })
        .await;
        assert!(service.status().unwrap().starts_with("serving on 127.0.0.1:"), "{:?}", service.status());
        service.daemon.running.signal("TERM").await;
        assert_eq!(service.ended().await, End::Itself(0));
        assert!(service.has_said("STOPPING=1"), "{:?}", service.messages());
        assert_eq!(service.status().as_deref(), Some("draining"));
    })
    .await;
}

/// Row 70: a process in which nothing moves, which only its systemd can mend.
#[tokio::test]
async fn a_process_that_hangs_is_killed_and_replaced_and_who_asked_meanwhile_is_answered() {
    limited_to(Duration::from_secs(60), async {
        let site = Site::open().await;
        let limit = Duration::from_secs(3);
        let mut service = Supervisor::start_watching(site.launch(&activated("drain = \"0s\"")), limit).await;
        service.daemon.served("/v1/tokens/billing", ORDERS).await;
        let fed = || service.messages().iter().filter(|message| message.contains("WATCHDOG=1")).count();
        until("the watchdog is fed", Duration::from_secs(10), async || (fed() >= 2).then_some(())).await;

        service.daemon.running.freeze().await;
        let (ask, way) = (Ask::get("/v1/tokens/billing").bearer(ORDERS), service.daemon.v6());
        let waiting = tokio::spawn(async move { ask.over(&way).await });
        // It must not have been accepted by the process that will be killed: it is frozen.
        assert_eq!(service.next().await, End::Watchdog);
        let answer = waiting.await.unwrap().unwrap();
        assert_eq!((answer.status, answer.cache()), (200, "hit"), "{}", answer.text);
        assert_eq!(site.operations(), ["token"]);
    })
    .await;
}

#[tokio::test]
async fn a_daemon_whose_upstream_hangs_feeds_its_watchdog_and_counts_no_request_of_its_own() {
    limited(async {
        let site = Site::open().await;
        let launch = site.launch(&activated("drain = \"0s\""));
        site.emulator.shutdown().await;
        let service = Supervisor::start_watching(launch, Duration::from_secs(2)).await;
        assert_eq!(service.daemon.get("/v1/tokens/billing", ORDERS).await.status, 503);
        let fed = || service.messages().iter().filter(|message| message.contains("WATCHDOG=1")).count();
        until("the watchdog is fed", Duration::from_secs(15), async || (fed() >= 5).then_some(())).await;
        let status = async || service.daemon.get("/v1/status", ORDERS).await.json();
        let (first, second) = (status().await, status().await);
        let requests = |status: &Value| status["requests"].as_u64().unwrap();
        assert_eq!(requests(&second), requests(&first) + 1, "the one before");
        assert!(requests(&first) < 5, "{} requests, of which there were a few", requests(&first));
        let health = &second["load"]["answers"]["health"];
        assert!(health["2xx"].as_u64().is_none_or(|answers| answers < 3), "{health}");
    })
    .await;
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_and_the_leases_are_kept_all_the_same() {
    limited(async {
        let site = Site::open().await;
        let mut service = Supervisor::start(site.launch(&activated("drain = \"1h\""))).await;
        service.daemon.served("/v1/tokens/billing", ORDERS).await;
        service.daemon.running.signal("TERM").await;
        until("the drain", Duration::from_secs(5), async || {
            (service.daemon.ask(Ask::get("/readyz")).await.status == 503).then_some(())
        })
        .await;
        service.daemon.running.signal("TERM").await;
        assert_eq!(service.next().await, End::Itself(0));
        let answer = service.daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!((answer.status, answer.cache()), (200, "hit"), "{}", answer.text);
    })
    .await;
}
