//! What the audit log says of forwarded requests.

use serde_json::json;

use super::Forward;
use super::service::Service;
use crate::client::Ask;
use crate::waiting::limited;

#[tokio::test]
async fn each_request_that_carries_the_credential_has_a_line_and_each_that_does_not() {
    limited(async {
        let service = Service::open().await;
        let forward = Forward::to(&service).await;
        assert_eq!(forward.ask(Ask::get("/orders?secret=q8Xv2Lm9Zr4Tw7")).await.status, 200);
        assert_eq!(forward.ask(Ask::get("/").header("origin", "https://evil.example")).await.status, 403);
        let lines = forward.daemon.audited().await;
        let said: Vec<_> = lines
            .iter()
            .map(|line| {
                let keys = ["event", "outcome", "status", "reason", "caller", "known_by", "name", "via"];
                keys.map(|key| line[key].clone())
            })
            .collect();
        let (name, via) = ("tokens.billing", "egress.billing");
        assert_eq!(
            json!(said),
            json!([
                ["egress", "issued", 200, null, "orders", ["uid"], name, via],
                ["egress", "refused", 403, "AccessDenied", null, null, name, via],
            ])
        );
        assert!(lines[0]["fingerprint"].is_string() && lines[0]["cache"].is_string(), "{lines:?}");
        assert!(!forward.daemon.running.stdout.text().contains("q8Xv2Lm9Zr4Tw7"), "the path is nobody's business");
    })
    .await;
}
