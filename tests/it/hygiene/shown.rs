//! What a request shows of whoever sends it, by header, token and body.

use super::{PATH, document, is_served_otherwise, only_status, with_fields};
use crate::client::{Ask, raw};
use crate::documents::ORDERS;
use crate::site::Site;
use crate::waiting::limited;

#[tokio::test]
async fn whatever_a_browser_or_a_proxy_adds_is_refused_in_any_spelling() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        for name in [
            "Origin",
            "Sec-Fetch-Site",
            "Sec-Fetch-Dest",
            "Sec-Fetch-User",
            "sec_fetch_site",
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Version",
            "Sec-CH-UA",
            "Sec-GPC",
            "Sec-Purpose",
            "X-Forwarded-For",
            "X_Forwarded_For",
            "x-forwarded_for",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
            "X-Forwarded-Port",
            "X-Forwarded-Uri",
            "X_Forwarded_Uri",
            "X-Original-Forwarded-For",
            "Forwarded",
            "FORWARDED",
            "Via",
            "X-Real-IP",
            "X_Real_IP",
            "X-Client-IP",
            "Client-IP",
            "True-Client-IP",
            "CF-Connecting-IP",
            "CDN-Loop",
        ] {
            for value in ["127.0.0.1", "http://localhost", "none", "same-origin", ""] {
                for method in ["GET", "HEAD", "OPTIONS", "POST"] {
                    let request = with_fields(method, &format!("{name}: {value}\r\n"), "");
                    let answer = raw(daemon.port, request).await;
                    assert_eq!(only_status(&answer), 403, "{method} with {name}: {value}: {answer}");
                }
            }
        }
        is_served_otherwise(&site, &daemon).await;
        let by_node = raw(daemon.port, with_fields("GET", "Sec-Fetch-Mode: cors\r\n", "")).await;
        assert_eq!(only_status(&by_node), 200, "{by_node}");
    })
    .await;
}

/// Forms that pages of any site may post without being asked, and whatever else is neither form nor JSON.
#[tokio::test]
async fn a_body_of_another_type_is_no_form() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let form = format!("grant_type=client_credentials&client_id=billing&client_secret={ORDERS}");
        for kind in [
            "Content-Type: text/plain\r\n",
            "Content-Type: multipart/form-data; boundary=x\r\n",
            "Content-Type: application/octet-stream\r\n",
            "Content-Type: application/x-www-form-urlencodedx\r\n",
            "Content-Type: text/plain\r\nContent-Type: application/x-www-form-urlencoded\r\n",
            "Content-Type:\r\n",
            "",
        ] {
            let length = form.len();
            let fields =
                format!("Host: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n{kind}\r\n{form}");
            for path in ["/oauth2/token", "/oauth2/introspect"] {
                let answer = raw(daemon.port, format!("POST {path} HTTP/1.1\r\n{fields}")).await;
                assert_eq!(only_status(&answer), 400, "{path} {kind}: {answer}");
            }
        }
        assert_eq!(site.operations(), [""; 0]);
        let fields = [("grant_type", "client_credentials"), ("client_id", "billing"), ("client_secret", ORDERS)];
        daemon.served(PATH, ORDERS).await;
        assert_eq!(daemon.ask(Ask::form("/oauth2/token", &fields)).await.status, 200);
    })
    .await;
}

/// All that an answer shows, but for the time.
fn shown(answer: &str) -> Vec<&str> {
    answer.lines().filter(|line| !line.starts_with("date:")).collect()
}

#[tokio::test]
async fn a_401_does_not_say_what_was_wrong_with_a_token() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let old = "replaced-Zq8Wd3Xc5Rt7Yh1Ub4";
        site.write("orders.token", &format!("{old}\n"));
        daemon.served("/v1/status", old).await;
        site.write("orders.token", &format!("{ORDERS}\n"));
        daemon.served("/v1/status", ORDERS).await;
        let long = "a".repeat(8 * 1024);
        for path in [PATH, "/v1/tokens/nothing", "/v1/status", "/nothing", "/oauth2/x"] {
            let asked = async |authorization: &str| {
                raw(
                    daemon.port,
                    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}Connection: close\r\n\r\n"),
                )
                .await
            };
            let none = asked("").await;
            assert_eq!(only_status(&none), 401, "{path}: {none}");
            for token in [
                "wrong",
                &ORDERS[..ORDERS.len() - 1],
                &format!("{ORDERS}x"),
                &format!(" x {ORDERS}"),
                &ORDERS.to_lowercase(),
                old,
                &long,
                "\u{ff}\u{fe}",
                "",
            ] {
                for scheme in ["Bearer ", "bearer ", "Basic ", "Bearer  ", ""] {
                    let answer = asked(&format!("Authorization: {scheme}{token}\r\n")).await;
                    assert_eq!(shown(&answer), shown(&none), "{path} {scheme}{token:.40}");
                }
            }
        }
        // A head of 64 KiB is refused whatever is in it, the right token or a wrong one.
        for token in [ORDERS, "wrong"] {
            let long = format!("Authorization: {token}\r\nX: {}\r\n", "a".repeat(64 * 1024));
            let answer = raw(daemon.port, format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\n{long}\r\n")).await;
            assert_eq!(only_status(&answer), 431, "{answer}");
        }
        is_served_otherwise(&site, &daemon).await;
    })
    .await;
}
