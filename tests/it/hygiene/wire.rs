//! What is no request of HTTP/1.1, or could be two.

use super::{KNOWN, PATH, document, is_served_otherwise, only_status, refused, rows, with_fields, with_line};
use crate::client::raw;
use crate::documents::ORDERS;
use crate::site::Site;
use crate::waiting::limited;

#[tokio::test]
async fn what_is_no_http_1_is_refused_and_the_connection_closed() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let many = "X: y\r\n".repeat(100);
        let long = format!("X-Long: {}\r\n", "a".repeat(64 * 1024));
        let mut table = rows([
            (with_fields("GET", &many, ""), 431),
            (with_fields("GET", &long, ""), 431),
            (with_fields("GET", "X: a\0b\r\n", ""), 400),
            (with_fields("GET", "X: a\x01b\r\n", ""), 400),
            (with_fields("GET", "X: a\x7fb\r\n", ""), 400),
            (with_fields("GET", "X: a\rY: b\r\n", ""), 400),
            (with_fields("GET", "X: a\r\n folded\r\n", ""), 400),
            (with_fields("GET", " X: a\r\n", ""), 400),
            (with_fields("GET", "X : a\r\n", ""), 400),
            (with_fields("GET", "X\r\n", ""), 400),
            (with_fields("GET", ": a\r\n", ""), 400),
            (format!("GET {PATH}\r\n\r\n"), 400),
            (with_line(&format!("GET {PATH} HTTP/1.2")), 400),
            (with_line(&format!("GET {PATH} HTTP/3")), 400),
            (with_line(&format!("GET\t{PATH}\tHTTP/1.1")), 400),
            (with_line(&format!("GET  {PATH} HTTP/1.1")), 400),
            (with_line(&format!("GET {PATH} x HTTP/1.1")), 400),
            (with_line(&format!("G\x01T {PATH} HTTP/1.1")), 400),
            (with_line(&format!("{PATH} HTTP/1.1")), 400),
        ]);
        // A client of TLS says hello.
        table.push(([&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &[0x5a; 64], b"\r\n\r\n"].concat(), 400));
        table.push((b"\xff\xfe\xfd\r\n\r\n".to_vec(), 400));
        refused(&daemon, &table).await;

        let preface = raw(daemon.port, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
        assert!(!preface.contains(" 200 ") && !preface.starts_with('\0'), "no HTTP/2: {preface}");
        is_served_otherwise(&site, &daemon).await;
    })
    .await;
}

/// A request that two readers could take for two different ones is nobody's, and nothing behind it is read.
#[tokio::test]
async fn lengths_and_codings_that_disagree_are_refused() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let posted = |fields: &str, body: &str| with_fields("POST", fields, body);
        let table = rows([
            (with_fields("GET", "Content-Length: 0\r\nContent-Length: 5\r\n", "hello"), 400),
            (with_fields("GET", "Content-Length: 0, 0\r\n", ""), 400),
            (with_fields("GET", "Content-Length: +0\r\n", ""), 400),
            (with_fields("GET", "Content-Length: -1\r\n", ""), 400),
            (with_fields("GET", "Content-Length: 0x0\r\n", ""), 400),
            (with_fields("GET", "Content-Length: 1e1\r\n", ""), 400),
            (with_fields("GET", "Content-Length:\r\n", ""), 400),
            (with_fields("GET", "Content-Length: 99999999999999999999999\r\n", ""), 400),
            (with_fields("GET", "Content-Length: 18446744073709551615\r\n", ""), 431),
            (with_fields("GET", "Content-Length: 5\r\n", "hello"), 400),
            (with_fields("GET", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400),
            (with_fields("HEAD", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400),
            (with_fields("GET", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400),
            (posted("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400),
            (posted("Content-Length: 65537\r\n", ""), 413),
            (posted("Transfer-Encoding: identity\r\n", "hello"), 400),
            (posted("Transfer-Encoding: gzip\r\n", "hello"), 400),
            (posted("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 400),
            (posted("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), 400),
            (posted("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 400),
            (posted("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400),
            (posted("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400),
            (posted("Transfer-Encoding:\x0bchunked\r\n", "0\r\n\r\n"), 400),
            (posted("Transfer-Encoding: chunked\r\n", "zz\r\n\r\n"), 400),
            (posted("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n\r\n"), 400),
            (posted("Transfer-Encoding: chunked\r\n", "-1\r\n\r\n"), 400),
            (posted("Transfer-Encoding: chunked\r\n", "5\r\nhelloXX0\r\n\r\n"), 400),
        ]);
        refused(&daemon, &table).await;
        let old =
            format!("POST {PATH} HTTP/1.0\r\nHost: localhost\r\n{KNOWN}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
        assert_eq!(only_status(&raw(daemon.port, old).await), 400);
        is_served_otherwise(&site, &daemon).await;
    })
    .await;
}

/// What the HTTP library passes over on its own, so that we do not see it, changes nothing: it is read in one way, and nobody
/// behind us reads it in another.
#[tokio::test]
async fn what_the_parser_passes_over_is_one_request_all_the_same() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        daemon.served(PATH, ORDERS).await;
        let good = with_line(&format!("GET {PATH} HTTP/1.1"));
        let behind = format!("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n{KNOWN}\r\n");
        let both = format!(
            "POST {PATH} HTTP/1.1\r\nHost: localhost\r\n{KNOWN}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        );
        for (name, request, expected) in [
            ("bare line feeds", good.replace("\r\n", "\n"), 200),
            ("empty lines first", format!("\r\n\r\n{good}"), 200),
            ("a fragment", good.replace(PATH, &format!("{PATH}#/v1/status")), 200),
            ("one length twice", with_fields("GET", "Content-Length: 0\r\nContent-Length: 0\r\n", ""), 200),
            ("an offer of HTTP/2", with_fields("GET", "Upgrade: h2c\r\nHTTP2-Settings: AAM\r\n", ""), 200),
            ("a WebSocket without its key", with_fields("GET", "Upgrade: websocket\r\n", ""), 200),
            ("a wish for a 100", with_fields("GET", "Expect: 100-continue\r\n", ""), 200),
            ("both framings", both, 405),
            ("HTTP/1.0", format!("GET {PATH} HTTP/1.0\r\nHost: localhost\r\n{KNOWN}\r\n"), 200),
        ] {
            let answer = raw(daemon.port, format!("{request}{behind}")).await;
            assert_eq!(only_status(&answer), expected, "{name}: {answer}");
            assert!(!answer.contains("uptime_seconds"), "{name}: what stands behind it is not answered: {answer}");
        }
    })
    .await;
}
