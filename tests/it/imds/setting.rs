//! What an operator configures, and what the daemon does not start with.

use http::Method;

use super::{Service, TOKEN, TTL, document, limited, own_uid};
use crate::client::Ask;
use crate::daemon::{free_port, holds};
use crate::site::Site;
use crate::waiting::until;

#[tokio::test]
async fn its_address_is_its_own() {
    limited(async {
        let site = Site::open().await;
        let port = free_port();
        let _other = holds("127.0.0.1", port).unwrap();
        let ended = site.launch(&document(&format!("127.0.0.1:{port}"), own_uid())).fails().await;
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let named = ended.stderr.contains(&format!("cannot listen on imds 127.0.0.1:{port}: the address is in use"));
        assert!(named, "{}", ended.stderr);

        let ended = site.launch(&document("127.0.0.1:PORT", own_uid())).fails().await;
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("[server] listen has this address already"), "{}", ended.stderr);
        let ended = site.launch(&document("0.0.0.0:2779", own_uid())).fails().await;
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("imds.listen: ") && ended.stderr.contains("other machines"), "{}", ended.stderr);
    })
    .await;
}

#[tokio::test]
async fn the_daemons_own_identity_never_comes_from_it() {
    limited(async {
        let site = Site::open().await;
        let port = free_port();
        let launch = site.launch(&document(&format!("127.0.0.1:{port}"), own_uid()));
        let ended = launch.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &format!("http://localhost:{port}/")).fails().await;
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let named = ended.stderr.contains("AWS_EC2_METADATA_SERVICE_ENDPOINT") && ended.stderr.contains("itself");
        assert!(named, "{}", ended.stderr);
    })
    .await;
}

#[tokio::test]
async fn check_prints_it_and_its_mistakes() {
    limited(async {
        let site = Site::open().await;
        let good = document("127.0.0.1:2779", 10_001);
        let ended = site.check(&good).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(ended.stdout.contains("credentials.orders for callers.app at 127.0.0.1:2779"), "{}", ended.stdout);
        let ended = site.check(&good.replace("caller = \"app\"", "caller = \"reports\"")).await;
        assert_eq!(ended.code, Some(2));
        for part in ["imds.caller: callers.reports has a token", "imds.credentials: callers.reports may not have"] {
            assert!(ended.stderr.contains(part), "{part} is not in\n{}", ended.stderr);
        }
    })
    .await;
}

#[tokio::test]
async fn it_drains_with_the_daemon() {
    limited(async {
        let site = Site::open().await;
        let mut service = Service::open(&site).await;
        let session = service.session().await;
        service.daemon.running.signal("TERM").await;
        let put = Ask::of(Method::PUT, TOKEN).header(TTL, "60");
        // Still answered, and the connection is not kept.
        let answer = until("the drain", std::time::Duration::from_secs(5), async || {
            let answer = put.over(&service.way()).await.unwrap();
            (answer.header("connection") == Some("close")).then_some(answer)
        })
        .await;
        assert_eq!(answer.status, 200);
        assert_eq!(service.daemon.running.wait(std::time::Duration::from_secs(15)).await, 0);
        let again = Service::open(&site).await;
        let old = again.ask(Ask::get("/latest/meta-data/placement/region").header(super::SESSION, &session)).await;
        assert_eq!(old.status, 401, "a session ends with its daemon");
    })
    .await;
}
