//! The machine sleeps, or the process is stopped: what has expired meanwhile is not served.

use super::hands::Hands;
use super::*;
use crate::site::Site;
use crate::waiting::{limited, until};

/// Fault 36: boot time and the wall clock have gone on by an hour, timers have not.
#[tokio::test]
async fn after_an_hour_of_sleep_what_has_expired_is_refused_at_once_and_renewed() {
    limited(async {
        let site = Site::open().await;
        let hands = Hands::of(&site).await;
        let daemon = hands.moving(site.launch(&both())).start().await;
        let token = daemon.served(TOKEN, ORDERS).await.token();
        let role = daemon.served(ROLE, ORDERS).await.json();
        site.control().fault(down("token"));
        site.control().fault(down("AssumeRole"));
        hands.show(HOUR, HOUR, 0);
        for path in [TOKEN, ROLE] {
            let refused = daemon.get(path, ORDERS).await;
            assert!(matches!(refused.status, 503 | 504), "{path}: {} {}", refused.status, refused.text);
        }
        site.control().clear_faults();
        assert_ne!(daemon.served(TOKEN, ORDERS).await.token(), token);
        assert_ne!(daemon.served(ROLE, ORDERS).await.json()["AccessKeyId"], role["AccessKeyId"]);
        let status = until("the resume is noticed", SOON, async || {
            Some(clock(&daemon).await).filter(|clock| clock["resumes"] == 1)
        })
        .await;
        assert_eq!((&status["slept_seconds"], &status["steps"]), (&Value::from(HOUR), &Value::from(0)));
        assert!(daemon.logged().await.contains("the machine has slept"));
    })
    .await;
}

/// Fault 36, where nobody asks: timers alone would renew three quarters of an hour later.
#[tokio::test]
async fn after_a_sleep_what_is_due_is_renewed_though_nobody_asks() {
    limited(async {
        let site = Site::open().await;
        let hands = Hands::of(&site).await;
        let daemon = hands.moving(site.launch(&format!("{}\n[refresh]\nkeep = \"always\"\n", both()))).start().await;
        daemon.served(TOKEN, ORDERS).await;
        let before = daemon.served(ROLE, ORDERS).await.json();
        hands.show(HOUR - 300, HOUR - 300, 0);
        site.asked_times("token", 2).await;
        site.asked_times("AssumeRole", 2).await;
        let after = until("the renewal is over", SOON, async || {
            Some(daemon.get(ROLE, ORDERS).await.json()).filter(|role| role["AccessKeyId"] != before["AccessKeyId"])
        })
        .await;
        site.whose(&after).await;
    })
    .await;
}

/// Fault 37: all clocks have gone on by 90 seconds, and all timers are over at once.
#[tokio::test]
async fn a_process_that_was_stopped_for_90_seconds_serves_nothing_that_has_expired() {
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime("token", 60);
        let hands = Hands::of(&site).await;
        let daemon = hands.moving(site.launch(&both())).start().await;
        let token = daemon.served(TOKEN, ORDERS).await.token();
        let role = daemon.served(ROLE, ORDERS).await.json();
        site.control().fault(down("token"));
        daemon.running.freeze().await;
        hands.show(90, 90, 90);
        daemon.running.signal("CONT").await;
        let refused = daemon.get(TOKEN, ORDERS).await;
        assert!(matches!(refused.status, 503 | 504), "{} {}", refused.status, refused.text);
        assert_eq!(
            daemon.get(ROLE, ORDERS).await.json()["AccessKeyId"],
            role["AccessKeyId"],
            "it has most of an hour left"
        );
        site.control().clear_faults();
        assert_ne!(daemon.served(TOKEN, ORDERS).await.token(), token);
        assert_eq!(clock(&daemon).await["resumes"], 0, "that was no sleep of the machine");
    })
    .await;
}
