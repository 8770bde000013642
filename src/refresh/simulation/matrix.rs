//! The rows of the fault matrix that are the engine's, each in a world made for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::super::budget::{Quota, Rate, Share, Urgency};
use super::super::schedule::{Freshness, Keep};
use super::super::{CacheState, Entry, Inputs, PATIENCE, Served, Unserved};
use super::faults::{Mood, Moods};
use super::flight::{Minted, Upstream};
use super::ledger::Ledger;
use crate::clock::Clock;
use crate::source::{Ask, FailureKind};

const FOREVER: u64 = 1_000_000_000;

/// One entry, its source and the ledger that watches both.
struct Scene {
    clock: Clock,
    ledger: Arc<Ledger>,
    upstream: Arc<Upstream>,
    entry: Arc<Entry<Minted>>,
}

/// How callers fared.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fare {
    served: u32,
    refused: u32,
    longest: Duration,
}

/// A source whose values live for `lifetime` seconds, in moods that last until so many seconds from the start.
fn scene(lifetime: u64, moods: &[(u64, Mood)]) -> Scene {
    let clock = Clock::tokio(SystemTime::UNIX_EPOCH);
    scene_at(&clock, 0, lifetime, moods, None)
}

fn scene_at(clock: &Clock, node: usize, lifetime: u64, moods: &[(u64, Mood)], quota: Option<Arc<Quota>>) -> Scene {
    let start = clock.now();
    let ledger = Arc::new(Ledger::new(clock.clone(), None, false));
    let freshness = Freshness { ahead: 0.75, keep: Keep::Used, outage_cover: None, life_left: Duration::ZERO };
    ledger.opens(node, freshness.keep, freshness.ahead);
    let moods = moods.iter().map(|(until, mood)| (start.plus(Duration::from_secs(*until)), mood.clone())).collect();
    let upstream = Arc::new(Upstream {
        node,
        clock: clock.clone(),
        moods: Moods::told(Duration::from_secs(lifetime), moods),
        after: None,
        ledger: Arc::clone(&ledger),
        seed: node as u64,
        asked: AtomicU64::new(0),
    });
    let source = Arc::clone(&upstream) as Arc<_>;
    let entry = Entry::new("tokens.t", "a simulation", source, Inputs::default(), freshness, clock.clone());
    Scene { clock: clock.clone(), ledger, upstream, entry: Arc::new(entry.within(quota)) }
}

impl Scene {
    async fn ask(&self) -> Result<Served<Minted>, Unserved> {
        let before = self.clock.now();
        self.ledger.asks(self.upstream.node, &Ask::default());
        let outcome = self.entry.lease(&Ask::default(), PATIENCE).await;
        self.ledger.answered(self.upstream.node, &Ask::default(), before, &outcome);
        outcome
    }

    /// Asks once in `every` milliseconds for `seconds`.
    async fn fares(&self, seconds: u64, every: u64) -> Fare {
        let (mut fare, end) = (Fare::default(), self.clock.now().plus(Duration::from_secs(seconds)));
        while self.clock.now() < end {
            let before = self.clock.now();
            match self.ask().await {
                Ok(_) => fare.served += 1,
                Err(_) => fare.refused += 1,
            }
            fare.longest = fare.longest.max(self.clock.now().since(before));
            tokio::time::sleep(Duration::from_millis(every)).await;
        }
        fare
    }

    fn asked(&self) -> u64 {
        self.upstream.asked.load(Ordering::Relaxed)
    }

