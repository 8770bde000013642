//! Who may ask. Whoever may not is refused before anything is asked upstream.

use crate::client::{Answer, Ask, raw};
use crate::daemon::Daemon;
use crate::documents::{BILLING, LEDGER, ORDERS, REPORTS, ROLES, billing_for_orders, caller};
use crate::site::Site;
use crate::waiting::limited;

const PATH: &str = "/v1/tokens/billing";

fn refused(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.members(), ["error", "error_description"], "{}", answer.text);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

/// Sends `fields` after the request line, as they are.
async fn with_fields(daemon: &Daemon, fields: &str) -> String {
    raw(daemon.port, &format!("GET {PATH} HTTP/1.1\r\n{fields}Authorization: {ORDERS}\r\nConnection: close\r\n\r\n"))
        .await
}

#[tokio::test]
async fn strangers_and_what_is_not_theirs_ask_nothing_upstream() {
    limited(async {
        let site = Site::open().await;
        let callers = [caller("orders", &["tokens.billing"]), caller("reports", &["credentials.hub"])].concat();
        let daemon = site.daemon(&format!("{BILLING}{ROLES}{callers}")).await;

        for ask in [
            Ask::get(PATH),
            Ask::get(PATH).bearer("nobody"),
            Ask::get(PATH).bearer(""),
            Ask::get("/v1/status"),
            Ask::get("/"),
        ] {
            let answer = daemon.ask(ask).await;
            refused(&answer, 401);
            assert!(answer.header("www-authenticate").is_some_and(|scheme| scheme.starts_with("Bearer")), "{answer:?}");
        }
        refused(&daemon.get(PATH, REPORTS).await, 403);
        refused(&daemon.get("/v1/tokens/nothing", ORDERS).await, 404);
        refused(&daemon.get("/v1/nothing", ORDERS).await, 404);
        assert_eq!(daemon.get("/v1/credentials/hub", ORDERS).await.status, 403);
        assert_eq!(site.operations(), [""; 0]);

        assert_eq!(daemon.get(PATH, ORDERS).await.status, 200, "and the caller that is allowed is served");
    })
    .await;
}

#[tokio::test]
async fn foreign_hosts_proxies_and_browsers_ask_nothing_upstream() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        for (name, value) in [
            ("host", "evil.example"),
            ("host", "127.0.0.1.nip.io"),
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("via", "1.1 proxy"),
            ("origin", "http://localhost"),
            ("sec-fetch-site", "same-origin"),
        ] {
            let answer = daemon.ask(Ask::get(PATH).bearer(ORDERS).header(name, value)).await;
            assert_eq!(answer.status, 403, "{name}: {value}: {}", answer.text);
            assert!(!answer.text.contains(value), "{}", answer.text);
        }
        let open = daemon.ask(Ask::get("/healthz").header("host", "evil.example")).await;
        assert_eq!(open.status, 403, "not even health is for other hosts");
        let both = with_fields(&daemon, "Host: localhost\r\nHost: localhost\r\n").await;
        assert!(both.starts_with("HTTP/1.1 400"), "{both}");
        let none = with_fields(&daemon, "").await;
        assert!(none.starts_with("HTTP/1.1 400"), "{none}");
        assert_eq!(site.operations(), [""; 0]);

        let one = with_fields(&daemon, "Host: localhost\r\n").await;
        assert!(one.starts_with("HTTP/1.1 200"), "the same request with one Host is served: {one}");
    })
    .await;
}

