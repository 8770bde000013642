//! The sockets outlive the process.

use super::activated;
use crate::client::Ask;
use crate::documents::{ORDERS, billing_for_orders};
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

#[tokio::test]
async fn descriptors_are_taken_by_whom_they_are_announced_to_and_only_those_that_are_open() {
    limited(async {
        let site = Site::open().await;
        for announced in ["99", "2147483647"] {
            let wrong = format!("LISTEN_PID=$$ LISTEN_FDS={announced} LISTEN_FDNAMES=api exec \"$@\"");
            let ended = site.launch(&billing_for_orders()).through(&wrong).fails().await;
            assert_eq!(ended.code, Some(1), "{}", ended.stderr);
            assert!(ended.stderr.contains(&format!("announces {announced} descriptors")), "{}", ended.stderr);
        }
        for announced in ["LISTEN_FDS=99", "LISTEN_FDS=99 LISTEN_PID=1"] {
            let others = format!("{announced} exec \"$@\"");
            let daemon = site.launch(&billing_for_orders()).through(&others).start().await;
            assert_eq!(daemon.served("/v1/tokens/billing", ORDERS).await.status, 200);
        }
    })
    .await;
}
