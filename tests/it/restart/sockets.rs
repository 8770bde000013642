//! The sockets outlive the process.

use super::activated;
use crate::client::Ask;
use crate::documents::ORDERS;
use crate::site::Site;
use crate::supervisor::Supervisor;
use crate::waiting::limited;

#[tokio::test]
async fn all_the_sockets_of_one_name_are_served_by_one_process_after_the_other() {
    limited(async {
        let site = Site::open().await;
        let mut service = Supervisor::start(site.launch(&activated("drain = \"0s\""))).await;
        for _ in 0..2 {
            for way in [service.daemon.v4(), service.daemon.v6(), service.daemon.unix()] {
                let answer = Ask::get("/v1/tokens/billing").bearer(ORDERS).over(&way).await.unwrap();
                assert_eq!(answer.status, 200, "{way:?}: {}", answer.text);
            }
            service.restart().await;
        }
        service.kill().await;
        assert_eq!(service.daemon.get("/healthz", "").await.status, 200);
    })
    .await;
}
