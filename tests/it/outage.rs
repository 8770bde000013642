//! An upstream that stops after the first fetch. The lifetimes are real seconds on the real clock.

use std::time::Duration;

use credbroker_emulator::{Emulator, Fault, FaultKind, World};

use crate::client::Answer;
use crate::daemon::Daemon;
use crate::documents::{ORDERS, WORLD, billing_for_orders};
use crate::jwt::expiry;
use crate::site::Site;
use crate::waiting::{limited, until, wall};

const PATH: &str = "/v1/tokens/billing";

fn down() -> Fault {
    Fault::always("token", FaultKind::Status { status: 503, body: "<html>down</html>".to_owned(), headers: [].into() })
}

/// Asks until the answer is no longer 200, and holds every answer against the token's own `exp`.
async fn ask_until_expiry(daemon: &Daemon, exp: u32) -> Answer {
    let exp = f64::from(exp);
    until("the token expires", Duration::from_secs(10), async || {
        let sent = wall();
        let answer = daemon.get(PATH, ORDERS).await;
        let received = wall();
        if answer.status == 200 {
            assert!(sent < exp, "served {:.3} s after its expiry", sent - exp);
            assert_eq!(f64::from(expiry(&answer.token())), exp, "upstream gives no other one");
            assert!(matches!(answer.cache(), "hit" | "stale"), "{}", answer.cache());
            return None;
        }
        // The broker counts on another clock than `exp`; 50 ms are for the reading of both.
        assert!(received > exp - 0.05, "refused {:.3} s before its expiry: {}", exp - received, answer.text);
        Some(answer)
    })
    .await
}

#[tokio::test]
async fn a_token_is_served_until_it_expires_and_never_after() {
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime("token", 5);
        let daemon = site.daemon(&billing_for_orders()).await;
        let token = daemon.get(PATH, ORDERS).await.token();
        site.control().fault(down());
        let refused = ask_until_expiry(&daemon, expiry(&token)).await;
        assert!(matches!(refused.status, 503 | 504), "{} {}", refused.status, refused.text);
        assert!(!refused.text.contains("down") && refused.complaint().contains("tokens.billing"), "{}", refused.text);

        site.control().clear_faults();
        // What Retry-After says is enough; two seconds of slack for the fetch and for a busy machine.
        let patience = Duration::from_secs(refused.retry_after() + 2);
        let recovered = until("recovery after Retry-After", patience, async || {
            Some(daemon.get(PATH, ORDERS).await).filter(|a| a.status == 200)
        })
        .await;
        assert_ne!(recovered.token(), token);
    })
    .await;
}

#[tokio::test]
async fn requests_during_an_outage_do_not_storm_the_source() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        site.control().fault(down());
        let first = daemon.get(PATH, ORDERS).await;
        assert_eq!(first.status, 503, "{}", first.text);
        for _ in 0..50 {
            assert_eq!(daemon.get(PATH, ORDERS).await.status, 503);
        }
        let asked = site.asked("token").len();
        assert!(asked <= 2, "51 requests within a second or so made {asked} upstream");
    })
    .await;
}

#[tokio::test]
async fn an_upstream_that_is_gone_is_outlived_and_found_again() {
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime("token", 3);
        let daemon = site.daemon(&billing_for_orders()).await;
        let token = daemon.get(PATH, ORDERS).await.token();
        let address = site.emulator.url().trim_start_matches("http://").parse().unwrap();
        site.emulator.shutdown().await;
        let refused = ask_until_expiry(&daemon, expiry(&token)).await;
        assert!(matches!(refused.status, 503 | 504), "{} {}", refused.status, refused.text);
        assert!(refused.retry_after() >= 1);
        let alive = daemon.get("/healthz", "nobody").await;
        assert_eq!(alive.status, 200, "the daemon itself is well");

        let again = Emulator::start(World::from_toml(WORLD).unwrap_or_else(|e| panic!("{e}")), address).await.unwrap();
        daemon.served(PATH, ORDERS).await;
        assert!(again.control().journal().iter().all(|asked| asked.operation == "token"));
    })
    .await;
}

#[tokio::test]
async fn a_failed_refresh_never_displaces_a_valid_token() {
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime("token", 20);
        let daemon = site.daemon(&format!("[refresh]\nahead = 0.1\n{}", billing_for_orders())).await;
        let token = daemon.get(PATH, ORDERS).await.token();
        for kind in [FaultKind::Cut { after_bytes: 20 }, FaultKind::Throttle { retry_after: None }] {
            site.control().fault(Fault::once("token", kind));
        }
        // The first refresh is cut off, the second is throttled; the token stays through both.
        until("two refreshes fail", Duration::from_secs(12), async || {
            let answer = daemon.get(PATH, ORDERS).await;
            let asked = site.asked("token").len();
            assert!(asked > 2 || answer.token() == token, "displaced after {asked} requests");
            (asked >= 3).then_some(())
        })
        .await;
        let fresh = until("the third refresh succeeds", Duration::from_secs(12), async || {
            let answer = daemon.get(PATH, ORDERS).await;
            assert!(answer.token() != token || answer.cache() == "stale", "{}", answer.cache());
            (answer.token() != token).then_some(answer)
        })
        .await;
        assert_eq!(fresh.cache(), "hit");
    })
    .await;
}
