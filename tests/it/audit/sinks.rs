//! Where the lines go, and what becomes of serving when they cannot.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use super::document;
use crate::client::{Ask, Way};
use crate::daemon::{Daemon, free_port};
use crate::documents::ORDERS;
use crate::process::{self, CREDBROKER};
use crate::site::Site;
use crate::waiting::{limited, until};

const PATH: &str = "/v1/tokens/billing";
const PATIENCE: Duration = Duration::from_secs(15);

fn to_a_file() -> String {
    format!("{}[audit]\nto = {{ file = \"DIR/audit.log\" }}\n", document())
}

fn text(site: &Site, name: &str) -> String {
    std::fs::read_to_string(site.dir.path().join(name)).unwrap_or_default()
}

async fn lost(daemon: &Daemon) -> u64 {
    daemon.get("/v1/status", ORDERS).await.json()["audit"]["lines_lost"].as_u64().unwrap()
}

/// Waits until the log says `words`.
async fn logs(daemon: &Daemon, words: &str) {
    until(words, PATIENCE, async || daemon.running.printed.text().contains(words).then_some(())).await;
}

/// Fault matrix, row 61.
#[tokio::test]
async fn lines_that_nobody_reads_stop_nobody() {
    limited(async {
        let site = Site::open().await;
        let launch = site.launch(&document());
        let port = free_port();
        let file = launch.configure(port);
        let mut command = process::command(CREDBROKER, site.dir.path(), launch.environment());
        let (unread, full) = std::io::pipe().unwrap();
        command.arg("run").arg("--config").arg(file).stdout(full).stderr(Stdio::null());
        let mut daemon = command.spawn().unwrap();
        drop(command);
        let way = Way::V4(port);
        let up = async || Ask::get(PATH).bearer(ORDERS).over(&way).await.ok().filter(|answer| answer.status == 200);
        until("the daemon's start", PATIENCE, up).await;
        let status = async || Ask::get("/v1/status").bearer(ORDERS).over(&way).await.unwrap().json();
        let mut served = 0;
        while status().await["audit"]["lines_lost"] == 0 {
            for _ in 0..200 {
                let answer = Ask::get(PATH).bearer(ORDERS).over(&way).await.unwrap();
                assert_eq!(answer.status, 200, "{}", answer.text);
                served += 1;
            }
            assert!(served < 20_000, "the pipe and the queue never fill");
        }
        assert_eq!(Ask::get(PATH).bearer(ORDERS).over(&way).await.unwrap().status, 200);
        daemon.kill().await.unwrap();
        drop(unread);
    })
    .await;
}

#[tokio::test]
async fn a_file_is_its_owners_alone_and_begun_anew_when_it_was_renamed() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.launch(&to_a_file()).umask("000").start().await;
        daemon.served(PATH, ORDERS).await;
        let count = |lines: &[serde_json::Value]| lines.iter().filter(|line| line["outcome"] == "issued").count();
        assert_eq!(count(&daemon.audited_in(|| text(&site, "audit.log")).await), 1);
        let (log, old) = (site.dir.path().join("audit.log"), site.dir.path().join("audit.log.1"));
        assert_eq!(std::fs::metadata(&log).unwrap().permissions().mode() & 0o7777, 0o600);
        std::fs::rename(&log, &old).unwrap();
        daemon.served(PATH, ORDERS).await;
        assert_eq!(count(&daemon.audited_in(|| text(&site, "audit.log")).await), 1, "in the new one");
        assert_eq!(text(&site, "audit.log.1").lines().filter(|line| line.contains("\"issued\"")).count(), 1);
        assert_eq!(daemon.running.stdout.text(), "");
        assert_eq!(lost(&daemon).await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_written_is_counted_and_said_once_and_serving_goes_on() {
    limited(async {
        let site = Site::open().await;
        let missing = to_a_file().replace("DIR/audit.log", "DIR/logs/audit.log");
        let daemon = site.daemon(&missing).await;
        daemon.served(PATH, ORDERS).await;
        logs(&daemon, "audit lines cannot be written").await;
        assert_eq!(daemon.get(PATH, ORDERS).await.status, 200);
        until("two lines are lost", PATIENCE, async || (lost(&daemon).await >= 2).then_some(())).await;
        std::fs::create_dir(site.dir.path().join("logs")).unwrap();
        assert_eq!(daemon.get(PATH, ORDERS).await.status, 200);
        logs(&daemon, "audit lines are written again").await;
        assert_eq!(daemon.audited_in(|| text(&site, "logs/audit.log")).await.len(), 1);
        assert_eq!(daemon.running.printed.text().matches("audit lines cannot be written").count(), 1);
    })
    .await;
}

/// Fault matrix, row 62. A limit of the size of files stands for a disk that is full.
#[tokio::test]
async fn on_a_full_disk_no_half_of_a_line_stays_and_serving_goes_on() {
    limited(async {
        let site = Site::open().await;
        // In blocks of 512 bytes.
        let script = format!("#!/bin/sh\ntrap '' XFSZ\nulimit -f 8\nexec '{CREDBROKER}' \"$@\"\n");
        let full = site.write("full.sh", &script);
        std::fs::set_permissions(&full, std::fs::Permissions::from_mode(0o700)).unwrap();
        let daemon = site.launch(&to_a_file()).binary(full.to_str().unwrap()).start().await;
        for _ in 0..40 {
            assert_eq!(daemon.served(PATH, ORDERS).await.status, 200);
        }
        logs(&daemon, "audit lines cannot be written").await;
        assert!(lost(&daemon).await > 0);
        let held = text(&site, "audit.log");
        assert!(held.len() > 1024 && held.ends_with("}\n"), "{held}");
        assert!(held.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{held}");
        // There is room again as soon as somebody makes some.
        std::fs::rename(site.dir.path().join("audit.log"), site.dir.path().join("audit.log.1")).unwrap();
        daemon.served(PATH, ORDERS).await;
        logs(&daemon, "audit lines are written again").await;
        assert_eq!(daemon.audited_in(|| text(&site, "audit.log")).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_link_is_not_followed() {
    limited(async {
        let site = Site::open().await;
        let other = site.write("other", "untouched");
        symlink(&other, site.dir.path().join("audit.log")).unwrap();
        let daemon = site.daemon(&to_a_file()).await;
        daemon.served(PATH, ORDERS).await;
        logs(&daemon, "audit lines cannot be written").await;
        assert_eq!(text(&site, "other"), "untouched");
    })
    .await;
}

#[tokio::test]
async fn the_last_lines_are_written_before_the_end_and_with_off_there_are_none() {
    limited(async {
        let site = Site::open().await;
        for (audit, lines) in [("", 1), ("[audit]\nto = \"off\"\n", 0)] {
            let mut daemon = site.daemon(&format!("{}{audit}", document())).await;
            daemon.get(PATH, ORDERS).await;
            let to = if audit.is_empty() { "stdout" } else { "off" };
            let status = daemon.get("/v1/status", ORDERS).await.json();
            assert_eq!(status["audit"], json!({ "to": to, "lines_lost": 0 }));
            daemon.running.signal("TERM").await;
            assert_eq!(daemon.running.wait(PATIENCE).await, 0);
            let text = daemon.running.stdout.text();
            assert_eq!(text.lines().filter(|line| line.contains("\"issued\"")).count(), lines, "{text}");
            assert!(!daemon.running.printed.text().contains("\"event\""), "apart from the log");
        }
    })
    .await;
}
