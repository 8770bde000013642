//! How fresh an entry is kept can change over a restart without losing what is held.

use super::{activated, kept};
use crate::documents::{BILLING, ORDERS, caller};
use crate::site::Site;
use crate::supervisor::Supervisor;
use crate::waiting::limited;

/// When the token is due, and in how many seconds.
async fn due(service: &Supervisor) -> (String, u64) {
    let row = service.daemon.get("/v1/status", ORDERS).await.json()["tokens"][0].clone();
    (row["refresh_due_at"].as_str().unwrap().to_owned(), row["refresh_due_in"].as_u64().unwrap())
}

#[tokio::test]
async fn what_is_held_stays_and_is_renewed_when_the_new_configuration_says() {
    limited(async {
        let site = Site::open().await;
        let mut service = Supervisor::start(site.launch(&activated(""))).await;
        let before = service.daemon.served("/v1/tokens/billing", ORDERS).await.json();
        let planned = due(&service).await;
        assert!(planned.1 > 2_300, "of an hour: {planned:?}");

        service.restart().await;
        assert_eq!(due(&service).await.0, planned.0, "as it was planned, where nothing has changed");

        let sooner = format!("[refresh]\nahead = 0.3\nkeep = \"always\"\noutage_cover = \"20m\"\n{BILLING}");
        service.launch_with(site.launch(&kept(&format!("{sooner}{}", caller("orders", &["tokens.billing"])))));
        service.restart().await;
        let after = service.daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!((after.status, after.cache()), (200, "hit"), "{}", after.text);
        assert_eq!(after.json()["access_token"], before["access_token"]);
        let planned = due(&service).await;
        assert!((800..1_300).contains(&planned.1), "{planned:?}");
        assert_eq!(site.operations(), ["token"]);

        service.restart().await;
        assert_eq!(due(&service).await.0, planned.0, "and it is not planned anew each time");
    })
    .await;
}
