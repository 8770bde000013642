//! The client commands, and the exit codes that scripts rely on.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};
use serde_json::Value;

use crate::daemon::{Daemon, free_port};
use crate::documents::{BILLING, ORDERS, REPORTS, ROLES, caller};
use crate::jwt::claims;
use crate::process::Ended;
use crate::site::{Site, credbroker};
use crate::waiting::{Stopwatch, limited};

async fn daemon(site: &Site) -> Daemon {
    let callers =
        [caller("orders", &["tokens.billing", "credentials.orders"]), caller("reports", &["tokens.billing"])].concat();
    site.daemon(&format!("{BILLING}{ROLES}{callers}")).await
}

/// Runs a client command as the caller with `token`.
async fn client(daemon: &Daemon, token: &str, arguments: &[&str]) -> Ended {
    credbroker(&daemon.dir, arguments, &[("CREDBROKER_URL", &daemon.url()), ("CREDBROKER_TOKEN", token)]).await
}

fn done(ended: Ended) -> String {
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{}", ended.stdout);
    ended.stdout
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

#[tokio::test]
async fn token_prints_the_bare_token() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        let bare = done(client(&daemon, ORDERS, &["token", "billing"]).await);
        assert_eq!(bare, format!("{}\n", daemon.get("/v1/tokens/billing", ORDERS).await.token()));
        assert_eq!(done(client(&daemon, ORDERS, &["token", "tokens.billing"]).await), bare);
        let whole = json(&done(client(&daemon, ORDERS, &["token", "billing", "--json"]).await));
        assert_eq!(whole["access_token"], bare.trim_end());
        let narrow = done(client(&daemon, ORDERS, &["token", "billing", "--scope", "billing/read"]).await);
        assert_eq!(claims(narrow.trim_end())["scope"], "billing/read");
    })
    .await;
}

#[tokio::test]
async fn credentials_are_printed_in_three_forms() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        let own = daemon.get("/v1/credentials/orders", ORDERS).await.json();
        let process = json(&done(client(&daemon, ORDERS, &["credentials", "orders"]).await));
        assert_eq!(process["Version"], 1);
        for (printed, key) in
            [("AccessKeyId", "AccessKeyId"), ("SecretAccessKey", "SecretAccessKey"), ("SessionToken", "Token")]
        {
            assert_eq!(process[printed], own[key], "{printed}");
        }
        assert!(process["Expiration"].as_str().unwrap().ends_with('Z') && process.get("Token").is_none());
        assert_eq!(
            json(&done(client(&daemon, ORDERS, &["credentials", "orders", "--format", "json"]).await))["Token"],
            own["Token"]
        );

        let lines = done(client(&daemon, ORDERS, &["credentials", "orders", "--format", "env"]).await);
        let script = format!(
            "{lines}\nprintf '%s %s %s' \"$AWS_ACCESS_KEY_ID\" \"$AWS_SECRET_ACCESS_KEY\" \"$AWS_SESSION_TOKEN\""
        );
        let mut shell = crate::process::command("/bin/sh", &daemon.dir, &[]);
        shell.args(["-c", &script]);
        let text = |key: &str| own[key].as_str().unwrap().to_owned();
        let read = crate::process::finish(shell).await.stdout;
        assert_eq!(
            read,
            [text("AccessKeyId"), text("SecretAccessKey"), text("Token")].join(" "),
            "a shell reads it back"
        );
    })
    .await;
}

#[tokio::test]
async fn the_daemon_and_the_caller_are_found_by_the_environment() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        let (socket, tcp) = (format!("unix:{}", daemon.dir.join("api.sock").display()), daemon.url());
        let file = daemon.dir.join("orders.token");
        let file = ("CREDBROKER_TOKEN_FILE", file.to_str().unwrap());
        let mut printed = Vec::new();
        for url in [&*socket, &*tcp] {
            printed.push(done(credbroker(&daemon.dir, &["token", "billing"], &[("CREDBROKER_URL", url), file]).await));
            printed.push(done(
                credbroker(&daemon.dir, &["token", "billing", "--url", url], &[("CREDBROKER_TOKEN", ORDERS)]).await,
            ));
        }
        printed.dedup();
        assert_eq!(printed.len(), 1, "the same token by every way");
        let remote = credbroker(&daemon.dir, &["token", "billing", "--url", "http://example.com"], &[file]).await;
        assert_eq!(
            (remote.code, &*remote.stdout),
            (Some(2), ""),
            "a token is never sent to another machine: {}",
            remote.stderr
        );
    })
    .await;
}

