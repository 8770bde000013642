//! What others do to a file and its directory.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::{PATIENCE, billing_in_a_file, path, read, readiness, replaced, row, row_is, written};
use crate::documents::{ORDERS, caller, token_called};
use crate::site::Site;
use crate::waiting::{limited, until};

#[tokio::test]
async fn a_file_that_somebody_removes_or_changes_is_written_again() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_in_a_file("")).await;
        let token = written(&site).await;
        row_is(&daemon, "written").await;
        std::fs::remove_file(path(&site)).unwrap();
        assert_eq!(written(&site).await, token);

        row_is(&daemon, "written").await;
        std::fs::set_permissions(path(&site), Permissions::from_mode(0o644)).unwrap();
        std::fs::write(path(&site), "somebody's").unwrap();
        assert_eq!(replaced(&site, "somebody's").await, token);
        assert_eq!(path(&site).metadata().unwrap().mode() & 0o7777, 0o400);
        assert_eq!(site.asked("token").len(), 1, "no request upstream is needed for that");
        assert!(daemon.logged().await.contains("somebody else has removed or changed the file"));
    })
    .await;
}

#[tokio::test]
async fn a_link_in_the_place_is_replaced_and_what_it_leads_to_stays() {
    limited(async {
        let site = Site::open().await;
        let precious = site.write("precious", "precious");
        symlink(&precious, path(&site)).unwrap();
        let daemon = site.daemon(&billing_in_a_file("")).await;
        row_is(&daemon, "written").await;
        assert!(path(&site).symlink_metadata().unwrap().is_file());
        assert_eq!(std::fs::read_to_string(precious).unwrap(), "precious");
    })
    .await;
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_named_and_stops_nothing_else() {
    limited(async {
        let site = Site::open().await;
        let document = format!(
            "{}{}[files.other]\ntoken = \"tokens.other\"\npath = \"DIR/other\"\n",
            billing_in_a_file("").replace("DIR/out", "DIR/later/out"),
            token_called("other", "")
        );
        let daemon = site.daemon(&document).await;
        let failed = row_is(&daemon, "failed").await;
        let message = failed["last_error"]["message"].as_str().unwrap();
        assert!(message.contains("/later is not there: create it"), "{message}");
        until("the other file is there", PATIENCE, async || site.dir.path().join("other").exists().then_some(())).await;
        assert_eq!(readiness(&daemon).await, 503);
        let body = daemon.ask(crate::client::Ask::get("/readyz")).await;
        assert_eq!((&body.json()["files_missing"], body.text.contains("later")), (&1.into(), false), "{}", body.text);
        until("it is tried again", PATIENCE, async || {
            (row(&daemon).await["last_error"]["failures_in_a_row"].as_u64() > Some(1)).then_some(())
        })
        .await;

        std::fs::create_dir(site.dir.path().join("later")).unwrap();
        let row = row_is(&daemon, "written").await;
        assert_eq!((row.get("last_error"), readiness(&daemon).await), (None, 200));
        assert_eq!(site.asked("token").len(), 2, "one for each token");
    })
    .await;
}

#[tokio::test]
async fn while_a_renewal_cannot_be_written_the_old_value_stays_and_its_end_is_kept() {
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime("token", 6);
        let out = site.dir.path().join("dir");
        std::fs::create_dir(&out).unwrap();
        let daemon = site.daemon(&billing_in_a_file("").replace("DIR/out", "DIR/dir/out")).await;
        row_is(&daemon, "written").await;
        let token = std::fs::read_to_string(out.join("out")).unwrap();
        // Whoever may write in it could put another token there.
        std::fs::set_permissions(&out, Permissions::from_mode(0o777)).unwrap();
        // It is stale for a moment at each renewal; here it stays so.
        let of_directory = |row: &serde_json::Value| {
            row["last_error"]["message"].as_str().is_some_and(|message| message.contains("chmod o-w"))
        };
        until("the directory is told of", PATIENCE, async || {
            let row = row(&daemon).await;
            (row["state"] == "stale" && of_directory(&row)).then_some(())
        })
        .await;
        assert_eq!(std::fs::read_to_string(out.join("out")).unwrap(), token);
        assert_eq!(daemon.get("/v1/tokens/billing", ORDERS).await.status, 200);
        until("the old value ends", PATIENCE, async || (!out.join("out").exists()).then_some(())).await;
        let row = row_is(&daemon, "failed").await;
        assert!(of_directory(&row), "{row}");

        std::fs::set_permissions(&out, Permissions::from_mode(0o755)).unwrap();
        row_is(&daemon, "written").await;
    })
    .await;
}

#[tokio::test]
async fn what_a_killed_daemon_left_half_written_is_gone_and_neighbours_are_not() {
    limited(async {
        let site = Site::open().await;
        site.write(".out.0123456789abcdef.credbroker-draft", "half a tok");
        site.write(".out.swp", "theirs");
        let daemon = site.daemon(&billing_in_a_file("")).await;
        row_is(&daemon, "written").await;
        assert!(!site.dir.path().join(".out.0123456789abcdef.credbroker-draft").exists());
        assert_eq!(std::fs::read_to_string(site.dir.path().join(".out.swp")).unwrap(), "theirs");
    })
    .await;
}

#[tokio::test]
async fn a_daemon_that_is_killed_again_and_again_leaves_a_whole_file() {
    limited(async {
        let site = Site::open().await;
        let document = format!("{}{}", billing_in_a_file(""), caller("reports", &[]));
        for _ in 0..4 {
            let daemon = site.daemon(&document).await;
            let before = read(&site);
            until("it is written", PATIENCE, async || read(&site).filter(|now| Some(now) != before.as_ref())).await;
            daemon.running.signal("KILL").await;
            drop(daemon);
            assert_eq!(read(&site).unwrap().split('.').count(), 3);
            std::fs::remove_file(site.dir.path().join("api.sock")).unwrap();
        }
    })
    .await;
}
