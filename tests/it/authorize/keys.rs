//! An issuer's keys while tokens of unknown keys come in, and while nobody answers for the keys.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};
use serde_json::json;

use super::{asked, document, forged, header, valid};
use crate::client::{Answer, Ask};
use crate::daemon::Daemon;
use crate::documents::ORDERS;
use crate::site::Site;
use crate::waiting::{limited, until};

/// Ann's token, said to be signed by a key called `id`.
fn unknown(good: &str, id: &str) -> String {
    let mut header = header(good);
    header["kid"] = json!(id);
    forged(good, &header, |_| vec![7; 256])
}

fn introspection(token: &str) -> Ask {
    Ask::form("/oauth2/introspect", &[("token", token)]).bearer(ORDERS)
}

/// Introspects so many tokens of unknown keys at once.
async fn flood(daemon: &Daemon, good: &str, count: usize) -> Vec<Answer> {
    let asks = (0..count).map(|number| {
        let (ask, way) = (introspection(&unknown(good, &format!("unknown-{number}"))), daemon.v4());
        tokio::spawn(async move { ask.over(&way).await.unwrap() })
    });
    let mut answers = Vec::new();
    for ask in asks.collect::<Vec<_>>() {
        answers.push(ask.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn unknown_keys_and_a_key_set_that_hangs_hold_up_no_valid_token() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let good = valid(&site);
        assert_eq!(asked(&daemon, "", &good).await.status, 200);
        for answer in flood(&daemon, &good, 200).await {
            assert_eq!((answer.status, answer.json()), (200, json!({ "active": false })));
        }
        assert_eq!(site.asked("jwks").len(), 1, "keys that were fetched a moment ago are not fetched again");

        site.control().fault(Fault::always("jwks", FaultKind::Hang {}));
        until("the keys are asked for once more", Duration::from_secs(20), async || {
            daemon.ask(introspection(&unknown(&good, "new"))).await;
            (site.asked("jwks").len() == 2).then_some(())
        })
        .await;
        // Whoever waits for that answer gives up after a second; the request itself stays under way.
        let valid_ones = async {
            let mut statuses = Vec::new();
            for _ in 0..50 {
                statuses.push(asked(&daemon, "", &good).await.status);
            }
            statuses
        };
        let (unknown_ones, statuses) = tokio::join!(flood(&daemon, &good, 200), valid_ones);
        assert_eq!(statuses, [200; 50]);
        for answer in unknown_ones {
            assert_eq!(answer.status, 504, "nothing is known of them: {}", answer.text);
            assert!(answer.retry_after() >= 1);
        }
        assert_eq!(site.asked("jwks").len(), 2, "one request for all of them");
    })
    .await;
}

#[tokio::test]
async fn tokens_are_verified_while_their_issuer_is_out_of_reach() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let good = valid(&site);
        assert_eq!(asked(&daemon, "", &good).await.status, 200);
        site.emulator.shutdown().await;
        for _ in 0..3 {
            assert_eq!(asked(&daemon, "", &good).await.status, 200);
            assert_eq!(asked(&daemon, "", &unknown(&good, "new")).await.json()["error"], "invalid_token");
        }
        let row = daemon.get("/v1/status", ORDERS).await.json();
        assert_eq!(row["issuers"][0]["key_ids"].as_array().map(Vec::len), Some(2), "{row}");
    })
    .await;
}
