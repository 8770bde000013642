//! The token that is added: always a valid one, never shown, and what happens when there is none.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};

use super::service::{Service, ok};
use super::{Forward, caller, over};
use crate::client::Ask;
use crate::documents::BILLING;
use crate::site::Site;
use crate::waiting::{limited, until};

const KEYS: &str = "bearer = \"tokens.billing\"\n";

#[tokio::test]
async fn a_token_is_replaced_before_it_ends() {
    limited(async {
        let (service, site) = (Service::open().await, Site::open().await);
        site.control().set_lifetime("token", 4);
        let forward = Forward::with(site, &service.url(), KEYS).await;
        let two = async || {
            assert_eq!(forward.ask(Ask::get("/")).await.status, 200);
            let seen = service.seen();
            let mut tokens: Vec<_> = seen.iter().map(|seen| seen.all("authorization")[0].to_owned()).collect();
            tokens.dedup();
            (tokens.len() >= 3).then_some(())
        };
        until("two tokens have been replaced", Duration::from_secs(20), two).await;
    })
    .await;
}

#[tokio::test]
async fn a_first_request_waits_for_the_token() {
    limited(async {
        let (service, site) = (Service::open().await, Site::open().await);
        site.control().fault(Fault::once("token", FaultKind::Delay { milliseconds: 2_000 }));
        let forward = Forward::with(site, &service.url(), KEYS).await;
        let answer = forward.ask(Ask::get("/")).await;
        assert_eq!(answer.status, 200, "longer than callers of the API wait: {}", answer.text);
    })
    .await;
}

#[tokio::test]
async fn without_a_token_nothing_is_forwarded() {
    limited(async {
        let (service, site) = (Service::open().await, Site::open().await);
        site.write("billing.secret", "wrong\n");
        let forward = Forward::with(site, &service.url(), KEYS).await;
        let refused = forward.ask(Ask::get("/").bearer("own")).await;
        assert_eq!(
            (refused.status, refused.header("credbroker-error")),
            (502, Some("UpstreamDenied")),
            "{}",
            refused.text
        );
        assert!(refused.complaint().contains("tokens.billing"), "{}", refused.text);

        let site = Site::open().await;
        site.control().fault(Fault::always(
            "token",
            FaultKind::Status { status: 503, body: String::new(), headers: std::collections::BTreeMap::new() },
        ));
        let forward = Forward::with(site, &service.url(), KEYS).await;
        let unavailable = forward.ask(Ask::get("/")).await;
        assert_eq!(unavailable.status, 503, "{}", unavailable.text);
        assert_eq!(unavailable.header("credbroker-error"), Some("UpstreamUnavailable"));
        assert!(unavailable.retry_after() >= 1);
        assert_eq!(service.connections(), 0);
        let row = forward.row().await;
        assert!(row["last_error"]["message"].as_str().unwrap().contains("tokens.billing"), "{row}");
    })
    .await;
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_for_the_next_request() {
    limited(async {
        let revoked: Arc<Mutex<Vec<String>>> = Arc::default();
        let known = Arc::clone(&revoked);
        let service = Service::answering(move |seen| {
            if known.lock().unwrap().contains(&seen.all("authorization")[0].to_owned()) {
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer error=\"invalid_token\"\r\nContent-Length: 0\r\n\r\n".to_owned()
            } else {
                ok("ok")
            }
        })
        .await;
        let forward = Forward::to(&service).await;
        assert_eq!(forward.ask(Ask::get("/")).await.status, 200);
        revoked.lock().unwrap().push(service.only().all("authorization")[0].to_owned());

        let refused = forward.ask(Ask::get("/")).await;
        assert_eq!((refused.status, refused.header("credbroker-error")), (401, None), "it is the upstream's own answer");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
        let again = async || Some(forward.ask(Ask::get("/")).await).filter(|answer| answer.status == 200);
        // The engine asks early at most once in ten seconds.
        until("another token", Duration::from_secs(20), again).await;
        assert_eq!(forward.site.asked("token").len(), 2);
    })
    .await;
}

#[tokio::test]
async fn an_upstream_that_always_says_401_buys_no_tokens() {
    limited(async {
        let service = Service::answering(|_| "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_owned()).await;
        let forward = Forward::to(&service).await;
        for _ in 0..5 {
            assert_eq!(forward.ask(Ask::get("/")).await.status, 401);
        }
        assert_eq!(forward.site.asked("token").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn neither_the_token_nor_what_the_program_sent_is_in_the_log() {
    limited(async {
        let (service, site) = (Service::open().await, Site::open().await);
        let table = format!(
            "[egress.gone]\nlisten = \"unix:DIR/gone.sock\"\nupstream = \"http://127.0.0.1:1\"\ncaller = \"orders\"\n{KEYS}"
        );
        let rest = format!("{BILLING}{}{table}", caller(&["tokens.billing"]));
        let forward = Forward::of(site, &service.url(), KEYS, &rest).await;
        let asks = Ask::get("/path-Kq8w?query-Kq8w=1").bearer("sent-Kq8w").header("cookie", "cookie-Kq8w");
        let gone = crate::client::Way::Unix(forward.daemon.dir.join("gone.sock"));
        assert_eq!(forward.ask(asks.clone()).await.status, 200);
        assert_eq!(forward.ask(asks.clone().header("origin", "http://origin-Kq8w")).await.status, 403);
        assert_eq!(over(&gone, &asks).await.status, 502);
        let seen = service.only();
        let token = forward.token().await;
        assert_eq!(seen.all("authorization"), [format!("Bearer {token}")]);
        let printed = forward.daemon.logged().await;
        assert!(printed.contains("not forwarded"), "{printed}");
        for secret in token.split('.').skip(1).chain(["Kq8w"]) {
            assert!(!printed.contains(secret), "{secret}: {printed}");
        }
        let status = forward.row().await.to_string();
        assert!(!status.contains("Kq8w"), "{status}");
    })
    .await;
}
