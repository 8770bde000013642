//! Reloads while everybody asks: nobody notices, and nothing grows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{applied, configuration, status};
use crate::client::{Ask, Line, Way};
use crate::daemon::{Daemon, free_port};
use crate::documents::{BILLING, LEDGER, ORDERS, REPORTS, ROLES, caller};
use crate::process::variable;
use crate::site::Site;
use crate::waiting::{limited_to, until};

/// So many, unless the environment says otherwise.
const RELOADS: usize = 200;
const CALLERS: usize = 8;
/// After so many reloads everything has been made that is ever made.
const WARM: usize = 40;
const PATHS: [&str; 3] = ["/v1/tokens/billing", "/v1/credentials/orders", "/v1/status"];

/// Asks on connections that are kept, until it is told to stop: what was no good answer, and how often it asked.
async fn ask_on(way: Way, stop: Arc<AtomicBool>) -> (Vec<String>, usize) {
    let mut line = Line::open(&way).await.unwrap();
    let (mut failures, mut asked) = (Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        let path = PATHS[asked % PATHS.len()];
        match line.ask(&Ask::get(path).bearer(ORDERS)).await {
            Ok(answer) if answer.status == 200 => {}
            Ok(answer) => failures.push(format!("{path}: {} {}", answer.status, answer.text)),
            Err(cause) => failures.push(format!("{path}: {cause}")),
        }
        asked += 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (failures, asked)
}

/// File descriptors, tasks, and KiB of memory.
async fn held(daemon: &Daemon) -> (usize, u64, u64) {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", daemon.running.pid())).unwrap().count();
    let tasks = status(daemon).await["tasks"].as_u64().unwrap();
    (descriptors, tasks, daemon.running.resident())
}

/// Fault matrix, row 64.
#[tokio::test]
async fn reloads_under_load_fail_nobody_and_nothing_grows() {
    let reloads = variable("CREDBROKER_RELOADS").map_or(RELOADS, |text| text.parse().unwrap());
    limited_to(Duration::from_secs(60 + reloads as u64 / 4), async {
        let site = Site::open().await;
        let listen = "[server]\nlisten = [\"loopback:PORT\", \"unix:DIR/api.sock\"]\n";
        let allow = ["tokens.billing", "credentials.orders"];
        let plain = format!("{listen}{BILLING}{ROLES}{}", caller("orders", &allow));
        // Another entry, another caller, another listener, a file, another audit log.
        let port = free_port();
        let more = format!(
            "{}{LEDGER}{}[files.out]\npath = \"DIR/out\"\ntoken = \"tokens.ledger\"\n[audit]\nto = {{ file = \"DIR/audit.log\" }}\n",
            plain.replace("[\"loopback:PORT\"", &format!("[\"loopback:{port}\", \"loopback:PORT\"")),
            caller("reports", &["tokens.ledger"]),
        );
        let daemon = site.launch(&plain).env("CREDBROKER_LOG", "error,credbroker=info").start().await;
        for path in PATHS {
            daemon.served(path, ORDERS).await;
        }
        let before = (site.asked("token").len(), site.asked("AssumeRole").len());
        let stop = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..CALLERS)
            .map(|number| {
                let way = if number % 2 == 0 { daemon.v4() } else { daemon.unix() };
                tokio::spawn(ask_on(way, Arc::clone(&stop)))
            })
            .collect();
        let mut warm = None;
        for number in 0..reloads {
            applied(&site, &daemon, if number % 2 == 0 { &more } else { &plain }).await;
            if number % 2 == 0 && number % 10 == 0 {
                daemon.get("/v1/tokens/ledger", REPORTS).await;
            }
            if number == WARM - 1 {
                warm = Some(held(&daemon).await);
            }
        }
        let warm = warm.unwrap();
        // What ends with a generation ends soon.
        let (descriptors, tasks, memory) = until("what was made has ended", Duration::from_secs(15), async || {
            let now = held(&daemon).await;
            (now.0 <= warm.0 + 4 && now.1 <= warm.1 + 4).then_some(now)
        })
        .await;
        stop.store(true, Ordering::Relaxed);
        let mut asked = 0;
        for caller in callers {
            let (failures, count) = caller.await.unwrap();
            assert_eq!(failures, Vec::<String>::new());
            asked += count;
        }
        eprintln!(
            "{reloads} reloads, {asked} requests; descriptors {} then {descriptors}, tasks {} then {tasks}, KiB {} then {memory}",
            warm.0, warm.1, warm.2
        );
        assert!(memory <= warm.2 + warm.2 / 10 + 2_048, "{memory} KiB, where it was {} before", warm.2);
        assert_eq!((site.asked("token").len(), site.asked("AssumeRole").len()), before, "no lease was lost");
        let said = configuration(&daemon).await;
        assert_eq!((&said["reloads_applied"], &said["reloads_refused"]), (&reloads.into(), &0.into()), "{said}");
    })
    .await;
}
