//! With a token in a file that somebody else renews.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind, Mint};
use serde_json::json;

use super::{failed_fetches, reports, subjects};
use crate::documents::{ORDERS, caller};
use crate::site::Site;
use crate::users::{id_token, mint, order};
use crate::waiting::{limited, until};

const OPERATION: &str = "AssumeRoleWithWebIdentity";

fn document() -> String {
    format!("{}{}", reports("pod", "{ file = \"DIR/web.token\" }", ""), caller("orders", &["credentials.pod"]))
}

fn expired(site: &Site, name: &str) -> String {
    mint(&site.control(), &Mint { lifetime: -10, ..order(name) })
}

#[tokio::test]
async fn a_token_replaced_on_disk_is_used_at_the_next_fetch() {
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime(OPERATION, 2);
        site.write("web.token", &format!("{}\n", id_token(&site, "ann")));
        let daemon = site.daemon(&document()).await;
        daemon.served("/v1/credentials/pod", ORDERS).await;
        assert_eq!(subjects(&site), ["ann"]);
        site.replace("web.token", &id_token(&site, "bob"));
        until("the new token is used", Duration::from_secs(10), async || {
            daemon.served("/v1/credentials/pod", ORDERS).await;
            (subjects(&site).last() == Some(&json!("bob"))).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_token_renewed_while_the_old_one_is_refused_is_read_once_more() {
    limited(async {
        let site = Site::open().await;
        site.write("web.token", &expired(&site, "ann"));
        let daemon = site.daemon(&document()).await;
        site.control().fault(Fault::once(OPERATION, FaultKind::Delay { milliseconds: 400 }));
        let renew = async {
            site.asked_times(OPERATION, 1).await;
            site.replace("web.token", &id_token(&site, "ann"));
        };
        tokio::join!(daemon.served("/v1/credentials/pod", ORDERS), renew);
        assert_eq!(subjects(&site), [json!(null), json!("ann")], "the expired one, then the renewed one");
        assert_eq!(failed_fetches(&daemon).await, 0, "both in one fetch");
    })
    .await;
}

#[tokio::test]
async fn a_token_that_nobody_renews_is_named_with_its_file() {
    limited(async {
        let site = Site::open().await;
        let stale = expired(&site, "ann");
        site.write("web.token", &stale);
        let daemon = site.daemon(&document()).await;
        let answer = daemon.get("/v1/credentials/pod", ORDERS).await;
        assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("UpstreamUnavailable")), "{}", answer.text);
        for word in ["ExpiredTokenException", "web.token has expired", "whoever writes that file does not renew it"] {
            assert!(answer.complaint().contains(word), "{word}: {}", answer.complaint());
        }
        assert!(!answer.text.contains(&stale), "{}", answer.text);
        assert_eq!(subjects(&site).len(), 1, "the same token is not sent twice");

        site.replace("web.token", &id_token(&site, "ann"));
        daemon.served("/v1/credentials/pod", ORDERS).await;
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_not_there_is_named_and_nobody_is_asked() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let answer = daemon.get("/v1/credentials/pod", ORDERS).await;
        assert_eq!((answer.status, &answer.json()["code"]), (502, &json!("UpstreamMisconfigured")), "{}", answer.text);
        assert!(answer.complaint().contains("web.token"), "{}", answer.complaint());
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}
