//! Many callers at once.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};

use crate::client::Ask;
use crate::documents::{ORDERS, billing_for_orders};
use crate::site::Site;
use crate::waiting::limited;

#[tokio::test]
async fn five_hundred_first_requests_are_one_upstream() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        // Long enough that all are there before the first answer.
        site.control().fault(Fault::once("token", FaultKind::Delay { milliseconds: 400 }));
        let asks: Vec<_> = (0..500)
            .map(|_| {
                let (ask, way) = (Ask::get("/v1/tokens/billing").bearer(ORDERS), daemon.v4());
                tokio::spawn(async move { ask.answered(&way).await })
            })
            .collect();
        let mut tokens = Vec::new();
        for ask in asks {
            tokens.push(ask.await.unwrap().unwrap().token());
        }
        assert_eq!(tokens.len(), 500);
        tokens.dedup();
        assert_eq!(tokens.len(), 1, "all have the same token");
        assert_eq!(site.operations(), ["token"]);
    })
    .await;
}

#[tokio::test]
async fn a_source_that_hangs_does_not_hold_up_the_others() {
    limited(async {
        let site = Site::open().await;
        let callers = crate::documents::caller("orders", &["tokens.billing", "tokens.ledger"]);
        let daemon = site.daemon(&format!("{}{}{callers}", crate::documents::BILLING, crate::documents::LEDGER)).await;
        site.control().fault(Fault::always("token", FaultKind::Hang {}));
        let hanging = tokio::spawn({
            let (ask, way) = (Ask::get("/v1/tokens/billing").bearer(ORDERS), daemon.v4());
            async move { ask.over(&way).await.unwrap() }
        });
        site.asked_times("token", 1).await;
        let others = async {
            for _ in 0..20 {
                daemon.get("/v1/tokens/ledger", ORDERS).await.token();
            }
        };
        tokio::time::timeout(Duration::from_secs(5), others).await.unwrap();
        assert_eq!(hanging.await.unwrap().status, 503);

        // The contract's word for a source that does not answer at all, once the broker has given it up.
        let slow = crate::waiting::until("the hanging fetch is given up", Duration::from_secs(15), async || {
            Some(daemon.get("/v1/tokens/billing", ORDERS).await).filter(|answer| answer.status != 503)
        })
        .await;
        assert_eq!(slow.status, 504, "{}", slow.text);
        assert!(slow.retry_after() >= 1);
    })
    .await;
}
