//! Roles that assume roles.

use serde_json::{Value, json};

use super::{ROLES, each, role};
use crate::documents::{ORDERS, REPORTS, caller};
use crate::site::Site;
use crate::waiting::limited;

/// `last` as `middle` as `hub`; the hub says who is behind all of them.
fn three() -> String {
    let hub = "source_identity = \"{caller}\"\ntags = { team = \"a\", desk = \"7\" }\ntransitive_tags = [\"team\"]";
    let middle = "as = \"credentials.hub\"\nsession_name = \"between\"\nduration = \"1h\"";
    let last = "as = \"credentials.middle\"\nsession_name = \"{caller}\"\ntags = { shift = \"late\" }";
    [role("hub", "hub", hub), role("middle", "middle", middle), role("last", "last", last)].concat()
}

#[tokio::test]
async fn a_chain_of_three_carries_identity_and_tags_to_its_end() {
    limited(async {
        let site = Site::with(ROLES).await;
        let daemon = site.daemon(&format!("{}{}", three(), caller("orders", &["credentials.last"]))).await;
        let body = daemon.served("/v1/credentials/last", ORDERS).await.json();
        let session = |role: &str, name: &str| format!("arn:aws:sts::111122223333:assumed-role/{role}/{name}");
        let by: Vec<String> = site.asked("AssumeRole").into_iter().filter_map(|asked| asked.principal).collect();
        let broker = "arn:aws:iam::111122223333:user/broker".to_owned();
        assert_eq!(by, [broker, session("hub", "credbroker"), session("middle", "between")]);
        assert_eq!(site.whose(&body).await, session("last", "orders"));
        assert_eq!(each(&site, "source_identity"), ["orders", "orders", "orders"]);
        let expected =
            [json!({ "desk": "7", "team": "a" }), json!({ "team": "a" }), json!({ "team": "a", "shift": "late" })];
        assert_eq!(each(&site, "session_tags"), expected);
    })
    .await;
}

#[tokio::test]
async fn a_chain_of_three_keeps_two_callers_apart_from_its_first_stage_on() {
    limited(async {
        let site = Site::with(ROLES).await;
        let callers = [caller("orders", &["credentials.last"]), caller("reports", &["credentials.last"])].concat();
        let daemon = site.daemon(&format!("{}{callers}", three())).await;
        let mut keys = Vec::new();
        for token in [ORDERS, REPORTS, ORDERS, REPORTS] {
            keys.push(daemon.served("/v1/credentials/last", token).await.json()["AccessKeyId"].clone());
        }
        assert_eq!((&keys[0], &keys[1]), (&keys[2], &keys[3]));
        assert_ne!(keys[0], keys[1]);
        let behind: Vec<Value> = each(&site, "source_identity");
        assert_eq!(behind, ["orders", "orders", "orders", "reports", "reports", "reports"]);
    })
    .await;
}

#[tokio::test]
async fn a_chain_longer_than_an_hour_is_refused_before_it_is_tried() {
    limited(async {
        let site = Site::open().await;
        let long = |identity: &str| role("orders", "orders", &format!("as = \"{identity}\"\nduration = \"2h\""));
        let own = "[credentials.own]\nfrom = \"ambient\"\n";
        let rest = format!("{}{own}{}", role("hub", "hub", ""), caller("orders", &["credentials.orders"]));
        let chained = site.check(&format!("{}{rest}", long("credentials.hub"))).await;
        assert_eq!((chained.code, &*chained.stdout), (Some(2), ""), "{}", chained.stderr);
        for word in ["credentials.orders.duration", "1h at most", "assume the role directly"] {
            assert!(chained.stderr.contains(word), "{word}: {}", chained.stderr);
        }
        let direct = site.check(&format!("{}{rest}", long("credentials.own"))).await;
        assert_eq!(direct.code, Some(0), "{}", direct.stderr);
    })
    .await;
}
