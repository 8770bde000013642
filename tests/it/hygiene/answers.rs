//! What no answer holds, and what no request brings about.

use credbroker_emulator::{Fault, FaultKind};
use http::Method;

use super::{PATH, document};
use crate::client::{Answer, Ask, Line};
use crate::daemon::Daemon;
use crate::documents::{ORDERS, REPORTS};
use crate::site::Site;
use crate::waiting::limited;

/// Every path that is described, and some that are none, with every method, for whoever asks.
#[tokio::test]
async fn no_answer_redirects_invites_a_browser_or_names_its_server() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        daemon.served(PATH, ORDERS).await;
        let described = credbroker::http::openapi::description();
        let paths = described["paths"].as_object().unwrap().keys();
        let filled = paths.map(|path| path.replace("{name}", "billing").replace("{issuer}", "users"));
        let strays = ["/index.html", "/v1", "/v1/", "/login", "/favicon.ico", "/.well-known/openid-configuration"];
        let mut asked = 0;
        for path in filled.chain(strays.map(ToOwned::to_owned)) {
            assert!(!path.contains('{'), "{path}");
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
                for token in [Some(ORDERS), Some(REPORTS), Some("wrong"), None] {
                    let ask = Ask::of(Method::from_bytes(method.as_bytes()).unwrap(), &path);
                    let ask = token.iter().fold(ask, |ask, token| ask.bearer(token));
                    for way in [daemon.v4(), daemon.unix()] {
                        is_plain(&ask.over(&way).await.unwrap(), &format!("{method} {path} over {way:?}"));
                        asked += 1;
                    }
                }
            }
        }
        assert!(asked > 1_000, "{asked}");
    })
    .await;
}

fn is_plain(answer: &Answer, what: &str) {
    assert!(!(300..400).contains(&answer.status) && answer.status < 500, "{what}: {}", answer.status);
    for header in answer.headers() {
        let is_bad = header.starts_with("access-control-")
            || ["location", "server", "set-cookie", "refresh", "etag", "x-powered-by"].contains(&header);
        assert!(!is_bad, "{what}: {header}");
    }
    for (name, part) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "frame-ancestors 'none'"),
        ("content-security-policy", "default-src 'none'"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert!(answer.header(name).is_some_and(|value| value.contains(part)), "{what}: {name}");
    }
}

/// Of a caller's wish for something newer nothing comes: what is held is served, and nothing is asked for or thrown away.
#[tokio::test]
async fn no_request_forces_a_refresh() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let token = daemon.served(PATH, ORDERS).await.token();
        let before = site.operations();
        site.control().fault(Fault::always("token", FaultKind::Cut { after_bytes: 0 }));
        for query in ["", "?refresh=1", "?skip_cache=true", "?refreshNow=true", "?force=1&versionStage=AWSCURRENT"] {
            for (name, value) in [
                ("cache-control", "no-cache"),
                ("cache-control", "no-store, max-age=0"),
                ("pragma", "no-cache"),
                ("if-none-match", "*"),
                ("x-skip-cache", "true"),
            ] {
                for _ in 0..10 {
                    let answer = Ask::get(&format!("{PATH}{query}")).bearer(ORDERS).header(name, value);
                    let answer = answer.over(&daemon.v4()).await.unwrap();
                    let expected = if query.is_empty() { (200, "hit") } else { (400, "") };
                    assert_eq!((answer.status, answer.cache()), expected, "{query} {name}: {}", answer.text);
                    assert!(answer.status == 400 || answer.token() == token);
                }
            }
        }
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", "billing"),
            ("client_secret", ORDERS),
            ("skip_cache", "true"),
        ];
        for _ in 0..50 {
            let answer = daemon.ask(Ask::form("/oauth2/token", &fields)).await;
            assert!(answer.status < 500, "{}", answer.text);
        }
        assert_eq!(site.operations(), before);
    })
    .await;
}

#[tokio::test]
async fn a_thousand_unknown_names_leave_nothing_behind() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.launch(&document()).env("CREDBROKER_LOG", "info").start().await;
        let known = async |daemon: &Daemon| {
            let status = daemon.get("/v1/status", ORDERS).await.json();
            ["tokens", "credentials", "issuers"].map(|kind| status[kind].as_array().unwrap().len())
        };
        let mut line = Line::open(&daemon.v4()).await.unwrap();
        let mut asked = async |prefix: &str, count: u32| {
            for number in 0..count {
                for kind in ["tokens", "credentials", "authorize"] {
                    let ask = Ask::get(&format!("/v1/{kind}/{prefix}-{number}")).bearer(ORDERS);
                    assert_eq!(line.ask(&ask).await.unwrap().status, 404);
                }
            }
        };
        // The allocator has what it needs for this after the first ones.
        asked("warm", 100).await;
        let (rows, before) = (known(&daemon).await, daemon.running.resident());
        asked("unknown-name-of-some-length", 1_000).await;
        let after = daemon.running.resident();
        assert_eq!(known(&daemon).await, rows);
        assert!(after < before + 1024, "3000 unknown names took {} KiB", after - before);
        assert!(!daemon.running.printed.text().contains("unknown-name"), "nor do they reach the log");
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}
