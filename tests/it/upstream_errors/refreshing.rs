//! Errors of renewing a machine user's tokens: what says that the refresh token is of no use leads to signing in again.

use std::time::Duration;

use serde_json::Value;

use super::table::{HELPED, Row, of};
use super::{MARK, entry, fault, holds_one, is_seen};
use crate::documents::{ORDERS, caller};
use crate::site::Site;
use crate::waiting::{limited, until};

#[tokio::test]
async fn a_machine_user_signs_in_again_unless_the_error_may_pass() {
    limited(async {
        let site = Site::open().await;
        let rows: Vec<&Row> = of(&["GetTokensFromRefreshToken"]).collect();
        let names: Vec<String> = (0..rows.len()).map(|index| format!("u{index}")).collect();
        let document: String = names.iter().map(|name| entry("InitiateAuth", name).1).collect();
        let allow: Vec<String> = names.iter().map(|name| format!("tokens.{name}")).collect();
        let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
        let daemon = site.daemon(&format!("{document}{}", caller("orders", &allow))).await;
        // Long enough that a renewal is there before the end: one that comes after it is used by whoever waited, and renewed again.
        site.control().set_lifetime("InitiateAuth", 4);
        for name in &names {
            assert_eq!(daemon.get(&format!("/v1/tokens/{name}"), ORDERS).await.status, 200);
        }
        until("every token expires", Duration::from_secs(20), async || {
            let status = daemon.get("/v1/status", ORDERS).await.json();
            // Whoever fetched a token used it, so it is renewed once more before it is left alone.
            let is_over = |row: &Value| row["upstream_requests"] == 2 && row["fetching"] == false && !holds_one(row);
            status["tokens"].as_array().unwrap().iter().all(is_over).then_some(())
        })
        .await;
        site.control().set_lifetime("InitiateAuth", 3_600);

        for (row, name) in rows.into_iter().zip(&names) {
            site.control().clear_journal();
            site.control().fault(fault(row));
            let answer = daemon.get(&format!("/v1/tokens/{name}"), ORDERS).await;
            if row.3 == HELPED {
                assert_eq!(answer.status, 200, "{row:?}: {}", answer.text);
                assert_eq!(site.operations(), ["GetTokensFromRefreshToken", "InitiateAuth"], "{row:?}");
            } else {
                is_seen(&daemon, "tokens", name, row, &answer).await;
                assert!(site.asked("InitiateAuth").is_empty(), "{row:?}: the refresh token may still do");
            }
            site.control().clear_faults();
        }
        assert!(!daemon.logged().await.contains(MARK));
    })
    .await;
}
