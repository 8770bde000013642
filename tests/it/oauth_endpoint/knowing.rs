//! Who asks: the caller's token as a client secret, and in no way that would make another path weaker.

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{TOKEN, basic, refused, token, unknown};
use crate::client::{Ask, raw, read_to_end};
use crate::documents::{BILLING, ORDERS, REPORTS, billing_for_orders, caller};
use crate::site::Site;
use crate::users::{USERS, id_token};
use crate::waiting::limited;

const ODD: &str = "odd+/=%41&token: Zq8Wd3Xc5Rt7Yh1Ub4";
const BY_ID: [(&str, &str); 1] = [("client_id", "billing")];

#[tokio::test]
async fn a_wrong_secret_is_an_invalid_client_in_whatever_way_it_comes() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        for secret in ["nobody", REPORTS, &ORDERS[1..]] {
            unknown(&daemon.ask(basic(token(&[]), "billing", secret)).await, Some("Basic"));
            let by_form = token(&[("client_id", "billing"), ("client_secret", secret)]);
            unknown(&daemon.ask(by_form).await, None);
            unknown(&daemon.ask(token(&BY_ID).bearer(secret)).await, Some("Bearer"));
        }
        unknown(&daemon.ask(basic(token(&[]), ORDERS, "")).await, Some("Basic"));
        unknown(&daemon.ask(token(&BY_ID).header("authorization", "Basic !")).await, Some("Basic"));
        unknown(&daemon.ask(token(&BY_ID).header("authorization", &format!("Basic {ORDERS}"))).await, Some("Basic"));
        unknown(&daemon.ask(token(&BY_ID)).await, Some("Bearer"));
        // In the URL it would stand in logs, so nobody looks there.
        let in_the_url =
            Ask::form(&format!("{TOKEN}?client_id=billing&client_secret={ORDERS}"), &[super::CLIENT_CREDENTIALS]);
        unknown(&daemon.ask(in_the_url).await, Some("Bearer"));
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_caller_shows_itself_in_one_way() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let with_secret = || token(&[("client_id", "billing"), ("client_secret", ORDERS)]);
        for ask in [
            with_secret().bearer(ORDERS),
            basic(with_secret(), "billing", ORDERS),
            basic(token(&[("client_id", "ledger")]), "billing", ORDERS),
        ] {
            refused(&daemon.ask(ask).await, 400, "invalid_request");
        }
        unknown(&daemon.ask(with_secret().bearer("nobody")).await, Some("Bearer"));
        assert_eq!(site.operations(), [""; 0]);
        for ask in [token(&BY_ID).bearer(ORDERS), token(&BY_ID).header("authorization", ORDERS)] {
            assert_eq!(daemon.ask(ask).await.status, 200, "known as everywhere");
        }
    })
    .await;
}

#[tokio::test]
async fn a_secret_in_basic_is_taken_encoded_and_as_it_is() {
    limited(async {
        let site = Site::open().await;
        site.write("orders.token", ODD);
        let daemon = site.daemon(&billing_for_orders()).await;
        let encoded: String = url::form_urlencoded::byte_serialize(ODD.as_bytes()).collect();
        for secret in [ODD, &encoded] {
            assert_eq!(daemon.ask(basic(token(&[]), "billing", secret)).await.status, 200, "{secret}");
        }
        let form = token(&[("client_id", "billing"), ("client_secret", ODD)]);
        assert_eq!(daemon.ask(form).await.status, 200);
        let undone = ODD.replace("%41", "A");
        unknown(&daemon.ask(basic(token(&[]), "billing", &undone)).await, Some("Basic"));
    })
    .await;
}

