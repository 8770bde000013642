//! `{caller}` and `{host}`: what they become, and whom they keep apart.

use serde_json::json;

use super::{each, hostname, role};
use crate::documents::{ORDERS, REPORTS, caller};
use crate::site::Site;
use crate::waiting::limited;

/// One role for each input that can name somebody.
const INPUTS: [(&str, &str); 6] = [
    ("by-session", "session_name = \"{caller}\""),
    ("by-source", "source_identity = \"{caller}\""),
    ("by-tag", "tags = { service = \"{caller}\" }"),
    ("host-session", "session_name = \"on-{host}\""),
    ("host-source", "source_identity = \"on-{host}\""),
    ("host-tag", "tags = { machine = \"on {host}\" }"),
];

async fn site_with_inputs() -> (Site, crate::daemon::Daemon) {
    let site = Site::open().await;
    let roles: String = INPUTS.iter().map(|(name, input)| role(name, "hub", input)).collect();
    let allow: Vec<String> = INPUTS.iter().map(|(name, _)| format!("credentials.{name}")).collect();
    let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
    let daemon = site.daemon(&format!("{roles}{}{}", caller("orders", &allow), caller("reports", &allow))).await;
    (site, daemon)
}

#[tokio::test]
async fn whatever_names_the_caller_gives_each_caller_a_session_of_its_own() {
    limited(async {
        let (site, daemon) = site_with_inputs().await;
        for (name, input) in INPUTS {
            let mut keys = Vec::new();
            for token in [ORDERS, REPORTS, ORDERS, REPORTS] {
                let body = daemon.served(&format!("/v1/credentials/{name}"), token).await.json();
                keys.push(body["AccessKeyId"].clone());
            }
            assert_eq!((&keys[0], &keys[1]), (&keys[2], &keys[3]), "{input}: one caller has one session");
            assert_eq!(keys[0] != keys[1], input.contains("{caller}"), "{input}");
        }
        assert_eq!(site.asked("AssumeRole").len(), 3 * 2 + 3, "nothing is asked twice");
    })
    .await;
}

#[tokio::test]
async fn what_is_filled_in_is_the_callers_name_and_the_hosts() {
    limited(async {
        let (site, daemon) = site_with_inputs().await;
        for (name, _) in INPUTS {
            daemon.served(&format!("/v1/credentials/{name}"), ORDERS).await;
        }
        let host = hostname();
        let (on_host, fixed) = (format!("on-{host}"), "credbroker");
        assert_eq!(each(&site, "session_name"), ["orders", fixed, fixed, &on_host, fixed, fixed]);
        let (none, on) = (json!(null), json!(on_host));
        assert_eq!(
            each(&site, "source_identity"),
            [&none, &json!("orders"), &none, &none, &on, &none].map(Clone::clone)
        );
        let tags = each(&site, "tags");
        assert_eq!(
            (&tags[2], &tags[5]),
            (&json!({ "service": "orders" }), &json!({ "machine": format!("on {host}") }))
        );
    })
    .await;
}