#[tokio::test]
async fn a_uid_is_enough_but_on_tcp_its_process_shows_that_it_means_it() {
    limited(async {
        let site = Site::open().await;
        let uid = nix::unistd::getuid();
        let callers = format!("[callers.me]\nallow = [\"tokens.billing\"]\nuid = {uid}\n");
        let daemon = site.daemon(&format!("{BILLING}{callers}")).await;
        let means_it = Ask::get(PATH).header("credbroker-request", "true");
        for way in [daemon.v4(), daemon.v6()] {
            refused(&daemon.ask_over(&way, Ask::get(PATH)).await, 403);
            refused(&daemon.ask_over(&way, Ask::get(PATH).header("credbroker-request", "yes")).await, 403);
            // A page in a browser of the same user.
            for (name, value) in
                [("origin", "http://localhost"), ("sec-fetch-site", "cross-site"), ("host", "evil.example")]
            {
                refused(&daemon.ask_over(&way, means_it.clone().header(name, value)).await, 403);
            }
        }
        assert_eq!(site.operations(), [""; 0]);
        for way in [daemon.v4(), daemon.v6()] {
            assert_eq!(daemon.ask_over(&way, means_it.clone()).await.status, 200, "{way:?}");
            let with_any_token = Ask::get(PATH).header("authorization", "whatever an SDK is told to send");
            assert_eq!(daemon.ask_over(&way, with_any_token).await.status, 200, "{way:?}");
        }
        assert_eq!(daemon.ask_over(&daemon.unix(), Ask::get(PATH)).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn another_uid_is_nobody() {
    limited(async {
        let site = Site::open().await;
        let other = nix::unistd::getuid().as_raw() + 1;
        let callers = format!("[callers.other]\nallow = [\"tokens.billing\"]\nuid = {other}\n");
        let daemon = site.daemon(&format!("{BILLING}{callers}")).await;
        refused(&daemon.ask_over(&daemon.unix(), Ask::get(PATH)).await, 401);
        refused(&daemon.ask(Ask::get(PATH).header("credbroker-request", "true")).await, 401);
        refused(&daemon.get(PATH, ORDERS).await, 401);
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn of_two_factors_both_must_match() {
    limited(async {
        let site = Site::open().await;
        let uid = nix::unistd::getuid();
        let callers = format!("{}uid = {uid}\n", caller("orders", &["tokens.billing"]));
        let daemon = site.daemon(&format!("{BILLING}{callers}")).await;
        refused(&daemon.ask_over(&daemon.unix(), Ask::get(PATH)).await, 401);
        refused(&daemon.ask_over(&daemon.unix(), Ask::get(PATH).bearer(REPORTS)).await, 401);
        refused(&daemon.ask(Ask::get(PATH).header("credbroker-request", "true")).await, 401);
        refused(&daemon.get(PATH, REPORTS).await, 401);
        assert_eq!(site.operations(), [""; 0]);
        assert_eq!(daemon.ask_over(&daemon.unix(), Ask::get(PATH).bearer(ORDERS)).await.status, 200);
        assert_eq!(daemon.get(PATH, ORDERS).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn the_anonymous_caller_shows_on_tcp_that_it_means_it() {
    limited(async {
        let site = Site::open().await;
        let anonymous = "[callers.anonymous]\nallow = [\"tokens.billing\"]\n";
        let daemon = site.daemon(&format!("{BILLING}{LEDGER}{anonymous}")).await;
        refused(&daemon.ask(Ask::get(PATH)).await, 403);
        refused(&daemon.ask(Ask::get(PATH).header("credbroker-request", "false")).await, 403);
        refused(&daemon.ask(Ask::get(PATH).bearer("wrong")).await, 401);
        let means_it = Ask::get("/v1/tokens/ledger").header("credbroker-request", "true");
        refused(&daemon.ask(means_it).await, 403);
        assert_eq!(site.operations(), [""; 0]);
        assert_eq!(daemon.ask(Ask::get(PATH).header("credbroker-request", "true")).await.status, 200);
        assert_eq!(daemon.ask_over(&daemon.unix(), Ask::get(PATH)).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_token_is_known_by_its_digest_too_and_a_replaced_one_takes_effect() {
    limited(async {
        let site = Site::open().await;
        let hex: String = ring::digest::digest(&ring::digest::SHA256, REPORTS.as_bytes())
            .as_ref()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let digest = format!("[callers.reports]\nallow = [\"tokens.billing\"]\ntoken = {{ sha256 = \"{hex}\" }}\n");
        let daemon = site.daemon(&format!("{}{digest}", billing_for_orders())).await;
        assert_eq!(daemon.get(PATH, REPORTS).await.status, 200);
        assert_eq!(daemon.get(PATH, &hex).await.status, 401, "the digest itself opens nothing");

        site.write("orders.token", "replaced-Zq8Wd3Xc5Rt7Yh1Ub4\n");
        daemon.served(PATH, "replaced-Zq8Wd3Xc5Rt7Yh1Ub4").await;
        assert_eq!(daemon.get(PATH, ORDERS).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn the_admin_listener_serves_health_and_metrics_and_nothing_else() {
    limited(async {
        let site = Site::open().await;
        let port = crate::daemon::free_port();
        let listen = format!("[server]\nlisten = [\"loopback:PORT\"]\nadmin_listen = \"127.0.0.1:{port}\"\n");
        let daemon = site.daemon(&format!("{listen}{}", billing_for_orders())).await;
        let admin = crate::client::Way::V4(port);
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(
                daemon.ask_over(&admin, Ask::get(path).header("host", "node-7:9464")).await.status,
                200,
                "{path}"
            );
        }
        for path in [PATH, "/v1/status"] {
            assert_eq!(daemon.ask_over(&admin, Ask::get(path).bearer(ORDERS)).await.status, 404, "{path}");
        }
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}
