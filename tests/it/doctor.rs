//! `credbroker doctor` against a running daemon: what it finds, and its exit code.

use serde_json::Value;

use crate::daemon::Daemon;
use crate::documents::{BILLING, ORDERS, ROLES, caller};
use crate::process::Ended;
use crate::site::{Site, credbroker};
use crate::waiting::limited;

async fn daemon(site: &Site) -> Daemon {
    site.write("orders.bare", ORDERS);
    let orders = caller("orders", &["tokens.billing", "credentials.orders"]);
    let daemon = site.daemon(&format!("{BILLING}{ROLES}{orders}")).await;
    daemon.served("/v1/credentials/orders", ORDERS).await;
    daemon
}

/// What a service's unit file says, and `more`.
async fn doctor(site: &Site, daemon: &Daemon, arguments: &[&str], more: &[(&str, &str)]) -> Ended {
    let file = site.dir.path().join("orders.bare");
    let (file, uri) = (file.to_str().unwrap(), format!("{}/v1/credentials/orders", daemon.url()));
    let (sts, home) = (site.emulator.url(), site.dir.path().to_str().unwrap().to_owned());
    let usual = [
        ("HOME", &*home),
        ("AWS_ENDPOINT_URL_STS", &*sts),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*uri),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file),
        ("CREDBROKER_TOKEN_FILE", file),
    ];
    let environment: Vec<_> = usual.iter().chain(more).copied().collect();
    credbroker(&daemon.dir, &[&["doctor"], arguments].concat(), &environment).await
}

fn findings(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

/// The levels of what was found about `about`.
fn levels<'a>(findings: &'a Value, about: &str) -> Vec<&'a str> {
    let all = findings["findings"].as_array().unwrap().iter();
    all.filter(|finding| finding["about"] == about).map(|finding| finding["level"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_service_that_is_set_up_well_is_told_so() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        std::fs::set_permissions(
            site.dir.path().join("orders.bare"),
            std::os::unix::fs::PermissionsExt::from_mode(0o440),
        )
        .unwrap();
        let ended = doctor(&site, &daemon, &["--json"], &[]).await;
        let found = findings(&ended);
        assert_eq!((ended.code, &found["well"]), (Some(0), &Value::Bool(true)), "{found}");
        for about in ["daemon", "token-file", "credentials", "clock"] {
            let levels = levels(&found, about);
            assert!(!levels.is_empty() && levels.iter().all(|level| *level == "ok"), "{about}: {found}");
        }
        assert!(found["sdks"].as_array().unwrap().iter().all(|sdk| sdk["daemon"] == true), "{found}");

        let told = doctor(&site, &daemon, &[], &[]).await;
        assert_eq!((told.code, &*told.stderr), (Some(0), ""));
        assert!(told.stdout.contains("boto3, AWS CLI") && !told.stdout.contains('\u{1b}'), "{}", told.stdout);
    })
    .await;
}

#[tokio::test]
async fn what_is_in_the_way_is_named_and_no_secret_is() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        let keys = [("AWS_ACCESS_KEY_ID", "AKIASHADOWSHADOW0001"), ("AWS_SECRET_ACCESS_KEY", "shadow-secret-of-a-key")];
        let ended = doctor(&site, &daemon, &[], &keys).await;
        assert_eq!(ended.code, Some(1), "{}", ended.stdout);
        assert!(ended.stdout.contains("AWS_ACCESS_KEY_ID is set"), "{}", ended.stdout);
        site.write("orders.bare", &format!("{ORDERS}\n"));
        let broken = doctor(&site, &daemon, &["--json"], &[]).await;
        let found = findings(&broken);
        assert_eq!((broken.code, levels(&found, "token-file")), (Some(1), vec!["warn", "fail"]), "{found}");
        assert_eq!(levels(&found, "credentials"), ["fail"], "an SDK cannot send it: {found}");
        let refused =
            [("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/nonexistent"), ("CREDBROKER_TOKEN_FILE", "/nonexistent")];
        let refused = doctor(&site, &daemon, &["--json"], &refused).await;
        assert_eq!(levels(&findings(&refused), "token-file"), ["fail", "fail"]);
        for ended in [ended, broken, refused] {
            for secret in [ORDERS, keys[0].1, keys[1].1] {
                assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "{ended:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_daemon_that_is_not_there_or_does_not_know_the_caller_is_told() {
    limited(async {
        let site = Site::open().await;
        let mut daemon = daemon(&site).await;
        site.write("orders.bare", "somebody-else");
        let unknown = findings(&doctor(&site, &daemon, &["--json"], &[]).await);
        assert_eq!(levels(&unknown, "daemon"), ["ok", "fail"], "{unknown}");
        assert_eq!(levels(&unknown, "credentials"), ["fail"], "{unknown}");
        daemon.running.signal("KILL").await;
        daemon.running.wait(std::time::Duration::from_secs(10)).await;
        let gone = doctor(&site, &daemon, &["--json"], &[]).await;
        assert_eq!((gone.code, levels(&findings(&gone), "daemon")), (Some(1), vec!["fail"]));
    })
    .await;
}

#[tokio::test]
async fn a_daemon_that_would_ask_itself_is_told() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        let itself = doctor(&site, &daemon, &["--daemon", "--json"], &[]).await;
        assert_eq!((itself.code, levels(&findings(&itself), "itself")), (Some(1), vec!["fail"]));
        let keys = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        let own = doctor(&site, &daemon, &["--daemon", "--json"], &keys).await;
        assert_eq!((own.code, levels(&findings(&own), "itself")), (Some(0), vec!["ok"]));
    })
    .await;
}
