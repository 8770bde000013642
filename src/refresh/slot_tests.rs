//! The engine with a source that does as it is told, on tokio's paused clock: nothing here sleeps for real.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;

use super::super::keeping::FETCH_DEADLINE;
use super::super::schedule::Keep;
use super::super::{Entry, Inputs};
use super::*;
use crate::lease::Issued;
use crate::source::{Ask, FailureKind, Source};

/// What the upstream does the next time it is asked.
#[derive(Clone)]
enum Reaction {
    Issue { takes: u64, lifetime: u64 },
    Refuse(FailureKind),
    RefuseSecret,
    Panic,
    Hang,
}

struct Upstream {
    reactions: Mutex<VecDeque<Reaction>>,
    then: Reaction,
    asked: AtomicUsize,
    is_mended: AtomicBool,
    clock: Clock,
}

#[async_trait]
impl Source<usize> for Upstream {
    async fn fetch(&self, _: &Ask) -> Result<Issued<usize>, Failure> {
        let value = self.asked.fetch_add(1, Ordering::SeqCst);
        let sent_at = self.clock.now();
        let reaction = self.reactions.lock().unwrap().pop_front().unwrap_or(self.then.clone());
        match reaction {
            Reaction::Issue { takes, lifetime } => {
                tokio::time::sleep(Duration::from_secs(takes)).await;
                Ok(Issued::new(value, sent_at, sent_at.plus(Duration::from_secs(lifetime))))
            }
            Reaction::Refuse(kind) => Err(Failure::new(kind, "as told")),
            Reaction::RefuseSecret => {
                Err(Failure { secret_refused: true, ..Failure::new(FailureKind::Denied, "as told") })
            }
            Reaction::Panic => panic!("as told"),
            Reaction::Hang => std::future::pending().await,
        }
    }

    async fn is_mended(&self) -> bool {
        self.is_mended.load(Ordering::SeqCst)
    }
}

struct World {
    upstream: Arc<Upstream>,
    entry: Arc<Entry<usize>>,
    clock: Clock,
}

fn world(keep: Keep, reactions: &[Reaction], then: Reaction) -> World {
    let clock = Clock::tokio(SystemTime::UNIX_EPOCH);
    let upstream = Arc::new(Upstream {
        reactions: Mutex::new(reactions.iter().cloned().collect()),
        then,
        asked: AtomicUsize::new(0),
        is_mended: AtomicBool::new(false),
        clock: clock.clone(),
    });
    let freshness = Freshness { ahead: 0.75, keep, outage_cover: None, life_left: Duration::ZERO };
    let source = Arc::clone(&upstream) as Arc<dyn Source<usize>>;
    let entry = Entry::new(
        "tokens.t",
        "a test",
        source,
        Inputs { caller: true, scopes: true, subject: None },
        freshness,
        clock.clone(),
    );
    World { upstream, entry: Arc::new(entry), clock }
}

impl World {
    async fn ask(&self) -> Result<Served<usize>, Unserved> {
        self.entry.lease(&Ask::default(), Duration::from_millis(850)).await
    }

    fn asked(&self) -> usize {
        self.upstream.asked.load(Ordering::SeqCst)
    }
}

