//! The tokens that the daemon makes for callers: who has read one goes on with it over a restart, to the end that it had.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::kept;
use super::variants::{content, rewritten, sealed};
use crate::client::Ask;
use crate::documents::{BILLING, ORDERS};
use crate::site::Site;
use crate::supervisor::{End, Supervisor};
use crate::waiting::{limited, limited_to, until};

const PATH: &str = "/v1/tokens/billing";

/// The caller `sidecar`, with more keys of its token.
fn sidecar(more: &str) -> String {
    let token = format!("token = {{ generate = \"DIR/shared/sidecar\"{more} }}\n");
    kept(&format!("drain = \"0s\"\n{BILLING}[callers.sidecar]\nallow = [\"tokens.billing\"]\n{token}"))
}

async fn site() -> Site {
    let site = Site::open().await;
    std::fs::create_dir(site.dir.path().join("shared")).unwrap();
    site
}

fn path(site: &Site) -> PathBuf {
    site.dir.path().join("shared/sidecar")
}

/// The token in the file, once it is another than `old`.
async fn replaced(site: &Site, old: &str) -> String {
    let read = || std::fs::read_to_string(path(site)).ok();
    until("another token", Duration::from_secs(15), async || read().filter(|token| token != old)).await
}

async fn status(service: &Supervisor, token: &str) -> u16 {
    service.daemon.ask(Ask::get(PATH).header("authorization", token)).await.status
}

/// Waits until the store holds the token that is in the file.
async fn is_stored(site: &Site, service: &Supervisor) {
    let token = replaced(site, "").await;
    let digest = credbroker::policy::TokenDigest::of(&token).hex();
    until("the digest in the store", Duration::from_secs(10), async || {
        let mut is_there = false;
        service.change_store(|store| {
            is_there = store.iter().any(|stored| String::from_utf8_lossy(&content(stored)).contains(&digest));
        });
        is_there.then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_has_read_a_token_goes_on_with_it_over_restarts_and_a_kill() {
    limited(async {
        let site = site().await;
        let mut service = Supervisor::start(site.launch(&sidecar(""))).await;
        let first = replaced(&site, "").await;
        service.daemon.served(PATH, &first).await;
        service.restart().await;
        let second = replaced(&site, &first).await;
        assert_eq!((status(&service, &first).await, status(&service, &second).await), (200, 200));
        is_stored(&site, &service).await;
        service.kill().await;
        let third = replaced(&site, &second).await;
        for token in [&first, &second, &third] {
            assert_eq!(status(&service, token).await, 200);
        }
        assert_eq!((status(&service, ORDERS).await, site.operations()), (401, vec!["token".to_owned()]));
        service.daemon.running.signal("TERM").await;
        assert_eq!(service.ended().await, End::Itself(0));
        assert!(!path(&site).exists());
        service.change_store(|store| {
            let bytes = content(&store[0]);
            let text = String::from_utf8_lossy(&bytes);
            assert!([&first, &second, &third].iter().all(|token| !text.contains(&***token)), "only their digests");
        });
    })
    .await;
}

#[tokio::test]
async fn it_ends_when_it_would_have_ended() {
    limited(async {
        let site = site().await;
        let mut service = Supervisor::start(site.launch(&sidecar(", every = \"5s\""))).await;
        let first = replaced(&site, "").await;
        service.restart().await;
        assert_eq!(status(&service, &first).await, 200);
        until("the end of the token", Duration::from_secs(20), async || {
            (status(&service, &first).await == 401).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_is_gone_or_configured_otherwise_is_not_known_by_it() {
    limited_to(Duration::from_secs(60), async {
        let gone =
            kept(&format!("drain = \"0s\"\n{BILLING}[callers.other]\nallow = [\"tokens.billing\"]\nuid = 4242\n"));
        let renamed = sidecar("").replace("callers.sidecar", "callers.other");
        let moved = sidecar("").replace("shared/sidecar", "shared/other");
        let site = site().await;
        let mut service = Supervisor::start(site.launch(&sidecar(""))).await;
        for other in [gone, renamed, moved, sidecar(", mode = \"0440\""), sidecar(", every = \"1h\"")] {
            service.launch_with(site.launch(&sidecar("")));
            service.restart().await;
            let first = replaced(&site, "").await;
            assert_eq!(status(&service, &first).await, 200);
            service.launch_with(site.launch(&other));
            service.restart().await;
            assert_eq!(status(&service, &first).await, 401, "{other}");
            let logged = service.daemon.logged().await;
            assert!(logged.contains("caller_tokens=0 key_sets=0"), "{other}: {logged}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_could_not_be_a_token_of_the_last_process_opens_nothing() {
    limited_to(Duration::from_secs(60), async {
        let site = site().await;
        let mut service = Supervisor::start(site.launch(&sidecar(""))).await;
        let first = replaced(&site, "").await;
        for (what, member, value) in [
            ("is over", "until", json!(1)),
            ("lives for ever", "until", json!(u64::MAX)),
            ("is of another caller", "caller", json!("orders")),
            ("is of another definition", "definition", json!("0")),
            ("is no digest", "digest", json!("0")),
        ] {
            service.daemon.running.signal("TERM").await;
            assert_eq!(service.ended().await, End::Itself(0));
            service.change_store(|store| {
                store[0].fd = sealed(&rewritten(&content(&store[0]), |document| {
                    let rows = document["caller_tokens"].as_array_mut().unwrap();
                    rows.truncate(1);
                    rows[0]["digest"] = json!(credbroker::policy::TokenDigest::of(&first).hex());
                    rows[0][member] = value;
                }));
            });
            service.start_again().await;
            assert_eq!(status(&service, &first).await, 401, "{what}");
        }
    })
    .await;
}
