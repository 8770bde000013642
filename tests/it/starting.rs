//! What the daemon does not start with: addresses that others hold, and an environment that would send secrets elsewhere.

use crate::client::Ask;
use crate::daemon::{free_port, holds};
use crate::documents::{ORDERS, billing_for_orders};
use crate::privilege::not_shown;
use crate::site::Site;
use crate::waiting::limited;

#[tokio::test]
async fn a_port_in_use_is_named() {
    limited(async {
        let site = Site::open().await;
        let port = free_port();
        let _other = holds("127.0.0.1", port).unwrap();
        let ended = site.launch(&billing_for_orders()).port(port).fails().await;
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(
            ended.stderr.contains(&format!("loopback:{port}")) && ended.stderr.contains("in use"),
            "{}",
            ended.stderr
        );
    })
    .await;
}

#[tokio::test]
async fn a_squatter_on_the_other_family_prevents_the_start() {
    limited(async {
        let site = Site::open().await;
        let port = free_port();
        let Ok(_squatter) = holds("::1", port) else {
            not_shown("a squatter on ::1", "this machine has no IPv6");
            return;
        };
        let ended = site.launch(&billing_for_orders()).port(port).fails().await;
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains("::1") && ended.stderr.contains("in use"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("serving"), "{}", ended.stderr);
    })
    .await;
}

#[tokio::test]
async fn another_daemons_socket_and_a_plain_file_are_left_alone() {
    limited(async {
        let site = Site::open().await;
        let first = site.daemon(&billing_for_orders()).await;
        let ended = site.launch(&billing_for_orders()).fails().await;
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains("api.sock"), "{}", ended.stderr);
        assert_eq!(first.ask_over(&first.unix(), Ask::get("/healthz")).await.status, 200);

        let precious = site.write("precious", "mine");
        let document = format!("[server]\nlisten = [\"unix:DIR/precious\"]\n{}", billing_for_orders());
        assert_eq!(site.launch(&document).fails().await.code, Some(1));
        assert_eq!(std::fs::read_to_string(precious).unwrap(), "mine");
    })
    .await;
}

#[tokio::test]
async fn its_own_identity_never_comes_from_itself() {
    limited(async {
        let site = Site::open().await;
        let port = free_port();
        for host in ["127.0.0.1", "localhost", "[::1]"] {
            let uri = format!("http://{host}:{port}/v1/credentials/orders");
            let launch = site.launch(&billing_for_orders()).port(port).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri);
            let ended = launch.fails().await;
            assert_eq!(ended.code, Some(1), "{}", ended.stderr);
            let named = ended.stderr.contains("AWS_CONTAINER_CREDENTIALS_FULL_URI") && ended.stderr.contains("itself");
            assert!(named, "{}", ended.stderr);
        }
    })
    .await;
}

#[tokio::test]
async fn secrets_never_go_to_another_machine_in_the_clear() {
    limited(async {
        let site = Site::open().await;
        for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"] {
            for url in ["http://example.com", "http://10.0.0.1:8080", "ftp://localhost"] {
                // A document without EMULATOR in it, since that is what is wrong here.
                let document = billing_for_orders().replace("\"EMULATOR\"", "\"acme\"");
                let ended = site.launch(&document).env(variable, url).fails().await;
                assert_eq!(ended.code, Some(1), "{variable}={url}: {}", ended.stderr);
                assert!(ended.stderr.contains(variable) && ended.stderr.contains("https"), "{}", ended.stderr);
            }
        }
        let plain = billing_for_orders().replace("\"EMULATOR\"", "\"http://example.com\"");
        let ended = site.launch(&plain).fails().await;
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("loopback only"), "{}", ended.stderr);
    })
    .await;
}

#[tokio::test]
async fn a_daemon_starts_and_answers_with_its_upstream_down() {
    limited(async {
        let site = Site::open().await;
        let launch = site.launch(&billing_for_orders());
        site.emulator.shutdown().await;
        let daemon = launch.start().await;
        let answer = daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(answer.complaint().contains("cannot be reached"), "{}", answer.complaint());
    })
    .await;
}
