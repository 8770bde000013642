//! What `check`, `schema` and `run` say of a configuration.

use crate::documents::{BILLING, LEDGER, POOLS, ROBOT, ROLES, billing_for_orders, caller};
use crate::site::{Site, credbroker};
use crate::waiting::limited;

const LITERAL: &str = "literally-the-secret-8Hq2";

/// Six mistakes of six kinds, each with the place and the words a reader needs.
const SIX: [(&str, &str); 6] = [
    (":2:11: ", "other machines"),
    (":6:13: ", "expected text"),
    (":7:17: ", "never stands in the configuration"),
    (":8:1: ", "`scopes`"),
    (":10:8: ", "`assume-role`"),
    (":13:10: ", "`tokens.billing`"),
];

fn six_mistakes() -> String {
    format!(
        r#"[server]
listen = ["0.0.0.0:2778"]
[tokens.billing]
from = "cognito"
user_pool = "eu-west-1_AbCd12345"
client_id = 7
client_secret = "{LITERAL}"
scops = ["billing/read"]
[credentials.orders]
from = "asume-role"
role_arn = "arn:aws:iam::111122223333:role/orders"
[callers.orders]
allow = ["tokens.biling"]
uid = 1000
"#
    )
}

#[tokio::test]
async fn six_mistakes_are_six_lines_with_their_places() {
    limited(async {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("six.toml");
        std::fs::write(&file, six_mistakes()).unwrap();
        let file = file.to_str().unwrap();
        for command in ["check", "run"] {
            let ended = credbroker(dir.path(), &[command, "--config", file], &[]).await;
            assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{}", ended.stderr);
            let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.contains(file)).collect();
            assert_eq!(lines.len(), SIX.len(), "{}", ended.stderr);
            for (line, (place, words)) in lines.iter().zip(SIX) {
                assert!(
                    line.contains(&format!("{file}{place}")) && line.contains(words),
                    "{line}\nexpected {place} … {words}"
                );
            }
            assert!(!ended.stderr.contains(LITERAL), "{}", ended.stderr);
        }
    })
    .await;
}

#[tokio::test]
async fn a_good_file_is_printed_resolved_without_reading_a_secret() {
    limited(async {
        let site = Site::open().await;
        let allow = ["tokens.billing", "credentials.orders"];
        let document = format!("{BILLING}{LEDGER}{ROBOT}{ROLES}{POOLS}{}", caller("orders", &allow));
        let file = site.launch(&document).configure(2778);
        for secret in ["billing.secret", "robot.password", "orders.token"] {
            std::fs::remove_file(site.dir.path().join(secret)).unwrap();
        }
        let ended = credbroker(site.dir.path(), &["check", "--config", file.to_str().unwrap()], &[]).await;
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
        for part in [
            "loopback:2778",
            "tokens.billing",
            "billing/read billing/write",
            "as credentials.hub",
            "login.acme",
            "callers.orders",
            "10s",
        ] {
            assert!(ended.stdout.contains(part), "{part} is not in\n{}", ended.stdout);
        }
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn the_schema_is_json_and_names_every_table() {
    limited(async {
        let dir = tempfile::tempdir().unwrap();
        let ended = credbroker(dir.path(), &["schema"], &[]).await;
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
        let schema: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        let named = schema["properties"].as_object().unwrap();
        for table in [
            "server",
            "aws",
            "refresh",
            "tokens",
            "credentials",
            "callers",
            "issuers",
            "imds",
            "files",
            "egress",
            "shared_cache",
        ] {
            assert!(named.contains_key(table), "{table}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_not_there_is_a_mistake_in_the_configuration() {
    limited(async {
        let dir = tempfile::tempdir().unwrap();
        for command in ["check", "run"] {
            let ended = credbroker(dir.path(), &[command, "--config", "nowhere.toml"], &[]).await;
            assert_eq!(ended.code, Some(2), "{}", ended.stderr);
            assert!(ended.stderr.contains("nowhere.toml"), "{}", ended.stderr);
        }
        let usage = credbroker(dir.path(), &["run", "--no-such-flag"], &[]).await;
        assert_eq!(usage.code, Some(2), "{}", usage.stderr);
    })
    .await;
}

#[tokio::test]
async fn a_listener_that_others_can_reach_is_refused() {
    limited(async {
        let site = Site::open().await;
        for address in ["0.0.0.0:PORT", "[::]:PORT", "10.1.2.3:PORT", "*:PORT"] {
            let document = format!("[server]\nlisten = [\"{address}\"]\n{}", billing_for_orders());
            let ended = site.launch(&document).fails().await;
            assert_eq!(ended.code, Some(2), "{address}: {}", ended.stderr);
            assert!(ended.stderr.contains("credbroker.toml:2:11: server.listen"), "{}", ended.stderr);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_not_built_yet_is_refused_by_name() {
    limited(async {
        let site = Site::open().await;
        let cache = "[shared_cache]\nurl = \"rediss://cache.example\"\nkey = { file = \"DIR/cache.key\" }\n";
        let ended = site.launch(&format!("{}{cache}", billing_for_orders())).fails().await;
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr.contains("shared_cache") && ended.stderr.contains("not built yet"), "{}", ended.stderr);
    })
    .await;
}

/// The TOML that a document of the repository shows, block by block.
fn examples(document: &str) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = std::fs::read_to_string(path).unwrap();
    let block = |rest: &str| rest.split_once("\n```").unwrap().0.to_owned() + "\n";
    text.split("```toml\n").skip(1).map(block).collect()
}

#[tokio::test]
async fn what_the_documents_show_is_accepted() {
    limited(async {
        let site = Site::open().await;
        let (readme, files) = (examples("README.md").concat(), examples("docs/files.md").concat());
        let whole = ["docs/status.md", "docs/forward-auth.md"].map(|document| examples(document).concat());
        let choices = examples("docs/identity-propagation.md");
        assert_eq!(choices.len(), 2, "each of them is one way to do it");
        for text in [readme.clone(), readme + &files].into_iter().chain(whole).chain(choices) {
            let ended = site.check(&text).await;
            assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{text}");
        }
    })
    .await;
}
