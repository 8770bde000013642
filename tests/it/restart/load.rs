//! Restarts while callers ask.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};
use tokio::task::JoinSet;

use super::leases::is_stored;
use super::{activated, kept};
use crate::client::{Ask, Line, Way};
use crate::daemon::Daemon;
use crate::documents::{BILLING, ORDERS, ROLES, caller};
use crate::site::Site;
use crate::supervisor::{End, Supervisor};
use crate::waiting::{limited, limited_to, until};

/// Rows of the list of faults say how often.
const ROUNDS: usize = 50;
const LONG: Duration = Duration::from_secs(180);

/// Callers that ask again and again, half of them on connections that they keep.
struct Load {
    callers: JoinSet<()>,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    failures: Arc<Mutex<Vec<String>>>,
}

impl Load {
    /// About 200 requests in a second, over each of `ways`.
    fn over(ways: &[Way]) -> Self {
        let (stop, answered, failures) = (Arc::default(), Arc::default(), Arc::default());
        let mut this = Self { callers: JoinSet::new(), stop, answered, failures };
        for number in 0..8 {
            let way = ways[number / 2 % ways.len()].clone();
            this.callers.spawn(asking(
                way,
                number,
                Arc::clone(&this.stop),
                Arc::clone(&this.answered),
                Arc::clone(&this.failures),
            ));
        }
        this
    }

    /// Waits for so many more answers.
    async fn answers(&self, more: u64) {
        let before = self.answered.load(Ordering::Relaxed);
        let enough = || self.answered.load(Ordering::Relaxed) >= before + more;
        until("answers under load", Duration::from_secs(20), async || enough().then_some(())).await;
    }

    /// Ends it: how many were answered, and what failed.
    async fn end(mut self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
        (self.answered.load(Ordering::Relaxed), std::mem::take(&mut self.failures.lock().unwrap()))
    }
}

async fn asking(
    way: Way,
    number: usize,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    failures: Arc<Mutex<Vec<String>>>,
) {
    let (ask, keeps) = (Ask::get("/v1/tokens/billing").bearer(ORDERS), number.is_multiple_of(2));
    // Not all at the same moment, or there is a pause between them to end in.
    tokio::time::sleep(Duration::from_millis(5 * number as u64)).await;
    let mut line = if keeps { Some(Line::open(&way).await.unwrap()) } else { None };
    let mut pace = tokio::time::interval(Duration::from_millis(40));
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        let answer = match &mut line {
            Some(line) => line.ask(&ask).await,
            None => ask.over(&way).await,
        };
        match answer {
            Ok(answer) if answer.status == 200 => drop(answered.fetch_add(1, Ordering::Relaxed)),
            Ok(answer) => failures.lock().unwrap().push(format!("{way:?}, kept: {keeps}: {}", answer.text)),
            Err(cause) => failures.lock().unwrap().push(format!("{way:?}, kept: {keeps}: {cause:?}")),
        }
    }
}

fn ways(daemon: &Daemon) -> [Way; 3] {
    [daemon.v4(), daemon.v6(), daemon.unix()]
}

/// Row 66, and the promise as a whole: nobody is refused, reset or given anything but his token, and nothing is asked upstream.
#[tokio::test]
async fn fifty_restarts_under_load_fail_no_request_and_ask_nothing_upstream() {
    limited_to(LONG, async {
        let site = Site::open().await;
        let mut service = Supervisor::start(site.launch(&activated("drain = \"0s\""))).await;
        service.daemon.served("/v1/tokens/billing", ORDERS).await;
        let load = Load::over(&ways(&service.daemon));
        for _ in 0..ROUNDS {
            load.answers(10).await;
            service.restart().await;
        }
        load.answers(10).await;
        let (answered, failures) = load.end().await;
        eprintln!("{answered} answered in {ROUNDS} restarts, {} failed", failures.len());
        assert_eq!(failures, Vec::<String>::new(), "of {answered}");
        assert_eq!(site.operations(), ["token"], "one request in all");
    })
    .await;
}

