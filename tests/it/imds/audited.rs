//! What the audit log says of the metadata service.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ROLE, SESSION, Service};
use crate::client::Ask;
use crate::site::Site;
use crate::waiting::{limited, until};

#[tokio::test]
async fn the_credentials_have_a_line_and_what_is_none_has_none() {
    limited(async {
        let site = Site::open().await;
        let service = Service::open(&site).await;
        let session = service.session().await;
        let get = |path: &str| Ask::get(path).header(SESSION, &session);
        let served = service.daemon.running.stdout.text();
        assert_eq!(service.ask(get("/latest/meta-data/iam/security-credentials/")).await.status, 200);
        assert_eq!(service.ask(get("/latest/meta-data/instance-id")).await.status, 404);
        assert_eq!(service.ask(Ask::get(ROLE)).await.status, 401);
        // A first request may be told to ask again.
        let is_served = async || (service.ask(get(ROLE)).await.status == 200).then_some(());
        until("the credentials are served", Duration::from_secs(15), is_served).await;
        let mut lines = service.daemon.audited().await;
        lines.retain(|line| line["reason"] != "CredentialsUninitialized");
        let keys = ["event", "outcome", "status", "reason", "caller", "known_by", "name"];
        let said: Vec<Value> = lines.iter().map(|line| keys.iter().map(|key| line[*key].clone()).collect()).collect();
        let name = "credentials.orders";
        assert_eq!(
            said,
            [
                json!(["imds", "refused", 401, "SessionRequired", "app", ["uid"], name]),
                json!(["imds", "issued", 200, null, "app", ["uid"], name]),
            ],
            "{served}"
        );
        assert!(lines[1]["upstream_request_id"].is_string() && lines[1]["fingerprint"].is_string(), "{lines:?}");
    })
    .await;
}
