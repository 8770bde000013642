//! A fetch that takes longer than a caller's patience.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::client::{Answer, Ask};
use crate::daemon::Daemon;
use crate::documents::{ORDERS, ROLES, billing_for_orders, caller};
use crate::site::Site;
use crate::waiting::{Stopwatch, limited};

fn delay(operation: &str, milliseconds: u64) -> Fault {
    Fault::once(operation, FaultKind::Delay { milliseconds })
}

/// The first answer, whatever it is.
async fn at_once(daemon: &Daemon, path: &str) -> Answer {
    Ask::get(path).bearer(ORDERS).over(&daemon.v4()).await.unwrap()
}

#[tokio::test]
async fn a_fetch_of_three_seconds_is_503_within_one_and_then_the_value() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        site.control().fault(delay("token", 3_000));
        let watch = Stopwatch::start();
        let first = at_once(&daemon, "/v1/tokens/billing").await;
        let took = watch.elapsed();
        assert_eq!((first.status, first.json()["error"].as_str()), (503, Some("temporarily_unavailable")));
        assert!(took < Duration::from_millis(2_500), "long before the value: {took:?}");
        assert!(took > Duration::from_millis(500), "it waited for the value: {took:?}");
        assert!((1..=3).contains(&first.retry_after()));
        assert!(first.complaint().contains("tokens.billing"));
        daemon.served("/v1/tokens/billing", ORDERS).await;
        assert!(watch.elapsed() > Duration::from_millis(2_900), "the value is the slow one");
        assert_eq!(site.operations(), ["token"]);
    })
    .await;
}

#[tokio::test]
async fn slow_credentials_are_503_in_the_words_of_sdks() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&format!("{ROLES}{}", caller("orders", &["credentials.orders"]))).await;
        // Each stage is within a second, both together are not.
        site.control().fault(delay("AssumeRole", 700));
        site.control().fault(delay("AssumeRole", 700));
        let first = at_once(&daemon, "/v1/credentials/orders").await;
        assert_eq!((first.status, first.members().len()), (503, 4), "{}", first.text);
        assert!(first.retry_after() >= 1);
        daemon.served("/v1/credentials/orders", ORDERS).await;
        assert_eq!(site.operations(), ["AssumeRole", "AssumeRole"]);
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_hangs_up_cancels_nothing() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        site.control().fault(delay("token", 1_500));
        let mut stream = TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
        let request = format!("GET /v1/tokens/billing HTTP/1.1\r\nHost: localhost\r\nAuthorization: {ORDERS}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        site.asked_times("token", 1).await;
        drop(stream);
        daemon.served("/v1/tokens/billing", ORDERS).await;
        assert_eq!(site.operations(), ["token"], "the fetch went on for those who came later");
    })
    .await;
}
