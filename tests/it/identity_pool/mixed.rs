//! Everything at once: users that push each other out, failures, and credentials that expire. Nobody gets another's.

use std::collections::BTreeSet;
use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};

use super::{GET_CREDENTIALS, for_users, given_out, key_of, with_token};
use crate::client::{Line, Way};
use crate::site::Site;
use crate::users::{id_token, login_of};
use crate::waiting::limited;

/// How often each asks.
const PACE: Duration = Duration::from_millis(20);

/// One user of several at the same time: what came back.
#[derive(Default)]
struct Seen {
    keys: BTreeSet<String>,
    failures: usize,
}

/// Asks for one user until it has seen `sets` of credentials and a failure.
async fn ask_on(way: Way, token: String, sets: usize) -> Seen {
    let (ask, mut seen) = (with_token(&token), Seen::default());
    let mut line = Line::open(&way).await.unwrap();
    while seen.keys.len() < sets || seen.failures == 0 {
        let answer = line.ask(&ask).await.unwrap();
        match answer.status {
            200 => drop(seen.keys.insert(key_of(&answer))),
            429 | 503 => seen.failures += 1,
            other => panic!("{other}: {}", answer.text),
        }
        tokio::time::sleep(PACE).await;
    }
    seen
}

#[tokio::test]
async fn concurrent_users_never_get_each_others_credentials() {
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime(GET_CREDENTIALS, 2);
        // Every other request of many fails, and some are slow.
        let failure = || FaultKind::Status { status: 503, body: String::new(), headers: [].into() };
        for after in [1, 3, 5, 8, 11, 14, 17, 20] {
            site.control().fault(Fault { after, ..Fault::once(GET_CREDENTIALS, failure()) });
            let slow = FaultKind::Delay { milliseconds: 100 };
            site.control().fault(Fault { after, ..Fault::once(GET_CREDENTIALS, slow) });
        }
        // Three users for two places.
        let daemon = site.daemon(&for_users("max_subjects = 2")).await;
        let names = ["ann", "bob", "eve"];
        let asking = names.map(|name| tokio::spawn(ask_on(daemon.v4(), id_token(&site, name), 5)));
        for (name, asking) in names.into_iter().zip(asking) {
            let seen = asking.await.unwrap();
            let given = given_out(&site);
            for key in &seen.keys {
                assert_eq!(given.get(key), Some(&login_of(name)), "{name} has somebody else's credentials");
            }
        }
        let status = daemon.get("/v1/status", crate::documents::ORDERS).await.json();
        assert!(status["credentials"][0]["upstream_failures"].as_u64().unwrap() >= 1, "{status}");
    })
    .await;
}
