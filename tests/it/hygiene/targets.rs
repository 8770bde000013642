//! Methods, paths and hosts that are none of ours.

use super::{document, is_served_otherwise, only_status, with_fields, with_host, with_line};
use crate::client::raw;
use crate::site::Site;
use crate::waiting::limited;

#[tokio::test]
async fn other_methods_are_405_and_do_nothing() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        for method in
            ["get", "Get", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "PURGE"]
        {
            let preflight = "Access-Control-Request-Method: GET\r\nX-HTTP-Method-Override: GET\r\n";
            for fields in ["", preflight] {
                let answer = raw(daemon.port, with_fields(method, fields, "")).await;
                assert_eq!(only_status(&answer), 405, "{method}: {answer}");
                assert!(answer.contains("\r\nallow: GET, HEAD\r\n"), "{method}: {answer}");
                assert!(!answer.contains("Override"), "nothing is echoed: {answer}");
            }
        }
        is_served_otherwise(&site, &daemon).await;
    })
    .await;
}

#[tokio::test]
async fn targets_are_taken_as_written_or_not_at_all() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let long = format!("/{}", "a".repeat(3_000));
        for target in [
            "/v1/status/../tokens/billing",
            "/v1/./tokens/billing",
            "/v1/tokens/%62illing",
            "/v1/%74okens/billing",
            "/v1/tokens%2fbilling",
            "/v1/tokens%2Fbilling",
            "/v1/status/%2e%2e/tokens/billing",
            "/v1/status/.%2E/tokens/billing",
            "/v1/tokens/billing%00",
            "/v1/tokens/billing%00.html",
            "/v1/tokens/billing\0",
            "/v1/tokens/billing\u{1}",
            "/v1/tokens/billing\u{7f}",
            "//v1/tokens/billing",
            "/v1//tokens/billing",
            "/v1/tokens/billing/",
            "/v1/tokens/billing;jsessionid=1",
            "/v1/tokens;x/billing",
            "/v1\\tokens\\billing",
            "/v1/tokens/billing\\..",
            "/v1/tokens/billing:80",
            "/v1/tokens/b\u{ef}lling",
            "/healthz/../v1/tokens/billing",
            "/healthz;/v1/tokens/billing",
            "http://localhost/v1/tokens/billing",
            "http://evil.example/v1/tokens/billing",
            "HTTP://127.0.0.1/v1/tokens/billing",
            "//evil.example/v1/tokens/billing",
            "v1/tokens/billing",
            "localhost/v1/tokens/billing",
            "*",
            "?",
            "",
            &long,
        ] {
            for method in ["GET", "OPTIONS"] {
                let answer = raw(daemon.port, with_line(&format!("{method} {target} HTTP/1.1"))).await;
                assert_eq!(only_status(&answer), 400, "{method} {target:.80}: {answer}");
            }
        }
        let elsewhere = raw(daemon.port, with_line("CONNECT evil.example:443 HTTP/1.1")).await;
        assert_eq!(only_status(&elsewhere), 400, "{elsewhere}");
        for target in
            ["/V1/tokens/billing", "/v1/Tokens/billing", "/v1/tokens/billing.json", "/v1/tokens/...", "/v1/tokens"]
        {
            let answer = raw(daemon.port, with_line(&format!("GET {target} HTTP/1.1"))).await;
            assert_eq!(only_status(&answer), 404, "{target}: {answer}");
        }
        is_served_otherwise(&site, &daemon).await;
    })
    .await;
}

#[tokio::test]
async fn a_host_that_is_not_here_is_refused_on_every_path() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let port = daemon.port;
        for host in [
            "evil.example".to_owned(),
            format!("evil.example:{port}"),
            format!("127.0.0.1.nip.io:{port}"),
            format!("localhost.evil.example:{port}"),
            "localhost.".to_owned(),
            "127.0.0.1.".to_owned(),
            "0177.0.0.1".to_owned(),
            "0x7f.0.0.1".to_owned(),
            "0x7f000001".to_owned(),
            "2130706433".to_owned(),
            "127.1".to_owned(),
            "0.0.0.0".to_owned(),
            "0".to_owned(),
            "[::]".to_owned(),
            "[::ffff:127.0.0.1]".to_owned(),
            "::1".to_owned(),
            "169.254.169.254".to_owned(),
            format!("user@localhost:{port}"),
            format!("localhost:{port}@evil.example"),
            "localhost, evil.example".to_owned(),
            "localhost:99999".to_owned(),
            "localhost:65536".to_owned(),
            "localhost:0".to_owned(),
            "localhost:".to_owned(),
            "localhost:http".to_owned(),
            "http://localhost".to_owned(),
            "local\u{ff}host".to_owned(),
            String::new(),
        ] {
            let answer = raw(port, with_host(&format!("Host: {host}\r\n"))).await;
            assert_eq!(only_status(&answer), 403, "{host}: {answer}");
            // The hour in `Date` is no echo of a host that is a number.
            let said = answer.lines().filter(|line| !line.starts_with("date:")).collect::<String>();
            assert!(host.is_empty() || !said.contains(&format!(" {host}")), "nothing is echoed: {answer}");
        }
        for hosts in ["", "Host: localhost\r\nHost: evil.example\r\n", "Host: localhost\r\nhost: localhost\r\n"] {
            let answer = raw(port, with_host(hosts)).await;
            assert_eq!(only_status(&answer), 400, "{hosts}: {answer}");
        }
        for path in [
            "/healthz",
            "/readyz",
            "/metrics",
            "/openapi.json",
            "/.well-known/oauth-authorization-server",
            "/",
            "/oauth2/token",
        ] {
            let rebound = format!("GET {path} HTTP/1.1\r\nHost: evil.example:{port}\r\nConnection: close\r\n\r\n");
            assert_eq!(only_status(&raw(port, rebound).await), 403, "{path}");
        }
        is_served_otherwise(&site, &daemon).await;
        // Behind a forwarded port the client sends the number on its side.
        for host in ["localhost:1", "127.0.0.1:65535", "[::1]:2778", "127.8.9.10"] {
            assert_eq!(only_status(&raw(port, with_host(&format!("Host: {host}\r\n"))).await), 200, "{host}");
        }
    })
    .await;
}
