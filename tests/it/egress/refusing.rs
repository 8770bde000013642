//! Who and what is not forwarded. Of all this nothing reaches the upstream.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::time::Duration;

use nix::unistd::geteuid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Forward;
use super::service::Service;
use crate::client::{Ask, read_to_end};
use crate::documents::{BILLING, ORDERS};
use crate::process;
use crate::site::Site;
use crate::waiting::{limited, until};

/// The status line's number.
fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[tokio::test]
async fn another_user_is_refused_whatever_it_shows() {
    limited(async {
        let (service, site) = (Service::open().await, Site::open().await);
        let other = geteuid().as_raw() + 1;
        let caller = format!(
            "[callers.orders]\nallow = [\"tokens.billing\"]\nuid = {other}\ntoken = {{ file = \"DIR/orders.token\" }}\n"
        );
        let rest = format!("{BILLING}{caller}[callers.me]\nallow = [\"tokens.billing\"]\nuid = {}\n", geteuid());
        let forward = Forward::of(site, &service.url(), "bearer = \"tokens.billing\"\n", &rest).await;
        for ask in [Ask::get("/"), Ask::get("/").bearer(ORDERS), Ask::get("/").header("credbroker-request", "true")] {
            let answer = forward.ask(ask).await;
            assert_eq!(
                (answer.status, answer.header("credbroker-error")),
                (403, Some("UnknownCaller")),
                "{}",
                answer.text
            );
            assert!(answer.complaint().contains("the processes of the user"), "{}", answer.text);
        }
        assert_eq!((service.connections(), forward.site.operations()), (0, vec![]));
    })
    .await;
}

/// Another user may connect, but not so often that the caller finds no place.
#[tokio::test]
async fn another_user_takes_no_places() {
    limited(async {
        let (service, site) = (Service::open().await, Site::open().await);
        let other = geteuid().as_raw() + 1;
        let caller = format!("[callers.orders]\nallow = [\"tokens.billing\"]\nuid = {other}\n");
        let forward =
            Forward::of(site, &service.url(), "bearer = \"tokens.billing\"\n", &format!("{BILLING}{caller}")).await;
        let mut held = Vec::new();
        for _ in 0..20 {
            let mut stream = TcpStream::connect(("127.0.0.1", forward.port)).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Unfinished:").await.unwrap();
            held.push(stream);
        }
        for stream in &mut held[8..] {
            let mut answer = Vec::new();
            // Whether as an end or as a reset.
            let _ = stream.read_to_end(&mut answer).await;
            assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
        }
        for stream in &mut held[..8] {
            stream.write_all(b"\r\n\r\n").await.unwrap();
            assert_eq!(status(&read_to_end(stream).await), "403");
        }
        let way = forward.v4();
        let again = async || Ask::get("/").over(&way).await.ok();
        assert_eq!(until("what they had is free again", Duration::from_secs(5), again).await.status, 403);
    })
    .await;
}