/// Row 65. Without systemd nobody takes over, so callers are served until they ask no more.
#[tokio::test]
async fn whoever_has_connected_when_a_daemon_ends_is_answered() {
    limited(async {
        let site = Site::open().await;
        let document = activated("drain = \"1s\"").replace("systemd:api", "loopback:PORT");
        let mut daemon = site.daemon(&document).await;
        daemon.served("/v1/tokens/billing", ORDERS).await;
        let load = Load::over(&[daemon.v4(), daemon.v6()]);
        load.answers(20).await;
        daemon.running.signal("TERM").await;
        assert_eq!(daemon.running.wait(Duration::from_secs(10)).await, 0);
        let (_, failures) = load.end().await;
        let reset: Vec<_> = failures.iter().filter(|failure| !failure.contains("ConnectionRefused")).collect();
        assert_eq!(reset, Vec::<&String>::new());
    })
    .await;
}

/// Row 67.
#[tokio::test]
async fn of_processes_killed_in_the_middle_of_a_fetch_nothing_else_is_lost() {
    limited_to(LONG, async {
        let site = Site::open().await;
        let document = kept(&format!("{BILLING}{ROLES}{}", caller("orders", &["tokens.billing", "credentials.hub"])));
        let mut service = Supervisor::start(site.launch(&document)).await;
        service.daemon.served("/v1/tokens/billing", ORDERS).await;
        is_stored(&service).await;
        for round in 1..=ROUNDS {
            site.control().fault(Fault::once("AssumeRole", FaultKind::Delay { milliseconds: 60_000 }));
            let (ask, way) = (Ask::get("/v1/credentials/hub").bearer(ORDERS), service.daemon.v4());
            let in_flight = tokio::spawn(async move { ask.over(&way).await });
            site.asked_times("AssumeRole", round).await;
            service.kill().await;
            let lost = in_flight.await.unwrap();
            assert!(lost.is_err() || lost.is_ok_and(|answer| answer.status == 503), "it was in flight");
            let held = service.daemon.get("/v1/tokens/billing", ORDERS).await;
            assert_eq!((held.status, held.cache()), (200, "hit"), "{}", held.text);
        }
        assert_eq!(service.daemon.served("/v1/credentials/hub", ORDERS).await.status, 200);
        assert_eq!(site.asked("AssumeRole").len(), ROUNDS + 1, "one of each process");
        assert_eq!(site.asked("token").len(), 1);
    })
    .await;
}

/// Row 68.
#[tokio::test]
async fn with_every_source_down_a_daemon_starts_says_so_and_recovers() {
    limited(async {
        let site = Site::open().await;
        for operation in ["token", "AssumeRole"] {
            site.control().fault(Fault::always(
                operation,
                FaultKind::Status { status: 503, body: String::new(), headers: std::collections::BTreeMap::new() },
            ));
        }
        let always = "keep = \"always\"\n";
        let roles = "[credentials.hub]\nfrom = \"assume-role\"\nrole_arn = \"arn:aws:iam::111122223333:role/hub\"\n";
        let document = kept(&format!(
            "{BILLING}{always}{roles}{always}{}",
            caller("orders", &["tokens.billing", "credentials.hub"])
        ));
        let mut service = Supervisor::start(site.launch(&document)).await;
        let ready = service.daemon.ask(Ask::get("/readyz")).await;
        assert_eq!((ready.status, ready.json()["entries_without_value"].as_u64()), (503, Some(2)), "{}", ready.text);
        for path in ["/v1/tokens/billing", "/v1/credentials/hub"] {
            assert_eq!(service.daemon.get(path, ORDERS).await.status, 503, "{path}");
        }
        assert!(service.status().unwrap().ends_with("0 of 2 entries usable"), "{:?}", service.status());
        site.control().clear_faults();
        until("the recovery", Duration::from_secs(20), async || {
            (service.daemon.ask(Ask::get("/readyz")).await.status == 200).then_some(())
        })
        .await;
        until("the word of it", Duration::from_secs(5), async || {
            service.status().is_some_and(|status| status.ends_with("2 of 2 entries usable")).then_some(())
        })
        .await;
        service.daemon.running.signal("TERM").await;
        assert_eq!(service.ended().await, End::Itself(0));
    })
    .await;
}
