//! Very many users through one entry: to each his own, one upstream request for each token, and no more memory for more users.
//!
//! `cargo test` sends as many as an unoptimised daemon bears in a few seconds. `CREDBROKER_SUBJECTS` sends more, and
//! `CREDBROKER_BIN` sends them through another build of the daemon.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{GET_CREDENTIALS, GET_ID, for_users, given_out, key_of, with_token};
use crate::client::{Answer, Line, Way};
use crate::daemon::Daemon;
use crate::documents::ORDERS;
use crate::process::variable;
use crate::site::Site;
use crate::users::{login_of, mint, order};
use crate::waiting::{Stopwatch, limited_to};

/// As many users as `cargo test` has time for.
const FEW: usize = 2_000;
const LINES: usize = 8;
/// The emulator's journal remembers the requests of this many users and more.
const BATCHES: usize = 5;
/// The later four fifths of the users may add this much, in KiB: what is remembered of each is where its identity is.
const GROWTH: u64 = 8 * 1024;

/// Asks until it is served: a machine that is busy may need longer than a caller's second.
async fn served(line: &mut Line, token: &str) -> Answer {
    loop {
        let answer = line.ask(&with_token(token)).await.unwrap();
        if answer.json()["code"] != "CredentialsUninitialized" {
            assert_eq!(answer.status, 200, "{}", answer.text);
            return answer;
        }
    }
}

/// Brings the tokens of those users that are next, each twice; the user and the key that came back.
async fn bring(site: Arc<Site>, way: Way, next: Arc<AtomicUsize>, end: usize) -> Vec<(String, String)> {
    let mut line = Line::open(&way).await.unwrap();
    let mut answers = Vec::new();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= end {
            return answers;
        }
        let name = format!("user-{index}");
        let token = mint(&site.control(), &order(&name));
        let key = key_of(&served(&mut line, &token).await);
        let again = served(&mut line, &token).await;
        assert_eq!((again.cache(), key_of(&again)), ("hit", key.clone()), "{name}");
        answers.push((name, key));
    }
}

/// The users from `start` to `end`, over several connections at once.
async fn batch(site: &Arc<Site>, daemon: &Daemon, start: usize, end: usize) {
    site.control().clear_journal();
    let next = Arc::new(AtomicUsize::new(start));
    let bring = || tokio::spawn(bring(Arc::clone(site), daemon.v4(), Arc::clone(&next), end));
    let bringing: Vec<_> = (0..LINES).map(|_| bring()).collect();
    let mut answers = Vec::new();
    for line in bringing {
        answers.extend(line.await.unwrap());
    }
    let given = given_out(site);
    assert_eq!((answers.len(), given.len()), (end - start, end - start));
    for (name, key) in answers {
        assert_eq!(given.get(&key), Some(&login_of(&name)), "{name} has somebody else's credentials");
    }
    let asked = |operation| site.asked(operation).len();
    assert_eq!((asked(GET_ID), asked(GET_CREDENTIALS)), (end - start, end - start), "one request for each token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_one_of_very_many_users_has_his_own_credentials() {
    let users: usize = variable("CREDBROKER_SUBJECTS").map_or(FEW, |count| count.parse().unwrap());
    let most = users / 20;
    limited_to(Duration::from_secs(300), async {
        let site = Arc::new(Site::open().await);
        let mut launch = site.launch(&for_users(&format!("max_subjects = {most}"))).env("CREDBROKER_LOG", "info");
        if let Some(binary) = variable("CREDBROKER_BIN") {
            launch = launch.binary(&binary);
        }
        let daemon = launch.start().await;
        let watch = Stopwatch::start();
        let mut resident = Vec::new();
        for round in 0..BATCHES {
            batch(&site, &daemon, users * round / BATCHES, users * (round + 1) / BATCHES).await;
            resident.push(daemon.running.resident());
        }
        println!("{users} users in {:?}, resident KiB: {resident:?}", watch.elapsed());
        let growth = resident[BATCHES - 1].saturating_sub(resident[0]);
        assert!(growth < GROWTH, "{growth} KiB more: {resident:?}");

        let status = daemon.get("/v1/status", ORDERS).await.json();
        let row = &status["credentials"][0];
        let number = |key: &str| usize::try_from(row[key].as_u64().unwrap()).unwrap();
        assert_eq!((number("subjects"), number("most_subjects")), (most, most), "{row}");
        assert_eq!((number("upstream_requests"), number("upstream_failures")), (users, 0), "{row}");
        assert!(number("hits") >= users, "{row}");
    })
    .await;
}
