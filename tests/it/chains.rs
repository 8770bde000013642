//! Asking for AWS credentials: what the answer looks like, and how often each stage behind it is asked.

use serde_json::Value;

use crate::asking::seconds_of;
use crate::client::Ask;
use crate::documents::{BROKER_KEY, BROKER_SECRET, ORDERS, REPORTS, ROLES, caller};
use crate::site::Site;
use crate::waiting::{limited, wall};

const HUB_ARN: &str = "arn:aws:iam::111122223333:role/hub";
const ORDERS_ARN: &str = "arn:aws:iam::111122223333:role/orders";

/// What was asked of AssumeRole: role, session name and who asked.
fn assumed(site: &Site) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let asked = site.asked("AssumeRole").into_iter();
    asked
        .map(|a| {
            (text(&a.parameters["role_arn"]), text(&a.parameters["session_name"]), a.principal.unwrap_or_default())
        })
        .collect()
}

fn lives_an_hour(expiration: &Value) {
    let left = f64::from(i32::try_from(seconds_of(expiration.as_str().unwrap())).unwrap()) - wall();
    assert!((3_580.0..=3_601.0).contains(&left), "{left} s are left of an hour");
}

#[tokio::test]
async fn credentials_have_exactly_the_members_that_sdks_read() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&format!("{ROLES}{}", caller("orders", &["credentials.hub"]))).await;
        let answer = daemon.ask(Ask::get("/v1/credentials/hub").header("authorization", ORDERS)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.members(), ["AccessKeyId", "AccountId", "Expiration", "RoleArn", "SecretAccessKey", "Token"]);
        assert_eq!((answer.header("cache-control"), answer.cache()), (Some("no-store"), "miss"));
        let body = answer.json();
        assert!(body["AccessKeyId"].as_str().unwrap().starts_with("ASIA"), "{}", body["AccessKeyId"]);
        assert!(["SecretAccessKey", "Token"].iter().all(|key| body[key].as_str().unwrap().len() > 20));
        assert_eq!((body["AccountId"].as_str(), body["RoleArn"].as_str()), (Some("111122223333"), Some(HUB_ARN)));
        lives_an_hour(&body["Expiration"]);
        let again = daemon.get("/v1/credentials/hub", ORDERS).await;
        assert_eq!((again.cache(), again.json()["Token"].as_str()), ("hit", body["Token"].as_str()));
    })
    .await;
}

#[tokio::test]
async fn a_chain_asks_each_stage_once_and_each_caller_has_its_own_session() {
    limited(async {
        let site = Site::open().await;
        let callers = [caller("orders", &["credentials.orders"]), caller("reports", &["credentials.orders"])].concat();
        let daemon = site.daemon(&format!("{ROLES}{callers}")).await;
        let first = daemon.get("/v1/credentials/orders", ORDERS).await.json();
        let other = daemon.get("/v1/credentials/orders", REPORTS).await.json();
        let again = daemon.get("/v1/credentials/orders", ORDERS).await.json();
        assert_eq!(first["RoleArn"], ORDERS_ARN);
        assert_ne!(first["Token"], other["Token"], "the session name is an input, so it is part of the cache key");
        assert_eq!(first["Token"], again["Token"]);

        let user = "arn:aws:iam::111122223333:user/broker";
        let hub = "arn:aws:sts::111122223333:assumed-role/hub/credbroker";
        let expected = [(HUB_ARN, "credbroker", user), (ORDERS_ARN, "orders", hub), (ORDERS_ARN, "reports", hub)];
        assert_eq!(
            assumed(&site),
            expected.map(|(role, session, by)| (role.to_owned(), session.to_owned(), by.to_owned()))
        );
    })
    .await;
}

#[tokio::test]
async fn what_an_earlier_stage_says_of_its_caller_tells_the_later_ones_apart() {
    limited(async {
        let site = Site::open().await;
        // The session name of the hub names the caller; that of orders does not.
        let roles = ROLES
            .replace("session_name = \"{caller}\"", "")
            .replace("role/hub\"\n", "role/hub\"\nsession_name = \"{caller}\"\n");
        let callers = [caller("orders", &["credentials.orders"]), caller("reports", &["credentials.orders"])].concat();
        let daemon = site.daemon(&format!("{roles}{callers}")).await;
        let first = daemon.get("/v1/credentials/orders", ORDERS).await.json();
        let other = daemon.get("/v1/credentials/orders", REPORTS).await.json();
        assert_ne!(first["Token"], other["Token"]);
        let sessions: Vec<_> = assumed(&site)
            .into_iter()
            .map(|(_, session, by)| (session, by.rsplit('/').next().unwrap().to_owned()))
            .collect();
        let expected =
            [("orders", "broker"), ("credbroker", "orders"), ("reports", "broker"), ("credbroker", "reports")];
        assert_eq!(sessions, expected.map(|(session, by)| (session.to_owned(), by.to_owned())));
    })
    .await;
}

#[tokio::test]
async fn concurrent_first_requests_for_a_chain_ask_each_stage_once() {
    limited(async {
        let site = Site::open().await;
        let daemon =
            site.daemon(&format!("{ROLES}{}", caller("orders", &["credentials.orders", "credentials.hub"]))).await;
        let path =
            |index: usize| if index.is_multiple_of(2) { "/v1/credentials/orders" } else { "/v1/credentials/hub" };
        let asks: Vec<_> = (0..60)
            .map(|index| {
                let (ask, way) = (Ask::get(path(index)).bearer(ORDERS), daemon.v4());
                tokio::spawn(async move { ask.over(&way).await.unwrap() })
            })
            .collect();
        for ask in asks {
            let answer = ask.await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        let roles: Vec<_> = assumed(&site).into_iter().map(|(role, ..)| role).collect();
        assert_eq!(roles, [HUB_ARN, ORDERS_ARN]);
    })
    .await;
}

#[tokio::test]
async fn the_brokers_own_identity_is_handed_out_as_it_is() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&format!("{ROLES}{}", caller("orders", &["credentials.own"]))).await;
        let body = daemon.get("/v1/credentials/own", ORDERS).await.json();
        assert_eq!(
            (body["AccessKeyId"].as_str(), body["SecretAccessKey"].as_str()),
            (Some(BROKER_KEY), Some(BROKER_SECRET))
        );
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn errors_are_spelled_in_every_way_that_sdks_read() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&format!("{ROLES}{}", caller("orders", &["credentials.hub"]))).await;
        let refusals = [
            (daemon.get("/v1/credentials/nothing", ORDERS).await, 404, "credentials.nothing"),
            (daemon.get("/v1/credentials/orders", ORDERS).await, 403, "credentials.orders"),
            (daemon.get("/v1/credentials/hub", "nobody").await, 401, "Authorization"),
            (daemon.get("/v1/credentials/hub/", ORDERS).await, 400, "path"),
        ];
        for (answer, status, named) in refusals {
            assert_eq!(answer.status, status, "{}", answer.text);
            assert_eq!(answer.members(), ["Code", "Message", "code", "message"]);
            let body = answer.json();
            assert_eq!((&body["Code"], &body["Message"]), (&body["code"], &body["message"]));
            assert!(body["message"].as_str().unwrap().contains(named), "{}", answer.text);
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    })
    .await;
}
