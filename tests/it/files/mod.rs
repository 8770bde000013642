//! `[files.*]`: a token or credentials in a file, kept fresh.

mod audited;
mod content;
mod disk;
mod fresh;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::client::Ask;
use crate::daemon::Daemon;
use crate::documents::{BILLING, ORDERS, caller};
use crate::site::Site;
use crate::waiting::until;

/// A wait for what the daemon does within seconds, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// `files.out` in `DIR/out`, with more keys.
fn file(more: &str) -> String {
    format!("[files.out]\npath = \"DIR/out\"\n{more}\n")
}

/// `tokens.billing` in `DIR/out`, and a caller who may have it too.
fn billing_in_a_file(more: &str) -> String {
    format!(
        "{BILLING}{}{}",
        caller("orders", &["tokens.billing"]),
        file(&format!("token = \"tokens.billing\"\n{more}"))
    )
}

fn path(site: &Site) -> PathBuf {
    site.dir.path().join("out")
}

fn read(site: &Site) -> Option<String> {
    std::fs::read_to_string(path(site)).ok()
}

/// The content of the file, once it is there.
async fn written(site: &Site) -> String {
    until("the file is there", PATIENCE, async || read(site)).await
}

/// The content of the file, once it is another than `old`.
async fn replaced(site: &Site, old: &str) -> String {
    until("the file is another", PATIENCE, async || read(site).filter(|content| content != old)).await
}

async fn removed(site: &Site) {
    until("the file is gone", PATIENCE, async || (!path(site).exists()).then_some(())).await;
}

/// The row of `files.out` in the status.
async fn row(daemon: &Daemon) -> Value {
    let status = daemon.get("/v1/status", ORDERS).await.json();
    let row = status["files"].as_array().unwrap().iter().find(|row| row["name"] == "files.out").unwrap().clone();
    assert_eq!((row["of"].as_str(), row["path"].as_str().is_some()), (Some("tokens.billing"), true));
    row
}

/// The row, once its state is `state`.
async fn row_is(daemon: &Daemon, state: &str) -> Value {
    let what = format!("the file is {state}");
    until(&what, PATIENCE, async || Some(row(daemon).await).filter(|row| row["state"] == state)).await
}

async fn readiness(daemon: &Daemon) -> u16 {
    daemon.ask(Ask::get("/readyz")).await.status
}
