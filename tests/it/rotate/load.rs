//! A rotation while everybody asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};

use super::Scene;
use crate::client::{Ask, Way};
use crate::documents::ORDERS;
use crate::waiting::limited;

const CALLERS: u32 = 200;
/// How often each caller asks: as often as this machine's tests can bear.
const PACE: Duration = Duration::from_millis(400);

/// Asks until it is told to stop; what was not a token, and how often it asked.
async fn ask_on(way: Way, stop: Arc<AtomicBool>) -> (Vec<String>, usize) {
    let ask = Ask::get("/v1/tokens/billing").bearer(ORDERS);
    let (mut failures, mut asked) = (Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        match ask.over(&way).await {
            Ok(answer) if answer.status == 200 => {}
            Ok(answer) => failures.push(format!("{} {}", answer.status, answer.text)),
            Err(cause) => failures.push(cause.to_string()),
        }
        asked += 1;
        tokio::time::sleep(PACE).await;
    }
    (failures, asked)
}

#[tokio::test]
async fn two_hundred_callers_notice_nothing() {
    limited(async {
        let scene = Scene::open().await;
        scene.site.control().set_lifetime("token", 2);
        // Each state lasts longer than a token lives.
        for operation in ["AddUserPoolClientSecret", "DeleteUserPoolClientSecret"] {
            scene.site.control().fault(Fault::once(operation, FaultKind::Delay { milliseconds: 2_500 }));
        }
        let daemon = scene.site.daemon(&scene.document).await;
        let stop = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(ask_on(daemon.v4(), Arc::clone(&stop)))).collect();
        scene.site.asked_times("token", 2).await;
        scene.rotated().await;
        let renewed = scene.site.asked("token").len();
        scene.site.asked_times("token", renewed + 3).await;
        stop.store(true, Ordering::Relaxed);
        let mut all = 0;
        for caller in callers {
            let (failures, asked) = caller.await.unwrap();
            assert!(failures.is_empty(), "{failures:?}");
            all += asked;
        }
        assert!(all > CALLERS as usize * 5, "{all} answers were seen");
        scene.is_finished().await;
    })
    .await;
}
