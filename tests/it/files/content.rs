//! What stands in a file, and who may read it.

use std::os::unix::fs::MetadataExt as _;

use serde_json::Value;

use super::{billing_in_a_file, file, path, readiness, row_is, written};
use crate::documents::{BILLING, ORDERS, ROLES, caller};
use crate::jwt::expiry;
use crate::site::Site;
use crate::waiting::limited;

const HEAD: &str = "# Written by credbroker, which replaces this file: changes are lost.\n";

/// `credentials.hub` in `DIR/out`, and a caller who may have them too.
fn hub_in_a_file(more: &str) -> String {
    let callers = caller("orders", &["credentials.hub"]);
    format!("{ROLES}{callers}{}", file(&format!("credentials = \"credentials.hub\"\n{more}")))
}

#[tokio::test]
async fn a_raw_file_is_the_bare_token_that_callers_get_without_a_newline() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_in_a_file("")).await;
        let content = written(&site).await;
        let row = row_is(&daemon, "written").await;
        let answer = daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!((content, answer.cache()), (answer.token(), "hit"));
        assert_eq!(site.asked("token").len(), 1, "the file and the caller have the same token");
        assert_eq!(path(&site).metadata().unwrap().mode() & 0o7777, 0o400);
        assert_eq!((row["format"].as_str(), row["mode"].as_str()), (Some("raw"), Some("0400")));
        assert_eq!((row["path"].as_str(), row.get("last_error")), (path(&site).to_str(), None));
        assert!((3_500..=3_600).contains(&row["expires_in"].as_u64().unwrap()), "{row}");
        assert_eq!(readiness(&daemon).await, 200);
    })
    .await;
}

#[tokio::test]
async fn a_token_as_json_says_when_it_ends_and_nothing_that_ages() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_in_a_file("format = \"json\"")).await;
        let content = written(&site).await;
        let answer = daemon.get("/v1/tokens/billing", ORDERS).await.json();
        let expected =
            ["access_token", "token_type", "expires_at", "scope"].map(|key| (key.to_owned(), answer[key].clone()));
        assert_eq!(serde_json::from_str::<Value>(&content).unwrap(), Value::Object(expected.into_iter().collect()));
        assert!(content.ends_with("}\n") && expiry(answer["access_token"].as_str().unwrap()) > 0);
    })
    .await;
}

const PROFILE: &str = "[default]\naws_access_key_id = {AccessKeyId}\naws_secret_access_key = {SecretAccessKey}\n\
                       aws_session_token = {Token}\naws_account_id = {AccountId}\nx_security_token_expires = {Expiration}\n";
const VARIABLES: &str = "AWS_ACCESS_KEY_ID={AccessKeyId}\nAWS_SECRET_ACCESS_KEY={SecretAccessKey}\nAWS_SESSION_TOKEN={Token}\n\
                         AWS_ACCOUNT_ID={AccountId}\nAWS_CREDENTIAL_EXPIRATION={Expiration}\n";

#[tokio::test]
async fn each_format_of_credentials_holds_what_callers_get() {
    limited(async {
        for (format, golden) in [
            ("", format!("{HEAD}{PROFILE}")),
            ("format = \"aws-profile\"", format!("{HEAD}{PROFILE}")),
            ("format = \"env\"", format!("{HEAD}{VARIABLES}")),
            ("format = \"json\"", "ANSWER\n".to_owned()),
        ] {
            let site = Site::open().await;
            let daemon = site.daemon(&hub_in_a_file(format)).await;
            let content = written(&site).await;
            let answer = daemon.get("/v1/credentials/hub", ORDERS).await;
            assert_eq!((answer.cache(), site.asked("AssumeRole").len()), ("hit", 1));
            let mut expected = golden.replace("ANSWER", &answer.text);
            for (key, value) in answer.json().as_object().unwrap() {
                expected = expected.replace(&format!("{{{key}}}"), value.as_str().unwrap());
            }
            assert_eq!(content, expected, "{format}");
        }
    })
    .await;
}

#[tokio::test]
async fn mode_and_group_are_those_configured_whatever_the_umask() {
    limited(async {
        let site = Site::open().await;
        // Root may give a file to any group, others to one of theirs.
        let other = nix::unistd::getgroups().unwrap().into_iter().find(|group| *group != nix::unistd::getgid());
        let group =
            if nix::unistd::geteuid().is_root() { 4711 } else { other.unwrap_or(nix::unistd::getgid()).as_raw() };
        let document = billing_in_a_file(&format!("group = {group}\nmode = \"0640\""));
        let daemon = site.launch(&document).umask("0777").start().await;
        written(&site).await;
        let there = path(&site).metadata().unwrap();
        assert_eq!((there.mode() & 0o7777, there.gid()), (0o640, group));
        let row = row_is(&daemon, "written").await;
        assert_eq!((row["mode"].as_str(), row["group"].as_str()), (Some("0640"), Some(&*group.to_string())));
    })
    .await;
}

#[tokio::test]
async fn a_group_by_name_is_looked_up_and_one_that_is_not_there_is_named() {
    limited(async {
        let site = Site::open().await;
        let own = nix::unistd::Group::from_gid(nix::unistd::getegid()).unwrap().unwrap();
        let daemon = site.daemon(&billing_in_a_file(&format!("group = \"{}\"", own.name))).await;
        row_is(&daemon, "written").await;
        let there = path(&site).metadata().unwrap();
        assert_eq!((there.mode() & 0o7777, there.gid()), (0o440, own.gid.as_raw()));
        drop(daemon);

        let site = Site::open().await;
        let daemon = site.daemon(&billing_in_a_file("group = \"no-such-group\"")).await;
        let row = row_is(&daemon, "failed").await;
        let message = row["last_error"]["message"].as_str().unwrap();
        assert!(message.contains("there is no group no-such-group on this machine: create it"), "{message}");
        assert_eq!(daemon.get("/v1/tokens/billing", ORDERS).await.status, 200, "callers have it all the same");
    })
    .await;
}

#[tokio::test]
async fn the_table_and_the_status_show_files_to_people() {
    limited(async {
        let site = Site::open().await;
        let document = format!("{BILLING}{}", file("token = \"tokens.billing\""));
        let checked = site.check(&document).await;
        assert_eq!((checked.code, &*checked.stderr), (Some(0), ""));
        let row = checked.stdout.lines().find(|line| line.starts_with("files.out")).unwrap();
        assert!(row.contains("tokens.billing as raw in ") && row.ends_with("/out, mode 0400"), "{row}");
        let kept = checked.stdout.lines().skip_while(|line| !line.starts_with("tokens.billing")).nth(1).unwrap();
        assert!(kept.contains("renewed always"), "{kept}");

        let daemon = site.daemon(&billing_in_a_file("")).await;
        row_is(&daemon, "written").await;
        let known = [("CREDBROKER_URL", &*daemon.url()), ("CREDBROKER_TOKEN", ORDERS)];
        let status = crate::site::credbroker(site.dir.path(), &["status"], &known).await;
        let row = status.stdout.lines().find(|line| line.starts_with("files.out")).unwrap();
        assert!(row.contains("written") && row.contains("tokens.billing as raw"), "{}", status.stdout);
    })
    .await;
}
