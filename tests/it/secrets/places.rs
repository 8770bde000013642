//! Files, variables and systemd credentials.

use super::{all, is_refused};
use crate::documents::{M2M_SECRET, ORDERS};
use crate::site::Site;
use crate::waiting::limited;

#[tokio::test]
async fn a_secret_is_read_from_a_file_a_variable_or_a_systemd_credential() {
    limited(async {
        let site = Site::open().await;
        let directory = site.dir.path().join("credentials");
        std::fs::create_dir(&directory).unwrap();
        site.write("credentials/billing", &format!("{M2M_SECRET}\n"));
        site.write("bare.secret", M2M_SECRET);
        let places = [
            "file = \"DIR/billing.secret\"",
            "file = \"DIR/bare.secret\"",
            "env = \"BILLING_SECRET\"",
            "credential = \"billing\"",
        ];
        let launch = site.launch(&all(&places)).env("BILLING_SECRET", M2M_SECRET);
        let daemon = launch.env("CREDENTIALS_DIRECTORY", directory.to_str().unwrap()).start().await;
        for index in 0..places.len() {
            daemon.get(&format!("/v1/tokens/t{index}"), ORDERS).await.token();
        }
        assert_eq!(site.outcomes("GetClientToken"), ["ok"; 4]);
    })
    .await;
}

#[tokio::test]
async fn a_systemd_credential_replaced_is_used_at_the_next_request() {
    limited(async {
        let site = Site::open().await;
        let launch = site.launch(&all(&["credential = \"billing.secret\""]));
        let daemon = launch.env("CREDENTIALS_DIRECTORY", site.dir.path().to_str().unwrap()).start().await;
        daemon.get("/v1/tokens/t0", ORDERS).await.token();
        let newest = "newestsecret0123456789abcdefghijklmnopq";
        site.control().set_client_secret(crate::documents::M2M_CLIENT, newest);
        site.write("billing.secret", newest);
        daemon.get("/v1/tokens/t0?scope=billing/read", ORDERS).await.token();
        assert_eq!(site.outcomes("GetClientToken"), ["ok"; 2]);
    })
    .await;
}

#[tokio::test]
async fn what_is_missing_is_named_with_the_remedy_and_nothing_is_sent() {
    limited(async {
        let site = Site::open().await;
        site.write("empty.secret", "\n");
        std::fs::create_dir(site.dir.path().join("directory")).unwrap();
        let places = [
            "file = \"DIR/missing.secret\"",
            "file = \"DIR/empty.secret\"",
            "file = \"DIR/directory\"",
            "env = \"MISSING_SECRET\"",
            "env = \"EMPTY_SECRET\"",
            "credential = \"billing\"",
        ];
        let document = all(&places);
        let daemon = site.launch(&document).env("EMPTY_SECRET", "").start().await;
        for (index, words) in [
            &["missing.secret", "check that it exists"][..],
            &["empty.secret", "is empty"],
            &["directory", "not a plain file"],
            &["variable MISSING_SECRET", "set it for the daemon"],
            &["variable EMPTY_SECRET", "is empty"],
            &["systemd credential", "billing", "$CREDENTIALS_DIRECTORY", "LoadCredential=billing"],
        ]
        .iter()
        .enumerate()
        {
            is_refused(&daemon, index, words).await;
        }
        drop(daemon);
        std::fs::remove_file(site.dir.path().join("api.sock")).unwrap();
        let daemon = site.launch(&document).env("CREDENTIALS_DIRECTORY", site.dir.path().to_str().unwrap());
        let daemon = daemon.start().await;
        is_refused(&daemon, 5, &["billing", "check that it exists"]).await;
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}
