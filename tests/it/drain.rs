//! How the daemon ends.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};
use tokio::net::TcpStream;

use crate::client::Ask;
use crate::daemon::Daemon;
use crate::documents::{ORDERS, billing_for_orders};
use crate::site::Site;
use crate::waiting::{limited, until};

fn draining_for(drain: &str) -> String {
    format!(
        "[server]\nlisten = [\"loopback:PORT\", \"unix:DIR/api.sock\"]\ndrain = \"{drain}\"\n{}",
        billing_for_orders()
    )
}

async fn is_draining(daemon: &Daemon) {
    let drains = async || Some(daemon.ask(Ask::get("/readyz")).await).filter(|answer| answer.status == 503);
    let answer = until("the drain begins", Duration::from_secs(5), drains).await;
    assert_eq!(answer.header("connection"), Some("close"), "{}", answer.text);
}

#[tokio::test]
async fn a_drain_answers_what_is_in_flight_and_what_still_comes() {
    limited(async {
        let site = Site::open().await;
        let mut daemon = site.daemon(&draining_for("2s")).await;
        site.control().fault(Fault::once("token", FaultKind::Delay { milliseconds: 400 }));
        let in_flight = tokio::spawn({
            let (ask, way) = (Ask::get("/v1/tokens/billing").bearer(ORDERS), daemon.v4());
            async move { ask.over(&way).await }
        });
        site.asked_times("token", 1).await;
        daemon.running.signal("TERM").await;
        is_draining(&daemon).await;
        let answer = in_flight.await.unwrap().unwrap();
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "{}", answer.text);
        let late = daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!((late.status, late.cache()), (200, "hit"), "new callers are served for the time of the drain");

        assert_eq!(daemon.running.wait(Duration::from_secs(6)).await, 0);
        assert!(Ask::get("/healthz").over(&daemon.v4()).await.is_err());
        assert!(!site.dir.path().join("api.sock").exists(), "its socket goes with it");
    })
    .await;
}

#[tokio::test]
async fn a_second_signal_ends_the_drain_at_once() {
    limited(async {
        let site = Site::open().await;
        let mut daemon = site.daemon(&draining_for("1h")).await;
        let held = TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
        daemon.running.signal("TERM").await;
        is_draining(&daemon).await;
        daemon.running.signal("TERM").await;
        // "At once" with the two seconds that the last answers have, and slack for a busy machine.
        assert_eq!(daemon.running.wait(Duration::from_secs(5)).await, 0);
        drop(held);
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_does_not_hold_up_the_end() {
    limited(async {
        let site = Site::open().await;
        let mut daemon = site.daemon(&draining_for("1s")).await;
        let held = TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
        daemon.running.signal("TERM").await;
        assert_eq!(daemon.running.wait(Duration::from_secs(15)).await, 0, "it waits for nobody who says nothing");
        drop(held);
    })
    .await;
}

/// Contract, 5.7 and 2: `drain` is how long to go on answering; with nobody there is nothing to wait for, as the daemon's own
/// words say ("before a draining daemon ends early").
#[tokio::test]
async fn an_idle_daemon_does_not_wait_out_its_drain() {
    limited(async {
        let site = Site::open().await;
        let mut daemon = site.daemon(&draining_for("20s")).await;
        daemon.running.signal("TERM").await;
        assert_eq!(daemon.running.wait(Duration::from_secs(8)).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_hangup_does_not_end_the_daemon() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        daemon.running.signal("HUP").await;
        until("the signal is seen", Duration::from_secs(5), async || {
            daemon.running.printed.text().contains("SIGHUP").then_some(())
        })
        .await;
        assert_eq!(daemon.get("/v1/tokens/billing", ORDERS).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn the_same_port_is_had_again_right_after() {
    limited(async {
        let site = Site::open().await;
        let mut daemon = site.daemon(&draining_for("1s")).await;
        // A connection that the daemon closes first leaves the port in TIME_WAIT.
        let mut held = TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
        let port = daemon.port;
        daemon.running.signal("TERM").await;
        assert_eq!(daemon.running.wait(Duration::from_secs(6)).await, 0);
        crate::client::read_to_end(&mut held).await;
        let again = site.launch(&draining_for("1s")).port(port).start().await;
        assert_eq!(again.get("/v1/tokens/billing", ORDERS).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_killed_daemons_socket_does_not_stop_the_next() {
    limited(async {
        let site = Site::open().await;
        let mut daemon = site.daemon(&billing_for_orders()).await;
        daemon.running.signal("KILL").await;
        assert_eq!(daemon.running.wait(Duration::from_secs(6)).await, -1);
        assert!(site.dir.path().join("api.sock").exists(), "nobody removed it");
        let again = site.daemon(&billing_for_orders()).await;
        assert_eq!(again.ask_over(&again.unix(), Ask::get("/healthz")).await.status, 200);
    })
    .await;
}
