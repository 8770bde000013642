//! Requests that nobody sends who means well, as they are on the wire: each is refused, says nothing, and asks nothing upstream.

mod answers;
mod shown;
mod targets;
mod wire;

use crate::client::raw;
use crate::daemon::Daemon;
use crate::documents::{BILLING, ORDERS, caller};
use crate::site::Site;
use crate::users::USERS;

const PATH: &str = "/v1/tokens/billing";

/// What every request here has that is to be taken for one of a caller.
const KNOWN: &str = "Authorization: orders-Vb7kQ2xW9pLm4Zt6Hs1DfGc8\r\n";

fn document() -> String {
    let orders = caller("orders", &["tokens.billing", "issuers.users"]);
    format!("{BILLING}{USERS}{orders}{}", caller("reports", &["issuers.users"]))
}

/// A request of the caller `orders` in which all but the line is as it should be.
fn with_line(line: &str) -> String {
    format!("{line}\r\nHost: localhost\r\n{KNOWN}Connection: close\r\n\r\n")
}

/// A request of the caller `orders` with these fields besides.
fn with_fields(method: &str, fields: &str, body: &str) -> String {
    format!("{method} {PATH} HTTP/1.1\r\nHost: localhost\r\n{KNOWN}{fields}Connection: close\r\n\r\n{body}")
}

fn with_host(host: &str) -> String {
    format!("GET {PATH} HTTP/1.1\r\n{host}{KNOWN}Connection: close\r\n\r\n")
}

/// The status of the only answer in `text`, which holds nothing that any answer holds none of.
fn only_status(text: &str) -> u16 {
    assert_eq!(text.matches("HTTP/1.").count(), 1, "one request, one answer: {text}");
    let head = text.split("\r\n\r\n").next().unwrap().to_ascii_lowercase();
    for never in ["access-control-", "\r\nserver:", "\r\nlocation:", "\r\nset-cookie:", "\r\nupgrade:"] {
        assert!(!head.contains(never), "{never}: {text}");
    }
    // What the HTTP library refuses by itself has no body.
    if !head.contains("content-length: 0") {
        for always in [
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "content-security-policy: default-src 'none'; frame-ancestors 'none'",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(head.contains(always), "{always}: {text}");
        }
    }
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {text}"))
}

/// Sends each request with a good one behind it, and expects one answer with its status.
async fn refused(daemon: &Daemon, table: &[(Vec<u8>, u16)]) {
    let behind = with_line(&format!("GET {PATH} HTTP/1.1"));
    for (request, expected) in table {
        let shown = String::from_utf8_lossy(request).escape_debug().to_string();
        let answer = raw(daemon.port, [request, behind.as_bytes()].concat()).await;
        assert_eq!(only_status(&answer), *expected, "{shown:.200}: {answer}");
        assert!(!answer.contains("access_token"), "{shown:.200}: {answer}");
    }
}

fn rows<const N: usize>(table: [(String, u16); N]) -> Vec<(Vec<u8>, u16)> {
    table.into_iter().map(|(request, status)| (request.into_bytes(), status)).collect()
}

/// The same request as it should be is served, so that the refusals before it are for what was wrong with them.
async fn is_served_otherwise(site: &Site, daemon: &Daemon) {
    assert_eq!(site.operations(), [""; 0], "nothing was asked upstream");
    daemon.served(PATH, ORDERS).await;
    let good = raw(daemon.port, with_line(&format!("GET {PATH} HTTP/1.1"))).await;
    assert_eq!(only_status(&good), 200, "{good}");
}
