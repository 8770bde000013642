//! A configuration with a mistake, of whatever kind: nothing of it is applied, and it is said where people look.

use std::time::Duration;

use super::{PATIENCE, applied, configuration, refused};
use crate::activation::told;
use crate::client::Ask;
use crate::daemon::free_port;
use crate::documents::{BILLING, LEDGER, ORDERS, billing_for_orders, caller};
use crate::process::Running;
use crate::site::Site;
use crate::waiting::{limited, until};

/// Fault matrix, row 63.
#[tokio::test]
async fn a_broken_configuration_changes_nothing_and_is_told() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let token = daemon.served("/v1/tokens/billing", ORDERS).await.token();
        let port = free_port();
        let missing = LEDGER.replace("billing.secret", "no-such.secret");
        let both = caller("orders", &["tokens.ledger", "tokens.billing"]);
        for (number, (document, problem)) in [
            ("[tokens.billing\n".to_owned(), "credbroker.toml:"),
            // What is left of a file that was cut off, say by a full disk.
            (BILLING.to_owned(), "no [callers.*]"),
            (format!("{}[tokens.billing2]\nform = \"cognito\"\n", billing_for_orders()), "did you mean `from`?"),
            (format!("{BILLING}{missing}{both}"), "tokens.ledger: the file"),
            (
                format!(
                    "[server]\nlisten = [\"loopback:PORT\", \"loopback:{port}\", \"127.0.0.1:{port}\"]\n{}",
                    billing_for_orders()
                ),
                "server.listen",
            ),
            (billing_for_orders().replace("tokens.billing\"]", "tokens.other\"]"), "callers.orders.allow"),
            (
                format!(
                    "{}[audit]\nto = {{ file = \"DIR/no\" }}\nkey = {{ env = \"NOT_THERE\" }}\n",
                    billing_for_orders()
                ),
                "audit.key",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let said = refused(&site, &daemon, &document).await;
            let last = &said["last_reload"];
            assert_eq!((&said["state"], &last["outcome"]), (&"reload refused".into(), &"refused".into()), "{said}");
            assert_eq!((&said["generation"], &said["reloads_refused"]), (&1.into(), &(number + 1).into()), "{said}");
            let problems = last["first_problems"].as_array().unwrap();
            assert!(problems.iter().any(|line| line.as_str().unwrap().contains(problem)), "{problem} is not in {said}");
            assert!(daemon.running.printed.text().contains(problem), "the log says it too");
            let answer = daemon.get("/v1/tokens/billing", ORDERS).await;
            assert_eq!((answer.cache(), answer.token()), ("hit", token.clone()));
        }
        let page = daemon.get("/", ORDERS).await;
        assert!(page.text.contains("reload refused"), "{}", page.text);
        assert_eq!(daemon.ask(Ask::get("/readyz")).await.status, 200, "callers are served as before");

        applied(&site, &daemon, &billing_for_orders()).await;
        let said = configuration(&daemon).await;
        assert_eq!((&said["state"], &said["generation"]), (&"in effect".into(), &2.into()), "{said}");
        assert_eq!(
            (&said["last_reload"]["outcome"], &said["last_error"]),
            (&"applied".into(), &serde_json::Value::Null)
        );
        assert_eq!(site.asked("token").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_missing_file_is_refused_and_a_secret_that_was_missing_before_is_no_reason() {
    limited(async {
        let site = Site::open().await;
        let broken = format!("{}{}", billing_for_orders(), LEDGER.replace("billing.secret", "later.secret"));
        let daemon = site.daemon(&broken).await;
        // It was so at the start; a reload is not for that to be mended first.
        applied(&site, &daemon, &broken).await;
        std::fs::remove_file(site.dir.path().join("credbroker.toml")).unwrap();
        let line = daemon.logged().await;
        assert!(line.lines().any(|line| line.contains("SIGHUP") && line.contains("refused")), "{line}");
        assert_eq!(daemon.get("/v1/tokens/billing", ORDERS).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn signals_that_come_together_are_one_reload_and_the_end_comes_first() {
    limited(async {
        let site = Site::open().await;
        let mut daemon = site.daemon(&billing_for_orders()).await;
        daemon.running.freeze().await;
        for _ in 0..5 {
            daemon.running.signal("HUP").await;
        }
        daemon.running.signal("CONT").await;
        let applied = async || configuration(&daemon).await["reloads_applied"].as_u64();
        until("the reload", PATIENCE, async || (applied().await == Some(1)).then_some(())).await;
        daemon.running.freeze().await;
        daemon.running.signal("HUP").await;
        daemon.running.signal("TERM").await;
        daemon.running.signal("CONT").await;
        assert_eq!(daemon.running.wait(Duration::from_secs(15)).await, 0);
        let log = daemon.running.printed.text();
        assert_eq!(log.matches("is in effect").count(), 1, "of those that were there together: {log}");
    })
    .await;
}

#[tokio::test]
async fn a_signal_that_comes_while_the_first_configuration_is_read_is_a_reload_after_it() {
    limited(async {
        let site = Site::open().await;
        // Reading this takes so long that the signal comes in the middle of it.
        let many: String = (0..400).map(|n| BILLING.replace("tokens.billing", &format!("tokens.t{n}"))).collect();
        let launch = site.launch(&format!("{}{many}", billing_for_orders()));
        let mut running = Running::spawn_apart(launch.command_through(free_port(), "exec \"$@\""));
        let says = async |running: &mut Running, words: &str| {
            until(words, PATIENCE, async || {
                let code = running.ended().await;
                let printed = running.printed.text();
                assert!(code.is_none(), "it ended with {code:?}: {printed}");
                printed.contains(words).then_some(())
            })
            .await;
        };
        says(&mut running, "no core dumps").await;
        running.signal("HUP").await;
        says(&mut running, "is in effect generation=2").await;
    })
    .await;
}

#[tokio::test]
async fn systemd_hears_when_a_reload_begins_and_when_it_is_over_whatever_came_of_it() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.launch(&billing_for_orders()).notified().start().await;
        let heard = async || {
            let socket = daemon.notifications.as_ref().unwrap();
            (told(socket).await, told(socket).await)
        };
        applied(&site, &daemon, &billing_for_orders()).await;
        let (begun, over) = heard().await;
        let since = begun.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        assert!(begun.contains("RELOADING=1") && since.parse::<u64>().unwrap() > 0, "{begun}");
        assert!(over.contains("READY=1") && !over.contains("refused"), "{over}");
        refused(&site, &daemon, "[tokens").await;
        let (begun, over) = heard().await;
        assert!(begun.contains("RELOADING=1") && over.contains("READY=1") && over.contains("was refused"), "{over}");
    })
    .await;
}
