//! A caller's token that the daemon makes itself and puts in a file.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::client::Ask;
use crate::daemon::Daemon;
use crate::documents::{BILLING, ORDERS, caller};
use crate::site::Site;
use crate::waiting::{limited, until};

const PATH: &str = "/v1/tokens/billing";
const PATIENCE: Duration = Duration::from_secs(15);

/// The caller `sidecar`, with more keys of its token.
fn sidecar(more: &str) -> String {
    let token = format!("token = {{ generate = \"DIR/shared/sidecar\"{more} }}\n");
    format!("{BILLING}[callers.sidecar]\nallow = [\"tokens.billing\"]\n{token}")
}

async fn site() -> Site {
    let site = Site::open().await;
    std::fs::create_dir(site.dir.path().join("shared")).unwrap();
    site
}

fn path(site: &Site) -> PathBuf {
    site.dir.path().join("shared/sidecar")
}

fn read(site: &Site) -> Option<String> {
    std::fs::read_to_string(path(site)).ok()
}

/// The token in the file, once it is another than `old`.
async fn replaced(site: &Site, old: &str) -> String {
    until("another token", PATIENCE, async || read(site).filter(|token| token != old)).await
}

/// The status with which whoever sends the token as AWS SDKs do is answered.
async fn status(daemon: &Daemon, token: &str) -> u16 {
    daemon.ask(Ask::get(PATH).header("authorization", token)).await.status
}

async fn stopped(mut daemon: Daemon) {
    daemon.running.signal("TERM").await;
    assert_eq!(daemon.running.wait(PATIENCE).await, 0);
}

#[tokio::test]
async fn the_file_is_there_when_the_daemon_answers_and_each_start_has_another_token() {
    limited(async {
        let site = site().await;
        // What somebody left there opens nothing.
        site.write("shared/sidecar", ORDERS);
        let group = nix::unistd::getgid();
        let document = sidecar(&format!(", group = {group}"));
        let daemon = site.launch(&document).env("CREDBROKER_LOG", "trace").start().await;
        let first = read(&site).unwrap();
        assert_eq!((first.len(), first.trim()), (43, &*first));
        assert!(first.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{first}");
        assert_eq!(path(&site).metadata().unwrap().permissions().mode() & 0o7777, 0o440);
        daemon.served(PATH, &first).await;
        assert_eq!((status(&daemon, &first).await, status(&daemon, ORDERS).await), (200, 401));
        assert!(!daemon.logged().await.contains(&first), "nothing of it is in the log");
        stopped(daemon).await;
        assert!(!path(&site).exists(), "nobody accepts it any more");

        let daemon = site.daemon(&document).await;
        let second = read(&site).unwrap();
        assert_ne!(second, first);
        assert_eq!((status(&daemon, &second).await, status(&daemon, &first).await), (200, 401));
    })
    .await;
}

#[tokio::test]
async fn a_killed_daemon_leaves_a_token_that_the_next_one_does_not_accept() {
    limited(async {
        let site = site().await;
        let mut daemon = site.daemon(&sidecar("")).await;
        let first = read(&site).unwrap();
        daemon.running.signal("KILL").await;
        assert_eq!(daemon.running.wait(PATIENCE).await, -1);
        assert_eq!(read(&site).as_ref(), Some(&first));
        let daemon = site.daemon(&sidecar("")).await;
        assert_ne!(read(&site).as_ref(), Some(&first));
        assert_eq!(status(&daemon, &first).await, 401);
    })
    .await;
}

#[tokio::test]
async fn one_that_is_removed_or_changed_is_replaced_and_what_somebody_put_there_is_nobodys() {
    limited(async {
        let site = site().await;
        let daemon = site.daemon(&sidecar("")).await;
        let first = read(&site).unwrap();
        daemon.served(PATH, &first).await;
        std::fs::remove_file(path(&site)).unwrap();
        let second = replaced(&site, &first).await;
        assert_eq!((status(&daemon, &second).await, status(&daemon, &first).await), (200, 200));

        site.replace("shared/sidecar", ORDERS);
        let third = until("another token", PATIENCE, async || {
            assert_eq!(status(&daemon, ORDERS).await, 401, "what somebody put there");
            read(&site).filter(|token| ![&*second, ORDERS].contains(&&**token))
        })
        .await;
        assert_eq!((status(&daemon, &third).await, status(&daemon, &second).await), (200, 200));
        assert_eq!(status(&daemon, &first).await, 401);
        assert!(daemon.logged().await.contains("somebody else has removed or changed the file of the caller's token"));
    })
    .await;
}

#[tokio::test]
async fn it_turns_over_by_itself_and_the_one_before_stays_good_until_the_next() {
    limited(async {
        let site = site().await;
        let daemon = site.daemon(&sidecar(", every = \"5s\"")).await;
        let first = read(&site).unwrap();
        daemon.served(PATH, &first).await;
        let second = replaced(&site, &first).await;
        assert_eq!((status(&daemon, &second).await, status(&daemon, &first).await), (200, 200));
        let third = replaced(&site, &second).await;
        assert_eq!((status(&daemon, &third).await, status(&daemon, &first).await), (200, 401));
    })
    .await;
}

#[tokio::test]
async fn a_directory_that_is_not_there_stops_nobody_else_and_is_tried_again() {
    limited(async {
        let site = Site::open().await;
        let document = format!("{}{}", sidecar(""), caller("orders", &["tokens.billing"]));
        let daemon = site.daemon(&document).await;
        daemon.served(PATH, ORDERS).await;
        let ready = daemon.ask(Ask::get("/readyz")).await;
        assert_eq!((ready.status, &ready.json()["files_missing"]), (503, &1.into()));
        let log = daemon.logged().await;
        assert_eq!(log.matches("the caller's token could not be written").count(), 1, "{log}");
        assert!(log.contains("/shared is not there: create it"), "{log}");
        std::fs::create_dir(site.dir.path().join("shared")).unwrap();
        let token = replaced(&site, "").await;
        assert_eq!((status(&daemon, &token).await, daemon.ask(Ask::get("/readyz")).await.status), (200, 200));
    })
    .await;
}
