//! This machine's clock and that of the upstream differ from the start. Whose is wrong is all the same to the broker: a source's
//! expiries are understood by the source's clock.

use super::hands::Hands;
use super::*;
use crate::documents::{POOLS, ROBOT};
use crate::jwt::expiry;
use crate::site::Site;
use crate::waiting::limited;

const MINUTES: i64 = 60;

/// Fault 38, for all that names its end by an instant: credentials of STS and of an identity pool, and a token of which nothing but
/// its own `exp` says when it ends.
#[tokio::test]
async fn ends_that_a_source_names_are_right_whatever_its_clock_says() {
    for ahead in [10 * MINUTES, -10 * MINUTES] {
        limited(async {
            let site = Site::open().await;
            site.control().clock_offset(ahead);
            let allow = ["credentials.hub", "credentials.uploads", "tokens.robot"];
            let daemon = site.daemon(&format!("{HUB}{ROBOT}{POOLS}{}", caller("orders", &allow))).await;
            for path in [ROLE, "/v1/credentials/uploads"] {
                let answer = daemon.served(path, ORDERS).await;
                assert!(is_an_hour(left_of(&answer, 0)), "{path} at {ahead}: {} s", left_of(&answer, 0));
            }
            let token = daemon.served("/v1/tokens/robot", ORDERS).await;
            let left = token.json()["expires_in"].as_f64().unwrap();
            let ahead_of_us = f64::from(i32::try_from(ahead).unwrap());
            let by_claim = f64::from(expiry(&token.token())) - wall() - ahead_of_us;
            assert!((by_claim - 15.0..=by_claim + 2.0).contains(&left), "{left} s, not {by_claim} s");

            let status = clock(&daemon).await;
            let offset = status["offset_seconds"].as_i64().unwrap();
            assert!((offset - ahead).abs() <= 5 && status["state"] == "wrong", "{status}");
            let warnings = daemon.logged().await.matches("clock and that of a source differ").count();
            assert_eq!(warnings, 1, "once, whatever is asked");
        })
        .await;
    }
}

/// The first signature tells the time of a clock that is wrong. It is refused, and the refusal tells what time it is.
#[tokio::test]
async fn a_signature_refused_for_its_time_is_made_once_more_at_the_right_one() {
    for ahead in [HOUR, -HOUR, YEAR] {
        limited(async {
            let site = Site::open().await;
            let hands = Hands::of(&site).await;
            hands.show(ahead, 0, 0);
            let daemon = hands.moving(site.launch(&both())).start().await;
            let answer = daemon.get(ROLE, ORDERS).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert!(is_an_hour(left_of(&answer, ahead)), "{} s", left_of(&answer, ahead));
            site.whose(&answer.json()).await;
            let outcomes = site.outcomes("AssumeRole");
            assert_eq!(outcomes.len(), 2, "{outcomes:?}");
            assert_ne!(outcomes[0], outcomes[1]);
        })
        .await;
    }
}

/// One who has the wrong secret key and the right time is asked no second time.
#[tokio::test]
async fn a_signature_refused_for_its_key_is_not_made_again() {
    limited(async {
        let site = Site::open().await;
        let launch = site.launch(&both()).env("AWS_SECRET_ACCESS_KEY", "not/the/key+of+the+broker00000000000000");
        let refused = launch.start().await.get(ROLE, ORDERS).await;
        assert_eq!(refused.status, 502, "{}", refused.text);
        assert_eq!(site.asked("AssumeRole").len(), 1);
    })
    .await;
}