#[tokio::test]
async fn status_is_a_table_for_people_and_json_for_machines() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        daemon.get("/v1/tokens/billing", ORDERS).await;
        let table = done(client(&daemon, ORDERS, &["status"]).await);
        let row = table.lines().find(|line| line.starts_with("tokens.billing")).unwrap_or_else(|| panic!("{table}"));
        assert!(row.contains("fresh") && !table.contains('\u{1b}'), "{table}");
        let document = json(&done(client(&daemon, ORDERS, &["status", "--json"]).await));
        assert_eq!(
            (document["state"].as_str(), document["tokens"][0]["state"].as_str()),
            (Some("serving"), Some("fresh"))
        );
        assert_eq!(client(&daemon, "nobody", &["status"]).await.code, Some(4));
    })
    .await;
}

#[tokio::test]
async fn each_refusal_has_its_exit_code_and_a_word_about_it() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        for (token, arguments, code, word) in [
            (ORDERS, ["token", "nothing"], 1, "tokens.nothing"),
            (REPORTS, ["credentials", "orders"], 4, "credentials.orders"),
            ("nobody", ["token", "billing"], 4, "not known"),
            (ORDERS, ["token", "../status"], 1, "path"),
            (ORDERS, ["wait", "billing"], 2, "tokens.NAME"),
            (REPORTS, ["wait", "credentials.orders"], 4, "credentials.orders"),
        ] {
            let ended = client(&daemon, token, &arguments).await;
            assert_eq!((ended.code, &*ended.stdout), (Some(code), ""), "{arguments:?}: {}", ended.stderr);
            assert!(ended.stderr.contains(word), "{arguments:?}: {}", ended.stderr);
        }
        site.control()
            .fault(Fault::always("token", FaultKind::Status { status: 503, body: String::new(), headers: [].into() }));
        assert_eq!(client(&daemon, ORDERS, &["token", "billing"]).await.code, Some(5));
        let unreadable = [("CREDBROKER_URL", &*daemon.url()), ("CREDBROKER_TOKEN_FILE", "no-such-file")];
        assert_eq!(credbroker(&daemon.dir, &["token", "billing"], &unreadable).await.code, Some(2));
    })
    .await;
}

#[tokio::test]
async fn without_a_daemon_each_command_says_so() {
    limited(async {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("http://127.0.0.1:{}", free_port());
        let named = [("CREDBROKER_URL", &*url)];
        for arguments in
            [&["token", "billing"][..], &["credentials", "orders"], &["status"], &["wait", "--timeout", "1s"]]
        {
            let ended = credbroker(dir.path(), arguments, &named).await;
            assert_eq!(ended.code, Some(3), "{arguments:?}: {}", ended.stderr);
            assert!(ended.stderr.contains("cannot be reached"), "{arguments:?}: {}", ended.stderr);
        }
        assert_eq!(
            credbroker(dir.path(), &["health"], &named).await.code,
            Some(1),
            "a container's health check knows 0 and 1"
        );
        let socket = [("CREDBROKER_URL", "unix:/nonexistent/api.sock")];
        assert_eq!(credbroker(dir.path(), &["token", "billing"], &socket).await.code, Some(3));
    })
    .await;
}

#[tokio::test]
async fn health_needs_no_caller() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        for url in [daemon.url(), format!("unix:{}", daemon.dir.join("api.sock").display())] {
            done(credbroker(&daemon.dir, &["health"], &[("CREDBROKER_URL", &url)]).await);
        }
    })
    .await;
}

#[tokio::test]
async fn wait_ends_when_the_value_is_there_and_in_time_when_it_is_not() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        site.control()
            .fault(Fault::always("token", FaultKind::Status { status: 503, body: String::new(), headers: [].into() }));
        let watch = Stopwatch::start();
        let ended = client(&daemon, ORDERS, &["wait", "tokens.billing", "--timeout", "2s"]).await;
        assert_eq!(ended.code, Some(5), "{}", ended.stderr);
        assert!(ended.stderr.contains("tokens.billing"), "{}", ended.stderr);
        // Its two seconds and slack for a busy machine: less than where nothing is said.
        assert!(watch.elapsed() < Duration::from_secs(20), "{:?}", watch.elapsed());

        site.control().clear_faults();
        let names = ["wait", "tokens.billing", "credentials.orders", "--timeout", "20s"];
        done(client(&daemon, ORDERS, &names).await);
        assert_eq!(daemon.get("/v1/tokens/billing", ORDERS).await.cache(), "hit");
        done(client(&daemon, ORDERS, &["wait"]).await);
    })
    .await;
}