async fn pass(seconds: u64) {
    // In steps, so that every timer on the way runs when it is due.
    for _ in 0..seconds * 4 {
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_at_once_are_one_upstream_request() {
    let world = Arc::new(world(Keep::Used, &[], Reaction::Issue { takes: 0, lifetime: 100 }));
    let callers: Vec<_> = (0..1_000)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.ask().await.unwrap().lease.value.clone() })
        })
        .collect();
    for caller in callers {
        assert_eq!(*caller.await.unwrap(), 0);
    }
    assert_eq!(world.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_secret_that_is_replaced_is_used_within_two_seconds() {
    let issue = |lifetime| Reaction::Issue { takes: 0, lifetime };
    // Cold: whoever asks meanwhile is told of the refusal.
    let cold = world(Keep::Used, &[Reaction::RefuseSecret], issue(100));
    cold.ask().await.unwrap_err();
    pass(1).await;
    cold.ask().await.unwrap_err();
    cold.upstream.is_mended.store(true, Ordering::SeqCst);
    pass(2).await;
    assert_eq!(*cold.ask().await.unwrap().lease.value, 1);
    // With a value held, at its renewal.
    let held = world(Keep::Always, &[issue(1_000), Reaction::RefuseSecret], issue(1_000));
    held.ask().await.unwrap();
    while held.asked() < 2 {
        pass(1).await;
    }
    pass(2).await;
    assert_eq!((held.asked(), *held.ask().await.unwrap().lease.value), (2, 0), "not asked again meanwhile");
    held.upstream.is_mended.store(true, Ordering::SeqCst);
    pass(2).await;
    assert_eq!((held.asked(), *held.ask().await.unwrap().lease.value), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn a_slow_fetch_is_pending_at_first_and_there_later_though_the_first_caller_hung_up() {
    let world = world(Keep::Used, &[], Reaction::Issue { takes: 3, lifetime: 100 });
    let hangs_up = tokio::time::timeout(Duration::from_millis(10), world.ask()).await;
    assert!(hangs_up.is_err());
    let before = world.clock.now();
    assert!(matches!(world.ask().await, Err(Unserved::Pending)));
    assert!(world.clock.now().since(before) < Duration::from_secs(1), "a cold request is answered within a second");
    pass(3).await;
    let served = world.ask().await.unwrap();
    assert_eq!((*served.lease.value, served.cache, world.asked()), (0, CacheState::Hit, 1));
}

#[tokio::test(start_paused = true)]
async fn with_the_upstream_gone_requests_succeed_until_expiry_and_never_after() {
    let first = [Reaction::Issue { takes: 0, lifetime: 100 }];
    let world = world(Keep::Used, &first, Reaction::Refuse(FailureKind::Unavailable));
    let end = world.ask().await.unwrap().lease.expiry;
    let mut served = 0;
    while world.clock.now() < end.plus(Duration::from_secs(20)) {
        let now = world.clock.now();
        let outcome = world.ask().await;
        if now < end {
            assert_eq!(outcome.unwrap().lease.expiry, end);
            served += 1;
        } else {
            assert!(matches!(outcome, Err(Unserved::Failed { .. })), "after expiry nothing is served");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(served >= 199, "{served} answers in 100 s");
    assert!((2..60).contains(&world.asked()), "{} upstream requests", world.asked());
}

#[tokio::test(start_paused = true)]
async fn it_recovers_by_itself_when_the_upstream_does() {
    let down = vec![Reaction::Refuse(FailureKind::Unavailable); 3];
    let world = world(Keep::Always, &down, Reaction::Issue { takes: 0, lifetime: 1_000 });
    world.entry.prefetch(&Ask::default());
    assert!(!world.entry.is_usable(&Ask::default()));
    pass(30).await;
    assert!(world.entry.is_usable(&Ask::default()));
    assert_eq!(world.asked(), 4);
}

#[tokio::test(start_paused = true)]
async fn it_is_renewed_ahead_without_anybody_waiting() {
    let world = world(Keep::Always, &[], Reaction::Issue { takes: 2, lifetime: 100 });
    world.entry.prefetch(&Ask::default());
    pass(4).await;
    for _ in 0..200 {
        pass(5).await;
        let served = world.ask().await.unwrap();
        assert_ne!(served.cache, CacheState::Miss);
        assert!(served.lease.remaining(world.clock.now()) > Duration::from_secs(10));
    }
    let renewals = world.asked();
    assert!((12..=15).contains(&renewals), "{renewals} upstream requests in 1,004 s of 100 s lifetimes");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_by_all_who_wait_and_remembered() {
    let world = Arc::new(world(Keep::Used, &[], Reaction::Refuse(FailureKind::Denied)));
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { kind_of(world.ask().await) })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), FailureKind::Denied);
    }
    assert_eq!(world.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_source_is_one_failure_and_the_next_request_works() {
    let world = world(Keep::Used, &[Reaction::Panic], Reaction::Issue { takes: 0, lifetime: 100 });
    assert_eq!(kind_of(world.ask().await), FailureKind::Unavailable);
    pass(5).await;
    assert_eq!(*world.ask().await.unwrap().lease.value, 1);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_answers_is_given_up() {
    let world = world(Keep::Used, &[Reaction::Hang], Reaction::Issue { takes: 0, lifetime: 100 });
    assert!(matches!(world.ask().await, Err(Unserved::Pending)));
    pass(FETCH_DEADLINE.as_secs()).await;
    assert!(matches!(world.ask().await, Err(Unserved::Failed { failure, .. }) if failure.timed_out));
    pass(3).await;
    assert_eq!(*world.ask().await.unwrap().lease.value, 1);
}

fn kind_of(outcome: Result<Served<usize>, Unserved>) -> FailureKind {
    match outcome {
        Err(Unserved::Failed { failure, .. }) => failure.kind,
        other => panic!("a failure was expected, not {other:?}"),
    }
}

fn by(caller: usize) -> Ask {
    Ask { caller: Some(caller.to_string()), ..Ask::default() }
}

fn narrowed(scope: usize) -> Ask {
    Ask { scopes: Some(vec![scope.to_string()]), ..Ask::default() }
}

const A_SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn variations_are_separate() {
    let world = world(Keep::Used, &[], Reaction::Issue { takes: 0, lifetime: 1_000 });
    let first = world.entry.lease(&by(0), A_SECOND).await.unwrap().lease.value.clone();
    assert_ne!(world.entry.lease(&by(1), A_SECOND).await.unwrap().lease.value, first);
    assert_eq!(world.entry.lease(&by(0), A_SECOND).await.unwrap().lease.value, first);
}

#[tokio::test(start_paused = true)]
async fn narrowings_are_bounded_and_never_displace_what_is_always_kept() {
    let world = world(Keep::Always, &[], Reaction::Issue { takes: 0, lifetime: 1_000 });
    world.entry.prefetch(&Ask::default());
    world.ask().await.unwrap();
    let mut crowded = 0;
    for scope in 0..300 {
        crowded += usize::from(matches!(world.entry.lease(&narrowed(scope), A_SECOND).await, Err(Unserved::Crowded)));
    }
    assert_eq!((crowded, world.asked()), (300 - 32, 33));
    assert!(world.entry.is_usable(&Ask::default()));
    pass(10_000).await;
    let renewals = world.asked() - 33 - 32;
    assert!((10..=16).contains(&renewals), "after one last renewal each, narrowings are let go: {renewals}");
}

#[tokio::test(start_paused = true)]
async fn narrowings_that_make_room_are_counted_all_the_same() {
    let world = world(Keep::Used, &[], Reaction::Issue { takes: 0, lifetime: 10 });
    for scope in 0..100 {
        world.entry.lease(&narrowed(scope), A_SECOND).await.unwrap();
        pass(5).await;
        let variations = world.entry.report().variations;
        let counted: u64 = variations.iter().map(|(_, held)| held.counts.fetches).sum();
        assert_eq!(counted, world.asked() as u64, "after {scope}");
        assert!(variations.len() <= 33, "32 of them, and the whole");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_refused_with_one_scope_is_not_tried_with_the_next() {
    let world = world(Keep::Used, &[], Reaction::Refuse(FailureKind::Denied));
    for scope in 0..300 {
        assert_eq!(kind_of(world.entry.lease(&narrowed(scope), A_SECOND).await), FailureKind::Denied);
    }
    assert_eq!(world.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_and_has_time_does_not_keep_others_waiting_as_long() {
    let issue = Reaction::Issue { takes: 0, lifetime: 4_000 };
    let world = world(Keep::Used, &[issue.clone(), Reaction::Refuse(FailureKind::Denied)], issue);
    world.ask().await.unwrap();
    while world.asked() < 2 {
        pass(1).await;
    }
    assert_eq!(kind_of(world.entry.lease(&narrowed(1), A_SECOND).await), FailureKind::Denied, "asked just now");
    pass(8).await;
    assert!(
        world.entry.lease(&narrowed(1), A_SECOND).await.is_ok(),
        "though the renewal waits for half a minute and more"
    );
    assert_eq!(world.asked(), 3);
}

/// The start may be spread over minutes, in which callers ask already.
#[tokio::test(start_paused = true)]
async fn what_is_always_kept_is_fetched_though_a_narrowing_of_it_has_failed_before() {
    let then = Reaction::Issue { takes: 0, lifetime: 100 };
    let world = world(Keep::Always, &[Reaction::Refuse(FailureKind::Unavailable)], then);
    assert_eq!(kind_of(world.entry.lease(&narrowed(1), A_SECOND).await), FailureKind::Unavailable);
    world.entry.prefetch(&Ask::default());
    pass(1).await;
    assert!(world.entry.at_hand().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_refused_says_nothing_about_the_others() {
    let then = Reaction::Issue { takes: 0, lifetime: 100 };
    let world = world(Keep::Used, &[Reaction::Refuse(FailureKind::Misconfigured)], then);
    assert_eq!(kind_of(world.entry.lease(&narrowed(1), A_SECOND).await), FailureKind::Misconfigured);
    assert!(world.entry.lease(&narrowed(2), A_SECOND).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn credentials_too_short_lived_for_sdks_wait_for_their_renewal_but_not_for_long() {
    let hour = Reaction::Issue { takes: 0, lifetime: 3_600 };
    let slow = Reaction::Issue { takes: 60, lifetime: 3_600 };
    let mut world = world(Keep::Used, &[hour.clone(), hour.clone(), hour, slow], Reaction::Hang);
    let entry = Arc::get_mut(&mut world.entry).unwrap();
    entry.be_for_sdks();
    world.ask().await.unwrap();
    // Renewed once at half its life, then unused: near its end it is asked for again, and the renewal is quick.
    pass(1_800 + 3_000).await;
    let served = world.ask().await.unwrap();
    assert!(served.lease.remaining(world.clock.now()) > Duration::from_secs(3_000));
    // The next time the renewal is slow: the old one, within the patience.
    pass(3_000).await;
    let before = world.clock.now();
    let served = world.ask().await.unwrap();
    assert_eq!(served.cache, CacheState::Stale);
    assert!(world.clock.now().since(before) < A_SECOND);
}

#[tokio::test(start_paused = true)]
async fn what_ends_while_its_renewal_is_waited_for_is_not_handed_out() {
    let hour = Reaction::Issue { takes: 0, lifetime: 3_600 };
    let mut world = world(Keep::Used, &[hour.clone(), hour], Reaction::Hang);
    Arc::get_mut(&mut world.entry).unwrap().be_for_sdks();
    world.ask().await.unwrap();
    // Renewed once, and then unused until it is about to end.
    pass(1_800).await;
    let lease = world.entry.at_hand().unwrap();
    let nearly_over = lease.remaining(world.clock.now()) - Duration::from_millis(300);
    tokio::time::sleep(nearly_over).await;
    assert!(lease.is_valid(world.clock.now()) && world.asked() == 2);
    let outcome = world.ask().await;
    assert!(!lease.is_valid(world.clock.now()) && matches!(outcome, Err(Unserved::Pending)), "{outcome:?}");
}

/// Whoever needs more of it gets more, whenever it comes; who does not, is not made to wait.
#[tokio::test(start_paused = true)]
async fn as_much_life_is_left_as_the_asker_needs_and_the_lifetime_gives() {
    const ENOUGH: Duration = Duration::from_secs(26 * 60);
    for (lifetime, least) in [(3_600, ENOUGH), (3_120, ENOUGH), (2_800, Duration::from_secs(1_400))] {
        let mut world = world(Keep::Used, &[], Reaction::Issue { takes: 0, lifetime });
        Arc::get_mut(&mut world.entry).unwrap().be_for_sdks();
        for pause in [0, 60, lifetime / 2, 120, lifetime * 57 / 100, lifetime * 9 / 10, 5, lifetime + 1, lifetime / 3] {
            pass(pause).await;
            let served = world.entry.lease_of(&Ask::default(), A_SECOND, ENOUGH).await.unwrap();
            let left = served.lease.remaining(world.clock.now());
            assert!(left >= least, "{left:?} of {lifetime} s left after a pause of {pause} s");
        }
    }
    let mut world = world(Keep::Used, &[], Reaction::Issue { takes: 0, lifetime: 3_600 });
    Arc::get_mut(&mut world.entry).unwrap().be_for_sdks();
    world.ask().await.unwrap();
    // Renewed once for that asker; nobody asks until 23 minutes are left.
    pass(1_800 + 2_100).await;
    let served = world.ask().await.unwrap();
    let left = served.lease.remaining(world.clock.now());
    assert!(served.cache == CacheState::Stale && left > ENOUGH_FOR_SDKS && left < ENOUGH, "{left:?}");
    let again = world.entry.lease_of(&Ask::default(), A_SECOND, ENOUGH).await.unwrap();
    assert!(again.lease.remaining(world.clock.now()) > ENOUGH);
}
