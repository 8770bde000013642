//! Callers, and the tokens that they are known by.

use serde_json::Value;

use super::{PATIENCE, applied, refused, status};
use crate::client::Ask;
use crate::daemon::Daemon;
use crate::documents::{BILLING, ORDERS, REPORTS, ROLES, billing_for_orders, caller};
use crate::site::Site;
use crate::waiting::{limited, until};

const PATH: &str = "/v1/tokens/billing";

async fn answered(daemon: &Daemon, token: &str) -> u16 {
    daemon.ask(Ask::get(PATH).header("authorization", token)).await.status
}

#[tokio::test]
async fn a_caller_comes_goes_and_shows_another_token() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        daemon.served(PATH, ORDERS).await;
        assert_eq!(answered(&daemon, REPORTS).await, 401);
        let both = format!("{}{}", billing_for_orders(), caller("reports", &["tokens.billing"]));
        applied(&site, &daemon, &both).await;
        assert_eq!((answered(&daemon, ORDERS).await, answered(&daemon, REPORTS).await), (200, 200));
        let other = "other-Kd8wJ3xQ6nRb1Ys5Vt9LpHc2";
        site.write("other.token", other);
        applied(&site, &daemon, &both.replace("DIR/orders.token", "DIR/other.token")).await;
        assert_eq!((answered(&daemon, ORDERS).await, answered(&daemon, other).await), (401, 200));
        applied(&site, &daemon, &billing_for_orders()).await;
        assert_eq!((answered(&daemon, ORDERS).await, answered(&daemon, REPORTS).await), (200, 401));
        assert_eq!(site.asked("token").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_is_there_is_not_locked_out_for_a_file_that_is_missing_and_a_new_one_is_waited_for() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        daemon.served(PATH, ORDERS).await;
        let moved = billing_for_orders().replace("DIR/orders.token", "DIR/mistyped.token");
        let said = refused(&site, &daemon, &moved).await;
        let problem = said["last_reload"]["first_problems"][0].as_str().unwrap();
        assert!(problem.starts_with("callers.orders: ") && problem.contains("mistyped.token"), "{problem}");
        assert_eq!(answered(&daemon, ORDERS).await, 200);

        std::fs::remove_file(site.dir.path().join("reports.token")).unwrap();
        let both = format!("{}{}", billing_for_orders(), caller("reports", &["tokens.billing"]));
        applied(&site, &daemon, &both).await;
        assert_eq!((answered(&daemon, ORDERS).await, answered(&daemon, REPORTS).await), (200, 401));
        site.write("reports.token", REPORTS);
        until("the new caller is known", PATIENCE, async || (answered(&daemon, REPORTS).await == 200).then_some(()))
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_generated_token_that_stays_is_not_made_anew_and_one_that_goes_is_removed() {
    limited(async {
        let site = Site::open().await;
        let sidecar = |name: &str| {
            format!("[callers.{name}]\nallow = [\"tokens.billing\"]\ntoken = {{ generate = \"DIR/{name}.made\" }}\n")
        };
        let (one, other) = (site.dir.path().join("one.made"), site.dir.path().join("other.made"));
        let daemon = site.daemon(&format!("{BILLING}{}", sidecar("one"))).await;
        let token = std::fs::read_to_string(&one).unwrap();

        applied(&site, &daemon, &format!("{BILLING}{}{}", sidecar("one"), sidecar("other"))).await;
        // Whoever is told that it is in effect may start the one that reads it.
        let added = std::fs::read_to_string(&other).unwrap();
        assert_eq!((answered(&daemon, &token).await, answered(&daemon, &added).await), (200, 200));
        assert_eq!(std::fs::read_to_string(&one).unwrap(), token);

        applied(&site, &daemon, &format!("{BILLING}{}", sidecar("other"))).await;
        assert!(!one.exists());
        assert_eq!((answered(&daemon, &token).await, answered(&daemon, &added).await), (401, 200));
        assert_eq!(std::fs::read_to_string(&other).unwrap(), added);
    })
    .await;
}

#[tokio::test]
async fn what_a_caller_may_no_longer_have_is_let_go_of_and_not_renewed() {
    limited(async {
        let site = Site::open().await;
        let roles = ROLES.replace("session_name =", "keep = \"always\"\nsession_name =");
        let document = |of_reports: &str| {
            let callers = [caller("orders", &["credentials.orders"]), caller("reports", &[of_reports])].concat();
            format!("{BILLING}{roles}{callers}")
        };
        let daemon = site.daemon(&document("credentials.orders")).await;
        let held_for = async || {
            let rows = status(&daemon).await["credentials"].clone();
            let of =
                |row: &Value| Some(row["caller"].as_str()?.to_owned()).filter(|_| row["name"] == "credentials.orders");
            rows.as_array().unwrap().iter().filter_map(of).collect::<Vec<_>>()
        };
        for token in [ORDERS, REPORTS] {
            daemon.served("/v1/credentials/orders", token).await;
        }
        assert_eq!((held_for().await, site.asked("AssumeRole").len()), (vec!["orders".into(), "reports".into()], 3));
        applied(&site, &daemon, &document("tokens.billing")).await;
        assert_eq!(held_for().await, ["orders"], "it is a caller as before, but not of these");
        applied(&site, &daemon, &document("credentials.orders")).await;
        daemon.served("/v1/credentials/orders", REPORTS).await;
        assert_eq!(site.asked("AssumeRole").len(), 4);
    })
    .await;
}