/// Where these tests run as root, another user is one that really is.
#[tokio::test]
async fn a_process_of_another_user_is_refused_where_its_neighbour_is_served() {
    limited(async {
        let service = Service::open().await;
        let forward = Forward::to(&service).await;
        let url = format!("http://127.0.0.1:{}/", forward.port);
        let mut command = process::command("curl", Path::new("/"), &[("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        command.args(["--silent", "--max-time", "10", "--output", "/dev/null", "--write-out", "%{http_code}", &url]);
        let expected = if geteuid().is_root() {
            command.as_std_mut().uid(4712).gid(4712);
            ("403", 0)
        } else {
            ("200", 1)
        };
        let ended = process::finish(command).await;
        assert_eq!((&*ended.stdout, service.connections()), expected, "{}", ended.stderr);
        assert_eq!(forward.ask(Ask::get("/")).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_browser_a_proxy_and_a_rebound_name_are_refused() {
    limited(async {
        let service = Service::open().await;
        let forward = Forward::to(&service).await;
        for (name, value) in [
            ("origin", "http://localhost"),
            ("sec-fetch-site", "none"),
            ("sec-fetch-dest", "image"),
            ("referer", "http://evil.example/"),
            ("upgrade-insecure-requests", "1"),
            ("sec-ch-ua-mobile", "?0"),
            ("sec-gpc", "1"),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:60.0) Gecko/20100101 Thunderbird/60.0"),
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("via", "1.1 proxy"),
            ("host", "evil.example"),
            ("host", "billing.example.com"),
        ] {
            let answer = forward.ask(Ask::get("/").header(name, value)).await;
            assert_eq!((answer.status, answer.header("credbroker-error")), (403, Some("AccessDenied")), "{name}");
        }
        assert_eq!(service.connections(), 0);
        assert_eq!(forward.row().await["refused"], 13);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_request_for_a_path_is_refused() {
    limited(async {
        let service = Service::open().await;
        let forward = Forward::to(&service).await;
        let host = "Host: localhost\r\nConnection: close\r\n";
        let elsewhere = service.url();
        for (head, expected) in [
            (format!("GET {elsewhere}/ HTTP/1.1\r\n{host}"), "400"),
            (format!("GET http://evil.example/ HTTP/1.1\r\n{host}"), "400"),
            (format!("CONNECT 127.0.0.1:{} HTTP/1.1\r\n{host}", service.port), "501"),
            (format!("OPTIONS * HTTP/1.1\r\n{host}"), "400"),
            (format!("TRACE / HTTP/1.1\r\n{host}"), "501"),
            ("GET / HTTP/1.0\r\nHost: localhost\r\n".to_owned(), "400"),
            (format!("GET / HTTP/1.1\r\n{host}Host: localhost\r\n"), "400"),
            ("GET / HTTP/1.1\r\nConnection: close\r\n".to_owned(), "400"),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n".to_owned(), "501"),
            (format!("GET /{} HTTP/1.1\r\n{host}", "a".repeat(70_000)), "431"),
            (format!("GET / HTTP/1.1\r\n{host}X-Long: {}\r\n", "a".repeat(70_000)), "431"),
        ] {
            let answer = forward.raw(&format!("{head}\r\n")).await;
            let begin: String = head.chars().take(60).collect();
            assert_eq!(status(&answer), expected, "{begin}: {answer}");
        }
        assert_eq!(service.connections(), 0);
        let offered = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close, Upgrade, HTTP2-Settings\r\n{}\r\n",
            "Upgrade: h2c\r\nHTTP2-Settings: AAM\r\n"
        );
        assert_eq!(status(&forward.raw(&offered).await), "200");
        let seen = service.only();
        assert!(seen.all("upgrade").is_empty() && seen.all("http2-settings").is_empty(), "{seen:?}");
        let long = format!("GET /{} HTTP/1.1\r\n{host}Cookie: {}\r\n\r\n", "a".repeat(20_000), "b".repeat(20_000));
        assert_eq!(status(&forward.raw(&long).await), "200");
    })
    .await;
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_reaches_nobody() {
    limited(async {
        let service = Service::open().await;
        let forward = Forward::to(&service).await;
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for (fields, body) in [
            ("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"),
            ("Content-Length: 5, 5\r\n", "hello"),
            ("Content-Length: +5\r\n", "hello"),
            ("Content-Length: 0x5\r\n", "hello"),
            ("Content-Length: -1\r\n", ""),
            ("Transfer-Encoding: identity\r\n", "hello"),
            ("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
            ("Content-Length : 5\r\n", "hello"),
            ("X: a\r\n folded: b\r\n", ""),
            ("X: a\rb\r\n", ""),
            ("X: a\0b\r\n", ""),
            ("X Y: a\r\n", ""),
            (": a\r\n", ""),
        ] {
            let answer =
                forward.raw(&format!("POST / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n{body}{smuggled}")).await;
            assert!(matches!(status(&answer), "400" | "501"), "{fields:?}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{fields:?}: {answer}");
        }
        for line in ["GET  / HTTP/1.1", "GET / HTTP/1.2", "GET /a b HTTP/1.1", "GET /\u{1} HTTP/1.1", "G@T / HTTP/1.1"]
        {
            let answer = forward.raw(&format!("{line}\r\nHost: localhost\r\n\r\n{smuggled}")).await;
            assert_eq!(status(&answer), "400", "{line:?}: {answer}");
        }
        assert_eq!(service.seen().len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_body_is_framed_anew_and_a_broken_one_never_ends() {
    limited(async {
        let service = Service::open().await;
        let forward = Forward::to(&service).await;
        let start = "POST / HTTP/1.1\r\nHost: localhost\r\n";
        // RFC 9112 section 6.3: Transfer-Encoding overrides Content-Length, and what goes on has one of them only.
        let both = format!(
            "{start}Content-Length: 3\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        );
        assert_eq!(status(&forward.raw(&both).await), "200");
        let seen = service.only();
        assert_eq!(
            (seen.all("content-length").len(), seen.all("transfer-encoding"), &*seen.body),
            (0, vec!["chunked"], &b"hello"[..])
        );
        let sizes = [
            "5\nhello\r\n0\r\n\r\n",
            "-1\r\n",
            "0x5\r\nhello\r\n",
            "ffffffffffffffffff\r\n",
            "5\r\nhelloX\r\n0\r\n\r\n",
            "\r\nhello\r\n",
            "5;\n\r\nhello\r\n0\r\n\r\n",
        ];
        for chunks in sizes {
            let answer = forward
                .raw(&format!(
                    "{start}Transfer-Encoding: chunked\r\n\r\n{chunks}GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
                ))
                .await;
            assert!(matches!(status(&answer), "400" | "none"), "{chunks:?}: {answer}");
        }
        let seen = service.seen();
        assert!(seen[1..].iter().all(|seen| !seen.whole && seen.path() == "/"), "{seen:?}");
    })
    .await;
}
