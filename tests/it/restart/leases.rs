//! The leases outlive the process, in memory only.

use std::time::Duration;

use super::{activated, kept};
use crate::documents::{BILLING, ORDERS, ROLES, caller};
use crate::site::Site;
use crate::supervisor::{End, Supervisor};
use crate::waiting::{limited, until};

/// Waits until the store holds something.
pub async fn is_stored(service: &Supervisor) {
    until("the leases in the store", Duration::from_secs(10), async || (service.stored().len() == 1).then_some(()))
        .await;
}

#[tokio::test]
async fn a_restart_asks_nothing_upstream_and_serves_what_was_held() {
    limited(async {
        let site = Site::open().await;
        let document =
            kept(&format!("{BILLING}{ROLES}{}", caller("orders", &["tokens.billing", "credentials.orders"])));
        let mut service = Supervisor::start(site.launch(&document)).await;
        let paths = ["/v1/tokens/billing", "/v1/tokens/billing?scope=billing/read", "/v1/credentials/orders"];
        let ask = async |service: &Supervisor| {
            let mut values = Vec::new();
            for path in paths {
                let answer = service.daemon.get(path, ORDERS).await;
                assert_eq!(answer.status, 200, "{path}: {}", answer.text);
                let json = answer.json();
                let value = json.get("access_token").or(json.get("SecretAccessKey")).cloned();
                values.push((value.unwrap(), json.get("Expiration").cloned(), json.get("scope").cloned()));
            }
            values
        };
        let before = ask(&service).await;
        let asked = site.operations();
        service.restart().await;
        assert_eq!(ask(&service).await, before, "the same values, with the same ends");
        let hit = service.daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!(hit.cache(), "hit");
        assert_eq!(site.operations(), asked, "not one request more");
        assert!(service.daemon.logged().await.contains("what the last process has left is held"));
        assert_eq!(service.stored().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_its_leases_too() {
    limited(async {
        let site = Site::open().await;
        let mut service = Supervisor::start(site.launch(&activated(""))).await;
        let before = service.daemon.served("/v1/tokens/billing", ORDERS).await.json();
        is_stored(&service).await;
        service.kill().await;
        let after = service.daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!((after.status, after.cache()), (200, "hit"), "{}", after.text);
        assert_eq!(after.json()["access_token"], before["access_token"]);
        assert_eq!(site.operations(), ["token"]);
    })
    .await;
}

#[tokio::test]
async fn without_a_store_nothing_is_sent_to_systemd() {
    limited(async {
        let site = Site::open().await;
        let mut service = Supervisor::start_without_store(site.launch(&activated(""))).await;
        service.daemon.served("/v1/tokens/billing", ORDERS).await;
        service.daemon.running.signal("TERM").await;
        assert_eq!(service.ended().await, End::Itself(0));
        assert!(service.messages().iter().all(|message| !message.contains("FDSTORE")), "{:?}", service.messages());
        assert_eq!(service.stored(), Vec::<String>::new());
    })
    .await;
}
