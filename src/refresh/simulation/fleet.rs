//! A fleet that starts at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::super::schedule::{Freshness, Keep};
use super::super::{Entry, Inputs};
use crate::clock::{Clock, Moment};
use crate::lease::Issued;
use crate::source::{Ask, Failure, FailureKind, Source};

#[tokio::test(start_paused = true)]
async fn row_73_a_fleet_that_starts_at_once_is_served_within_its_spread() {
    const FLEET: u64 = 3_000;
    fastrand::seed(73);
    let clock = Clock::tokio(SystemTime::UNIX_EPOCH);
    // What the upstream gives to all of them together: a request beyond it is throttled.
    let granted = Arc::new(Mutex::new((150.0, clock.now())));
    let served = Arc::new(AtomicU64::new(0));
    let asked = Arc::new(AtomicU64::new(0));
    let daemons: Vec<_> = (0..FLEET)
        .map(|_| {
            let freshness =
                Freshness { ahead: 0.75, keep: Keep::Always, outage_cover: None, life_left: Duration::ZERO };
            let source =
                Arc::new(Fleet { clock: clock.clone(), granted: Arc::clone(&granted), asked: Arc::clone(&asked) });
            let entry = Entry::new("tokens.t", "a fleet", source, Inputs::default(), freshness, clock.clone());
            let (clock, served) = (clock.clone(), Arc::clone(&served));
            let after = Duration::from_secs(30).mul_f64(fastrand::f64());
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                let (mut news, entry) = (entry.news(), entry);
                entry.prefetch(&Ask::default());
                while entry.at_hand().is_none() {
                    news.changed().await.unwrap();
                }
                served.fetch_add(1, Ordering::Relaxed);
                clock.now()
            })
        })
        .collect();
    let start = clock.now();
    for daemon in daemons {
        let at = daemon.await.unwrap();
        assert!(at.since(start) < Duration::from_secs(35), "{:?}", at.since(start));
    }
    assert_eq!(served.load(Ordering::Relaxed), FLEET);
    let each = asked.load(Ordering::Relaxed) as f64 / FLEET as f64;
    assert!(each <= 1.2, "{each} requests each");
}

/// One upstream for a fleet, which grants 150 requests a second.
struct Fleet {
    clock: Clock,
    granted: Arc<Mutex<(f64, Moment)>>,
    asked: Arc<AtomicU64>,
}

#[async_trait]
impl Source<u8> for Fleet {
    async fn fetch(&self, _: &Ask) -> Result<Issued<u8>, Failure> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let mut granted = self.granted.lock().unwrap();
        let held = (granted.0 + now.since(granted.1).as_secs_f64() * 150.0).min(150.0);
        *granted = ((held - 1.0).max(0.0), now);
        if held < 1.0 {
            return Err(Failure::new(FailureKind::Throttled, "as told"));
        }
        Ok(Issued::new(0, now, now.plus(Duration::from_secs(3_600))))
    }
}