    /// Nothing that is promised was broken.
    fn is_kept(&self) {
        self.ledger.audit();
        let (broken, _) = self.ledger.closed();
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_dead_for_four_fifths_of_the_lifetime_is_not_noticed() {
    for kind in [FailureKind::Unavailable, FailureKind::Throttled, FailureKind::Denied, FailureKind::Malformed] {
        let scene = scene(3_600, &[(1, Mood::Fine), (2_881, Mood::Failing(kind))]);
        let fare = scene.fares(3_590, 500).await;
        assert_eq!((fare.refused, fare.served > 7_000), (0, true), "{kind}: {fare:?}");
        let lease = scene.ask().await.unwrap().lease;
        assert!(lease.value.serial > 0, "{kind}: it is renewed as soon as that is possible");
        scene.is_kept();
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_flaps_for_ten_minutes_makes_nobody_wait_a_second() {
    for seed in 0..20 {
        fastrand::seed(seed);
        let scene = scene(10, &[(5, Mood::Fine), (FOREVER, Mood::Flapping)]);
        let fare = scene.fares(600, 100).await;
        assert!(fare.longest < Duration::from_secs(1), "{fare:?}");
        assert!(fare.served > 5_000, "seed {seed}: {fare:?}");
        scene.is_kept();
    }
}

#[tokio::test(start_paused = true)]
async fn row_1_errors_for_fourteen_minutes_of_an_hour_are_not_noticed() {
    let scene = scene(3_600, &[(2_520, Mood::Fine), (2_520 + 840, Mood::Failing(FailureKind::Unavailable))]);
    let first = scene.ask().await.unwrap().lease;
    let fare = scene.fares(3_500, 1_000).await;
    assert_eq!(fare.refused, 0);
    assert!(scene.ask().await.unwrap().lease.issued_at > first.issued_at, "renewed after the errors");
    scene.is_kept();
}

#[tokio::test(start_paused = true)]
async fn row_2_errors_beyond_expiry_are_noticed_at_expiry_and_named() {
    let scene = scene(3_600, &[(10, Mood::Fine), (FOREVER, Mood::Failing(FailureKind::Unavailable))]);
    let end = scene.ask().await.unwrap().lease.expiry;
    let fare = scene.fares(end.since(scene.clock.now()).as_secs(), 1_000).await;
    assert_eq!(fare.refused, 0, "until expiry");
    scene.fares(2, 100).await;
    let refused = scene.ask().await.unwrap_err();
    let Unserved::Failed { failure, retry_after } = refused else { panic!("{refused:?}") };
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(retry_after <= Duration::from_secs(5), "{retry_after:?}");
    scene.is_kept();
}

#[tokio::test(start_paused = true)]
async fn row_4_a_pause_that_is_asked_for_is_kept_but_not_an_absurd_one() {
    for (pause, least, most) in [(0, 4, 80), (30, 4, 45), (1_000_000_000, 4, 12)] {
        let moods = [(10, Mood::Fine), (FOREVER, Mood::Throttling(Some(pause)))];
        let scene = scene(3_600, &moods);
        let end = scene.ask().await.unwrap().lease.expiry;
        let fare = scene.fares(end.since(scene.clock.now()).as_secs() - 1, 1_000).await;
        assert_eq!(fare.refused, 0);
        assert!((least..=most).contains(&(scene.asked() - 1)), "{pause}: {} retries", scene.asked() - 1);
        scene.is_kept();
    }
}

#[tokio::test(start_paused = true)]
async fn row_5_throttling_without_a_pause_is_no_refusal() {
    let scene = scene(400, &[(10, Mood::Fine), (330, Mood::Throttling(None))]);
    let fare = scene.fares(600, 500).await;
    assert_eq!(fare.refused, 0);
    assert!(scene.asked() > 3, "it is tried again as after any passing failure: {}", scene.asked());
    scene.is_kept();
}

#[tokio::test(start_paused = true)]
async fn row_17_a_lifetime_of_a_second_is_served_and_is_no_storm() {
    let scene = scene(1, &[]);
    let fare = scene.fares(60, 50).await;
    assert!(fare.served > 900, "{fare:?}");
    assert!(scene.asked() <= 61, "{} requests in a minute", scene.asked());
    let asked = scene.asked();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(scene.asked() <= asked + 2, "nobody asks any more, and {} requests are made", scene.asked() - asked);
    scene.is_kept();
}

#[tokio::test(start_paused = true)]
async fn row_18_and_20_what_has_ended_or_ends_sooner_replaces_nothing() {
    for mood in [Mood::Expired, Mood::Shorter(0.05)] {
        let scene = scene(1_000, &[(10, Mood::Fine), (940, mood)]);
        let end = scene.ask().await.unwrap().lease.expiry;
        while scene.clock.now() < end.minus(Duration::from_secs(65)) {
            assert_eq!(scene.ask().await.unwrap().lease.expiry, end);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!((2..12).contains(&scene.asked()), "{} requests", scene.asked());
        assert_eq!(scene.fares(120, 500).await.refused, 0);
        scene.is_kept();
    }
}

#[tokio::test(start_paused = true)]
async fn row_23_the_same_token_again_is_taken_with_what_is_left_of_it() {
    // The source says the same end each time, until that is over.
    let scene = scene(100, &[(1, Mood::Fine), (90, Mood::Shorter(0.25))]);
    let first = scene.ask().await.unwrap().lease;
    let fare = scene.fares(99, 500).await;
    assert_eq!(fare.refused, 0);
    let last = scene.ask().await.unwrap().lease;
    assert!(last.expiry > first.expiry && last.value.end == last.expiry, "never longer than the source says");
    scene.is_kept();
}

#[tokio::test(start_paused = true)]
async fn row_26_access_denied_is_no_reason_to_drop_what_is_valid() {
    let scene = scene(900, &[(10, Mood::Fine), (FOREVER, Mood::Failing(FailureKind::Denied))]);
    let end = scene.ask().await.unwrap().lease.expiry;
    let fare = scene.fares(end.since(scene.clock.now()).as_secs() - 1, 1_000).await;
    assert_eq!(fare.refused, 0);
    let report = scene.entry.report();
    assert_eq!(report.variations[0].1.trouble.as_ref().unwrap().failure.kind, FailureKind::Denied);
    assert!(scene.asked() <= 14, "{} requests in four minutes", scene.asked());
    scene.is_kept();
}

#[tokio::test(start_paused = true)]
async fn row_33_a_slow_upstream_is_not_noticed_by_those_who_have_something() {
    let scene = scene(60, &[(300, Mood::Fine), (600, Mood::Slow(4_000))]);
    scene.ask().await.unwrap();
    let fare = scene.fares(600, 20).await;
    assert_eq!((fare.refused, fare.longest), (0, Duration::ZERO));
    scene.is_kept();
}

#[tokio::test(start_paused = true)]
async fn row_32_one_source_that_hangs_holds_up_no_other() {
    let clock = Clock::tokio(SystemTime::UNIX_EPOCH);
    let quota = Arc::new(Quota::new("a quota", Rate { per_second: 5.0, at_once: 5.0 }, clock.clone()));
    let hangs = scene_at(&clock, 0, 20, &[(FOREVER, Mood::Hanging)], Some(Arc::clone(&quota)));
    let well = scene_at(&clock, 1, 20, &[], Some(quota));
    well.ask().await.unwrap();
    let (_, fare) = tokio::join!(hangs.fares(600, 100), well.fares(600, 100));
    assert_eq!((fare.refused, fare.longest), (0, Duration::ZERO));
    well.is_kept();
}

#[tokio::test(start_paused = true)]
async fn what_was_stale_is_a_hit_again_after_the_outage() {
    let scene = scene(100, &[(10, Mood::Fine), (90, Mood::Failing(FailureKind::Unavailable))]);
    scene.ask().await.unwrap();
    tokio::time::sleep(Duration::from_secs(85)).await;
    assert_eq!(scene.ask().await.unwrap().cache, CacheState::Stale);
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert_eq!(scene.ask().await.unwrap().cache, CacheState::Hit);
    scene.is_kept();
}

/// Callers who flood the quota with what they wait for do not make another entry's lease end.
#[tokio::test(start_paused = true)]
async fn a_renewal_that_waits_for_the_quota_becomes_urgent_before_it_is_too_late() {
    let clock = Clock::tokio(SystemTime::UNIX_EPOCH);
    let quota = Arc::new(Quota::new("a quota", Rate { per_second: 1.0, at_once: 1.0 }, clock.clone()));
    let scene = scene_at(&clock, 0, 400, &[], Some(Arc::clone(&quota)));
    let first = scene.ask().await.unwrap().lease;
    let crowd = Arc::new(Share::new(clock.clone()).within(quota));
    let flood: Vec<_> = (0..5)
        .map(|_| {
            let crowd = Arc::clone(&crowd);
            tokio::spawn(async move {
                loop {
                    drop(crowd.turn(Urgency::Now).await);
                }
            })
        })
        .collect();
    let fare = scene.fares(395, 1_000).await;
    assert_eq!(fare.refused, 0);
    let renewed = scene.entry.at_hand().unwrap();
    let left = first.expiry.since(renewed.issued_at);
    assert!(left > Duration::from_secs(50) && left <= Duration::from_secs(60), "renewed with {left:?} left");
    flood.iter().for_each(tokio::task::JoinHandle::abort);
}
