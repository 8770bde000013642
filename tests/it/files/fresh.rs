//! A file is never older than it must be, and never holds what has expired. Lifetimes are real seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};

use super::{PATIENCE, billing_in_a_file, path, read, readiness, removed, replaced, row, row_is, written};
use crate::documents::ORDERS;
use crate::jwt::expiry;
use crate::site::Site;
use crate::waiting::{limited, until, wall};

fn down() -> Fault {
    Fault::always("token", FaultKind::Status { status: 503, body: "<html>down</html>".to_owned(), headers: [].into() })
}

#[tokio::test]
async fn a_file_is_replaced_after_each_renewal_though_nobody_asks() {
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime("token", 3);
        let _daemon = site.daemon(&billing_in_a_file("")).await;
        let mut content = written(&site).await;
        for _ in 0..2 {
            content = replaced(&site, &content).await;
            assert!(wall() < f64::from(expiry(&content)), "it is there before the old one ends");
        }
    })
    .await;
}

/// Reads again and again, and holds what it reads against what is promised; how often it read.
fn read_on(path: &std::path::Path, end: &AtomicBool) -> usize {
    let mut count = 0;
    while !end.load(Ordering::Relaxed) {
        let content = std::fs::read_to_string(path).unwrap();
        let parts: Vec<&str> = content.split('.').collect();
        assert!(parts.len() == 3 && parts.iter().all(|part| part.len() > 20), "torn: {} bytes", content.len());
        assert!(wall() < f64::from(expiry(&content)), "a token that has ended was read");
        count += 1;
    }
    count
}

#[tokio::test]
async fn readers_never_find_no_file_a_torn_one_or_an_expired_token() {
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime("token", 4);
        let _daemon = site.daemon(&billing_in_a_file("")).await;
        let mut content = written(&site).await;
        let end = Arc::new(AtomicBool::new(false));
        let reader = || {
            let (path, end) = (path(&site), Arc::clone(&end));
            tokio::task::spawn_blocking(move || read_on(&path, &end))
        };
        let readers = [reader(), reader()];
        for _ in 0..3 {
            content = replaced(&site, &content).await;
        }
        end.store(true, Ordering::Relaxed);
        for reader in readers {
            let count = reader.await.unwrap();
            assert!(count > 100, "read {count} times");
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_that_ends_in_an_outage_is_taken_away_and_comes_back_with_the_source() {
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime("token", 4);
        let daemon = site.daemon(&billing_in_a_file("")).await;
        let token = written(&site).await;
        site.control().fault(down());
        // Until its end it stays, whatever the source says.
        site.asked_times("token", 2).await;
        let there = until("the token ends", Duration::from_secs(10), async || {
            let (before, content) = (wall(), read(&site));
            match content {
                Some(content) => {
                    assert_eq!(content, token);
                    // Some seconds for a busy machine; the decision itself has a test without a clock.
                    assert!(before < f64::from(expiry(&token)) + 5.0, "kept too long");
                    None
                }
                None => Some(wall()),
            }
        })
        .await;
        // Its lifetime counts from when it was asked for, which is before the server says its end.
        assert!(there > f64::from(expiry(&token)) - 1.0, "taken away before its end");
        let row = row_is(&daemon, "absent").await;
        let message = row["last_error"]["message"].as_str().unwrap();
        assert!(message.starts_with("tokens.billing cannot be had: "), "{message}");
        assert_eq!((row.get("expires_at"), readiness(&daemon).await), (None, 503));
        let said = |log: &str| {
            log.lines().any(|line| line.contains("ERROR") && line.contains("expired and not renewed: removed"))
        };
        until("the log says so", PATIENCE, async || said(&daemon.running.printed.text()).then_some(())).await;

        site.control().clear_faults();
        assert_ne!(written(&site).await, token);
        row_is(&daemon, "written").await;
        assert_eq!(readiness(&daemon).await, 200);
    })
    .await;
}

#[tokio::test]
async fn a_file_outlives_the_daemon_and_stays_until_the_next_one_has_a_newer_value() {
    limited(async {
        let site = Site::open().await;
        let mut daemon = site.daemon(&billing_in_a_file("")).await;
        let token = written(&site).await;
        daemon.running.signal("TERM").await;
        assert_eq!(daemon.running.wait(Duration::from_secs(15)).await, 0);
        assert_eq!(read(&site).as_deref(), Some(&*token), "consumers go on");

        site.control().fault(down());
        let daemon = site.daemon(&billing_in_a_file("")).await;
        site.asked_times("token", 2).await;
        let row = row_is(&daemon, "stale").await;
        assert!((3_500..=3_600).contains(&row["expires_in"].as_u64().unwrap()), "its end is in the token: {row}");
        assert!(row["last_error"]["message"].as_str().unwrap().contains("tokens.billing cannot be had"), "{row}");
        assert_eq!(read(&site).as_deref(), Some(&*token));
        site.control().clear_faults();
        replaced(&site, &token).await;
    })
    .await;
}

#[tokio::test]
async fn what_ended_while_no_daemon_ran_is_taken_away_at_the_start() {
    limited(async {
        for content in [
            r#"{"access_token":"old","expires_at":"2023-11-14T22:13:20Z"}"#,
            "[default]\naws_access_key_id = x\nx_security_token_expires = 2023-11-14T22:13:20Z\n",
        ] {
            let site = Site::open().await;
            site.control().fault(down());
            site.write("out", content);
            let daemon = site.daemon(&billing_in_a_file("")).await;
            removed(&site).await;
            assert_eq!(row(&daemon).await["state"], "absent");
        }
    })
    .await;
}

#[tokio::test]
async fn readiness_waits_for_the_file() {
    limited(async {
        let site = Site::open().await;
        site.control().fault(down());
        let daemon = site.daemon(&billing_in_a_file("")).await;
        site.asked_times("token", 1).await;
        assert_eq!((readiness(&daemon).await, read(&site)), (503, None));
        site.control().clear_faults();
        let known = [("CREDBROKER_URL", &*daemon.url()), ("CREDBROKER_TOKEN", ORDERS)];
        let waited = crate::site::credbroker(site.dir.path(), &["wait", "--timeout", "20s"], &known).await;
        assert_eq!((waited.code, read(&site).is_some()), (Some(0), true), "{}", waited.stderr);
    })
    .await;
}
