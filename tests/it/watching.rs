//! `credbroker status --watch`, piped; on a terminal it is tried with one, in the conformance tests.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::daemon::{Daemon, free_port};
use crate::documents::{ORDERS, billing_for_orders};
use crate::process::{self, CREDBROKER, Running};
use crate::site::{Site, credbroker};
use crate::waiting::{limited, until};

const PATIENCE: Duration = Duration::from_secs(15);

fn watch(daemon: &Daemon, arguments: &[&str]) -> Running {
    let environment = [("CREDBROKER_URL", daemon.url()), ("CREDBROKER_TOKEN", ORDERS.to_owned())];
    let environment = environment.map(|(name, value)| (name.to_owned(), value));
    let mut command = process::command(CREDBROKER, &daemon.dir, &environment);
    command.args(["status", "--watch=1s"]).args(arguments).stdout(Stdio::piped());
    Running::spawn(command)
}

async fn printed(watch: &Running, what: &str, times: usize) {
    until(what, PATIENCE, async || (watch.printed.text().matches(what).count() >= times).then_some(())).await;
}

#[tokio::test]
async fn piped_it_is_one_plain_snapshot_after_the_other() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let mut watch = watch(&daemon, &[]);
        printed(&watch, "credbroker 0", 1).await;
        daemon.served("/v1/tokens/billing", ORDERS).await;
        printed(&watch, "fresh", 2).await;
        watch.signal("TERM").await;
        assert_eq!(watch.wait(PATIENCE).await, 0);
        let text = watch.printed.text();
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.contains("\n\ncredbroker 0"), "a blank line between two: {text}");
    })
    .await;
}

#[tokio::test]
async fn as_json_it_is_a_document_a_line() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let mut watch = watch(&daemon, &["--json"]);
        printed(&watch, "\n", 2).await;
        watch.signal("INT").await;
        assert_eq!(watch.wait(PATIENCE).await, 0);
        let text = watch.printed.text();
        for line in text.lines() {
            let document: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            assert!(document["at"].is_string() && document["tokens"].is_array(), "{line}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_daemon_that_goes_away_is_waited_for() {
    limited(async {
        let site = Site::open().await;
        let mut daemon = site.daemon(&billing_for_orders()).await;
        let (port, mut watch) = (daemon.port, watch(&daemon, &["--json"]));
        printed(&watch, "\"serving\"", 1).await;
        daemon.running.signal("TERM").await;
        daemon.running.wait(PATIENCE).await;
        printed(&watch, "no status since", 1).await;
        let before = watch.printed.text().matches("\"serving\"").count();
        drop(daemon);
        // The socket is in the way of the next one where a daemon did not end by itself.
        let _ = std::fs::remove_file(site.dir.path().join("api.sock"));
        let again = site.launch(&billing_for_orders()).port(port).start().await;
        printed(&watch, "\"serving\"", before + 1).await;
        assert_eq!(
            watch.printed.text().matches("no status since").count(),
            1,
            "it is said once: {}",
            watch.printed.text()
        );
        drop(again);
        printed(&watch, "no status since", 2).await;
        watch.signal("TERM").await;
        assert_eq!(watch.wait(PATIENCE).await, 3, "the last look went wrong");
    })
    .await;
}

#[tokio::test]
async fn a_refusal_and_a_mistake_end_it_at_once() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let url = daemon.url();
        let stranger = [("CREDBROKER_URL", &*url), ("CREDBROKER_TOKEN", "nobody")];
        let ended = credbroker(&daemon.dir, &["status", "--watch"], &stranger).await;
        assert_eq!((ended.code, &*ended.stdout), (Some(4), ""));
        assert!(ended.stderr.contains("not known"), "{}", ended.stderr);
        for wrong in ["--watch=0s", "--watch=soon"] {
            assert_eq!(credbroker(&daemon.dir, &["status", wrong], &stranger).await.code, Some(2), "{wrong}");
        }
        let remote = [("CREDBROKER_URL", "http://example.com")];
        assert_eq!(credbroker(&daemon.dir, &["status", "--watch"], &remote).await.code, Some(2));
    })
    .await;
}

/// Nobody is there yet: it is waited for from the start.
#[tokio::test]
async fn a_daemon_that_is_still_to_start_is_waited_for_too() {
    limited(async {
        let site = Site::open().await;
        let port = free_port();
        let environment =
            [("CREDBROKER_URL", format!("http://127.0.0.1:{port}")), ("CREDBROKER_TOKEN", ORDERS.to_owned())];
        let environment = environment.map(|(name, value)| (name.to_owned(), value));
        let mut command = process::command(CREDBROKER, site.dir.path(), &environment);
        command.args(["status", "--watch=1s"]).stdout(Stdio::piped());
        let mut watch = Running::spawn(command);
        printed(&watch, "cannot be reached", 1).await;
        let _daemon = site.launch(&billing_for_orders()).port(port).start().await;
        printed(&watch, "tokens.billing", 1).await;
        watch.signal("TERM").await;
        assert_eq!(watch.wait(PATIENCE).await, 0);
    })
    .await;
}