#[tokio::test]
async fn a_uid_needs_no_secret_and_a_wrong_one_is_not_forgiven_the_anonymous() {
    limited(async {
        let site = Site::open().await;
        let uid = nix::unistd::getuid();
        let me = format!("[callers.me]\nallow = [\"tokens.billing\"]\nuid = {uid}\n");
        let daemon = site.daemon(&format!("{BILLING}{me}")).await;
        for ask in
            [token(&BY_ID), token(&[("client_id", "billing"), ("client_secret", "")]), basic(token(&[]), "billing", "")]
        {
            assert_eq!(daemon.ask_over(&daemon.unix(), ask.clone()).await.status, 200, "{ask:?}");
            let means_it = ask.header("credbroker-request", "true");
            assert_eq!(daemon.ask(means_it.clone()).await.status, 200, "{means_it:?}");
        }
        refused(&daemon.ask(token(&BY_ID)).await, 403, "access_denied");

        let other = Site::open().await;
        let daemon = other.daemon(&format!("{BILLING}[callers.anonymous]\nallow = [\"tokens.billing\"]\n")).await;
        refused(&daemon.ask(token(&BY_ID)).await, 403, "access_denied");
        unknown(&daemon.ask(token(&[("client_id", "billing"), ("client_secret", "guess")])).await, None);
        assert_eq!(other.operations(), [""; 0]);
        assert_eq!(daemon.ask(token(&BY_ID).header("credbroker-request", "true")).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_client_secret_opens_no_other_path() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        for path in ["/v1/tokens/billing", "/v1/status", "/v1/credentials/x", "/oauth2/tokens", "/oauth2"] {
            let by_header = basic(Ask::get(path), "billing", ORDERS);
            assert_eq!(daemon.ask(by_header).await.status, 401, "{path}");
            let by_form = Ask::form(path, &[("client_secret", ORDERS)]);
            assert_eq!(daemon.ask(by_form).await.status, 401, "{path}");
        }
        for (name, value) in [("host", "evil.example"), ("x-forwarded-for", "10.0.0.1"), ("origin", "http://localhost")]
        {
            let ask = basic(token(&[]), "billing", ORDERS).header(name, value);
            refused(&daemon.ask(ask).await, 403, "access_denied");
        }
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

/// The form of somebody unknown is read, but not without end.
#[tokio::test]
async fn the_form_of_a_stranger_is_bounded_in_size_and_in_time() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let head = |more: &str| {
            format!("POST {TOKEN} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n{more}\r\n")
        };
        let declared = raw(daemon.port, &head("Content-Length: 70000\r\n")).await;
        assert!(declared.starts_with("HTTP/1.1 413"), "{declared}");
        let chunk = format!("11000\r\n{}\r\n0\r\n\r\n", "a".repeat(0x11000));
        let chunked = raw(daemon.port, &format!("{}{chunk}", head("Transfer-Encoding: chunked\r\n"))).await;
        assert!(chunked.starts_with("HTTP/1.1 413"), "{chunked}");

        // Where the header names nobody, the body is not waited for.
        let named = raw(daemon.port, &head("Authorization: Bearer nobody\r\nContent-Length: 10\r\n")).await;
        assert!(named.starts_with("HTTP/1.1 401"), "one that is waited for and does not come is a 400: {named}");

        let mut slow = TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
        slow.write_all(head("Content-Length: 10\r\n").as_bytes()).await.unwrap();
        let answer = read_to_end(&mut slow).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn introspection_knows_clients_in_the_same_ways() {
    limited(async {
        let site = Site::open().await;
        let callers = [caller("reports", &["issuers.users"]), caller("orders", &[])].concat();
        let daemon = site.daemon(&format!("{USERS}{callers}")).await;
        let token = id_token(&site, "ann");
        let ask = |more: &[(&str, &str)]| Ask::form("/oauth2/introspect", &[&[("token", &*token)], more].concat());
        for ask in [
            basic(ask(&[("token_type_hint", "access_token")]), "reports", REPORTS),
            ask(&[("client_id", "reports"), ("client_secret", REPORTS)]),
            ask(&[]).bearer(REPORTS),
            Ask::json("/oauth2/introspect", &json!({ "token": token, "client_secret": REPORTS })),
        ] {
            let answer = daemon.ask(ask).await;
            assert_eq!((answer.status, &answer.json()["sub"]), (200, &json!("ann")), "{}", answer.text);
        }
        unknown(&daemon.ask(basic(ask(&[]), "reports", "guess")).await, Some("Basic"));
        unknown(&daemon.ask(ask(&[("client_secret", "guess")])).await, None);
        unknown(&daemon.ask(ask(&[])).await, Some("Bearer"));
        refused(&daemon.ask(ask(&[("client_secret", REPORTS)]).bearer(REPORTS)).await, 400, "invalid_request");
        refused(&daemon.ask(basic(ask(&[]), "reports", ORDERS)).await, 403, "access_denied");
    })
    .await;
}
