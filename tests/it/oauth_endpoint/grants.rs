//! `grant_type=client_credentials`: what is answered and what is refused.

use http::Method;

use super::{CLIENT_CREDENTIALS, TOKEN, basic, refused, token};
use crate::client::Ask;
use crate::daemon::Daemon;
use crate::documents::{BILLING, LEDGER, ORDERS, REPORTS, billing_for_orders, caller, token_called};
use crate::site::Site;
use crate::waiting::limited;

/// A request for `tokens.billing` by a caller that may have it, with more fields.
fn billing(more: &[(&str, &str)]) -> Ask {
    token(&[&[("client_id", "billing"), ("client_secret", ORDERS)], more].concat())
}

async fn warm(site: &Site) -> Daemon {
    let daemon = site.daemon(&billing_for_orders()).await;
    daemon.served("/v1/tokens/billing", ORDERS).await;
    daemon
}

#[tokio::test]
async fn a_library_gets_the_token_that_others_get() {
    limited(async {
        let site = Site::open().await;
        let daemon = warm(&site).await;
        let held = daemon.get("/v1/tokens/billing", ORDERS).await.token();
        for ask in [
            billing(&[]),
            billing(&[("scope", ""), ("client_assertion", ""), ("something", "else")]),
            token(&[("client_id", "tokens.billing"), ("client_secret", ORDERS)]),
            basic(token(&[]), "billing", ORDERS),
            basic(token(&[("client_id", "tokens.billing")]), "tokens.billing", ORDERS),
        ] {
            let answer = daemon.ask(ask).await;
            assert_eq!(answer.token(), held);
            assert_eq!(answer.members(), ["access_token", "expires_in", "scope", "token_type"]);
            let body = answer.json();
            assert_eq!((&body["token_type"], &body["scope"]), (&"Bearer".into(), &"billing/read billing/write".into()));
            let left = body["expires_in"].as_u64().unwrap();
            assert!((3_500..=3_600).contains(&left), "{left}");
            assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));
            assert_eq!(answer.cache(), "hit");
        }
        assert_eq!(site.asked("token").len(), 1, "all of them are one request upstream");
    })
    .await;
}

#[tokio::test]
async fn a_scope_narrows_and_one_that_is_not_configured_is_invalid() {
    limited(async {
        let site = Site::open().await;
        let daemon = warm(&site).await;
        daemon.served("/v1/tokens/billing?scope=billing/read", ORDERS).await;
        let narrow = daemon.ask(billing(&[("scope", "billing/read")])).await;
        assert_eq!((narrow.status, &narrow.json()["scope"]), (200, &"billing/read".into()), "{}", narrow.text);
        refused(&daemon.ask(billing(&[("scope", "billing/read admin")])).await, 400, "invalid_scope");
        assert_eq!(site.asked("token").len(), 2);
    })
    .await;
}

#[tokio::test]
async fn requests_that_are_none_are_refused_as_the_rfc_says() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        for (grant, error) in [
            ("", "invalid_request"),
            ("authorization_code", "unsupported_grant_type"),
            ("refresh_token", "unsupported_grant_type"),
            ("password", "unsupported_grant_type"),
        ] {
            let ask = Ask::form(
                TOKEN,
                &[("grant_type", grant), ("client_id", "billing"), ("client_secret", ORDERS), ("code", "x")],
            );
            refused(&daemon.ask(ask).await, 400, error);
        }
        for ask in [
            Ask::form(TOKEN, &[("client_id", "billing"), ("client_secret", ORDERS)]),
            token(&[("client_secret", ORDERS)]),
            token(&[("client_id", ""), ("client_secret", ORDERS)]),
            billing(&[("scope", ""), ("scope", "billing/read")]),
            billing(&[("client_id", "billing")]),
            billing(&[("client_secret", ORDERS)]),
            billing(&[CLIENT_CREDENTIALS]),
            billing(&[("audience", "a"), ("audience", "b")]),
            billing(&[("unheard-of", "a"), ("unheard-of", "b")]),
            Ask::json(TOKEN, &serde_json::json!({ "grant_type": "client_credentials", "client_id": "billing" }))
                .bearer(ORDERS),
            Ask::json(TOKEN, &serde_json::json!({ "client_secret": ORDERS })),
            Ask::of(Method::POST, TOKEN).bearer(ORDERS),
            billing(&[]).header("content-type", "text/plain"),
        ] {
            refused(&daemon.ask(ask).await, 400, "invalid_request");
        }
        let got = daemon.get(TOKEN, ORDERS).await;
        refused(&got, 405, "method_not_allowed");
        assert_eq!(got.header("allow"), Some("POST"));
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

/// What there is, is nobody's business who may not have it.
#[tokio::test]
async fn a_token_that_is_not_allowed_looks_like_one_that_there_is_not() {
    limited(async {
        let site = Site::open().await;
        let callers = [caller("orders", &["tokens.billing"]), caller("reports", &["tokens.ledger"])].concat();
        let daemon = site.daemon(&format!("{BILLING}{LEDGER}{callers}")).await;
        let ask = async |id| daemon.ask(token(&[("client_id", id), ("client_secret", ORDERS), ("scope", "x")])).await;
        let (others, nobodys, secret) = (ask("ledger").await, ask("nothing").await, ask(REPORTS).await);
        for answer in [&others, &nobodys, &secret] {
            refused(answer, 400, "unauthorized_client");
            assert_eq!(answer.text, others.text);
        }
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn trouble_upstream_is_told_as_everywhere() {
    limited(async {
        let site = Site::open().await;
        let broken = token_called("broken", "").replace("billing.secret", "wrong.secret");
        site.write("wrong.secret", "wrongsecretQm4Tz8Lc2Vx6Nb0Kj5Hf9Dd3");
        let both = caller("orders", &["tokens.broken", "tokens.billing"]);
        let daemon = site.daemon(&format!("{BILLING}{broken}{both}")).await;
        daemon.get("/v1/tokens/broken", ORDERS).await;
        let answer = daemon.ask(token(&[("client_id", "broken"), ("client_secret", ORDERS)])).await;
        refused(&answer, 502, "upstream_denied");
        assert!(answer.complaint().contains("tokens.broken"), "{}", answer.text);

        let Site { emulator, dir: _dir, .. } = site;
        drop(emulator);
        daemon.get("/v1/tokens/billing", ORDERS).await;
        let answer = daemon.ask(billing(&[])).await;
        refused(&answer, 503, "temporarily_unavailable");
        assert!(answer.retry_after() >= 1);
    })
    .await;
}
