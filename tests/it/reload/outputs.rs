//! What goes out without being asked for: files, and the audit log.

use super::{PATIENCE, applied, refused, status};
use crate::daemon::Daemon;
use crate::documents::{ORDERS, billing_for_orders};
use crate::site::Site;
use crate::waiting::{limited, until};

/// `tokens.billing` in `DIR/NAME`, with more keys.
fn with_file(name: &str, more: &str) -> String {
    format!("{}[files.out]\npath = \"DIR/{name}\"\ntoken = \"tokens.billing\"\n{more}", billing_for_orders())
}

fn with_audit(to: &str, more: &str) -> String {
    format!("{}[audit]\nto = {to}\n{more}", billing_for_orders())
}

fn read(site: &Site, name: &str) -> Option<String> {
    std::fs::read_to_string(site.dir.path().join(name)).ok()
}

async fn written(site: &Site, name: &str) -> String {
    until(name, PATIENCE, async || read(site, name).filter(|text| !text.is_empty())).await
}

#[tokio::test]
async fn a_file_that_stays_is_left_alone_one_that_goes_is_removed_and_a_new_one_written() {
    limited(async {
        use std::os::unix::fs::MetadataExt as _;
        let site = Site::open().await;
        let daemon = site.daemon(&with_file("one", "")).await;
        let token = written(&site, "one").await;
        let inode = || std::fs::metadata(site.dir.path().join("one")).unwrap().ino();
        let before = inode();
        applied(&site, &daemon, &format!("{}[audit]\nto = \"off\"\n", with_file("one", ""))).await;
        assert_eq!((read(&site, "one"), inode()), (Some(token.clone()), before));

        applied(&site, &daemon, &with_file("two", "")).await;
        assert_eq!(written(&site, "two").await, token);
        until("the first one is gone", PATIENCE, async || read(&site, "one").is_none().then_some(())).await;
        // The same place in another form.
        applied(&site, &daemon, &with_file("two", "format = \"json\"\n")).await;
        until("it is in the other form", PATIENCE, async || {
            read(&site, "two").filter(|text| text.contains("access_token"))
        })
        .await;
        applied(&site, &daemon, &billing_for_orders()).await;
        until("the second one is gone", PATIENCE, async || read(&site, "two").is_none().then_some(())).await;
        assert_eq!(status(&daemon).await["files"].as_array().unwrap().len(), 0);
        assert_eq!(site.asked("token").len(), 1, "whatever became of the files");
    })
    .await;
}

/// How many lines stand in the file that tell of a token, after one more was asked for.
async fn tells(site: &Site, daemon: &Daemon, name: &str) -> usize {
    assert_eq!(daemon.get("/v1/tokens/billing", ORDERS).await.status, 200);
    let lines = daemon.audited_in(|| read(site, name).unwrap_or_default()).await;
    lines.iter().filter(|line| line["event"] == "token").count()
}

#[tokio::test]
async fn the_audit_log_moves_and_a_key_that_is_too_short_refuses_it() {
    limited(async {
        let site = Site::open().await;
        site.write("audit.key", &"0123456789abcdef".repeat(2));
        let daemon = site.daemon(&with_audit("{ file = \"DIR/one.log\" }", "")).await;
        daemon.served("/v1/tokens/billing", ORDERS).await;
        let first = tells(&site, &daemon, "one.log").await;
        let key = "key = { file = \"DIR/audit.key\" }\n";
        applied(&site, &daemon, &with_audit("{ file = \"DIR/two.log\" }", key)).await;
        assert_eq!(tells(&site, &daemon, "two.log").await, 1);
        assert_eq!(read(&site, "one.log").unwrap().matches("\"event\":\"token\"").count(), first);

        let fingerprint = || {
            let text = read(&site, "two.log").unwrap();
            let last = text.lines().rfind(|line| line.contains("\"event\":\"token\"")).unwrap().to_owned();
            serde_json::from_str::<serde_json::Value>(&last).unwrap()["fingerprint"].clone()
        };
        let before = fingerprint();
        applied(&site, &daemon, &with_audit("{ file = \"DIR/two.log\" }", key)).await;
        tells(&site, &daemon, "two.log").await;
        assert_eq!(fingerprint(), before, "the key is the same");
        site.replace("audit.key", &"fedcba9876543210".repeat(2));
        applied(&site, &daemon, &with_audit("{ file = \"DIR/two.log\" }", key)).await;
        tells(&site, &daemon, "two.log").await;
        assert_ne!(fingerprint(), before, "it is read again");

        site.replace("audit.key", "short");
        let said = refused(&site, &daemon, &with_audit("{ file = \"DIR/two.log\" }", key)).await;
        assert!(said["last_reload"]["first_problems"][0].as_str().unwrap().contains("audit.key"), "{said}");
        tells(&site, &daemon, "two.log").await;
    })
    .await;
}
