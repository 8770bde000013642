//! What the audit log says of files.

use serde_json::json;

use super::{billing_in_a_file, written};
use crate::documents::ORDERS;
use crate::site::Site;
use crate::waiting::limited;

#[tokio::test]
async fn each_file_that_is_written_has_a_line_and_is_known_by_what_is_in_it() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_in_a_file("")).await;
        let token = written(&site).await;
        assert_eq!(daemon.served("/v1/tokens/billing", ORDERS).await.token(), token);
        let lines = daemon.audited().await;
        // Whoever sees the file may ask before its line is written.
        let of = |event: &str| lines.iter().find(|line| line["event"] == event);
        let (2, Some(file), Some(asked)) = (lines.len(), of("file"), of("token")) else { panic!("{lines:?}") };
        let said = ["event", "outcome", "status", "caller", "name", "via"].map(|key| file[key].clone());
        assert_eq!(json!(said), json!(["file", "issued", null, null, "tokens.billing", "files.out"]));
        for key in ["fingerprint", "expires_at", "upstream_request_id"] {
            assert!(file[key].is_string() && file[key] == asked[key], "{key}: {lines:?}");
        }
    })
    .await;
}
