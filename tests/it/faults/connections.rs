//! Connections that are kept, and die while nobody looks.

use super::upstream::{Does, Upstream, grant};
use crate::daemon::Daemon;
use crate::documents::{ORDERS, caller};
use crate::site::Site;
use crate::waiting::limited;

const NAMES: [&str; 3] = ["first", "second", "third"];

/// A daemon with three tokens of one server, so that each is asked for on the connection of the one before, if that is there.
async fn three(upstream: &Upstream) -> (Site, Daemon) {
    let tokens: String = NAMES.iter().map(|name| upstream.token(name)).collect();
    let allow = NAMES.map(|name| format!("tokens.{name}"));
    let site = Site::open().await;
    let daemon = site.daemon(&format!("{tokens}{}", caller("orders", &allow.each_ref().map(String::as_str)))).await;
    (site, daemon)
}

#[tokio::test]
async fn a_connection_is_used_again() {
    limited(async {
        let upstream = Upstream::of(|_, _| Does::Keeps(grant("good", 600))).await;
        let (_site, daemon) = three(&upstream).await;
        for name in NAMES {
            assert_eq!(daemon.served(&format!("/v1/tokens/{name}"), ORDERS).await.token(), "good");
        }
        assert_eq!(upstream.opened(), 1, "this is what the other tests stand on");
    })
    .await;
}

/// The server has closed, or its side is gone and says so when it is asked: a new connection is made at once, for the same caller.
#[tokio::test]
async fn an_idle_connection_that_has_died_costs_no_caller_anything() {
    limited(async {
        for dies in [Does::Says(vec![]), Does::Resets(vec![])] {
            let upstream = Upstream::of(move |seen, before| {
                // The second token's first request comes on the connection of the first one's.
                if seen.path() == "/second" && before == 0 { dies.clone() } else { Does::Keeps(grant("good", 600)) }
            })
            .await;
            let (_site, daemon) = three(&upstream).await;
            for name in NAMES {
                let answer = daemon.get(&format!("/v1/tokens/{name}"), ORDERS).await;
                assert_eq!(answer.status, 200, "{name}: {}", answer.text);
            }
            assert_eq!(upstream.opened(), 2);
        }
    })
    .await;
}
