//! The cell against the promises of the contract, by a naive reference model after every random step.

use proptest::prelude::*;

use super::*;
use crate::clock::Clock;

const POLICY: Freshness = Freshness { ahead: 0.75, keep: Keep::Used, outage_cover: None, life_left: Duration::ZERO };

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn start() -> Moment {
    Clock::system().now()
}

fn issued(value: u32, sent_at: Moment, lifetime: u64) -> Issued<u32> {
    Issued::new(value, sent_at, sent_at.plus(seconds(lifetime)))
}

fn unavailable() -> Failure {
    Failure::new(FailureKind::Unavailable, "down")
}

/// A cell that holds `value` from `now` for `lifetime` seconds, asked for once.
fn holding(value: u32, now: Moment, lifetime: u64) -> Cell<u32> {
    let mut cell = Cell::default();
    assert!(matches!(cell.ask(now), Answer::Wait));
    cell.started(now);
    cell.finished(now, Ok(issued(value, now, lifetime)), &POLICY, 0.5, 0.5);
    cell
}

#[test]
fn between_refresh_due_and_expiry_the_old_one_is_served_and_a_new_one_sought() {
    let now = start();
    let mut cell = holding(1, now, 100);
    assert!(matches!(cell.ask(now.plus(seconds(74))), Answer::Lease(lease, CacheState::Hit) if *lease.value == 1));
    assert_eq!(cell.next(now.plus(seconds(74)), Keep::Used), Next::At(now.plus(seconds(75))));
    assert_eq!(cell.next(now.plus(seconds(75)), Keep::Used), Next::Fetch);
    cell.started(now.plus(seconds(75)));
    assert!(matches!(cell.ask(now.plus(seconds(99))), Answer::Lease(lease, CacheState::Stale) if *lease.value == 1));
    assert!(
        matches!(cell.ask(now.plus(seconds(100))), Answer::Wait),
        "never after expiry, not even with a fetch under way"
    );
}

#[test]
fn under_another_policy_the_same_value_is_renewed_when_that_says() {
    let now = start();
    let mut cell = holding(1, now, 100);
    let sooner = Freshness { outage_cover: Some(seconds(60)), ..POLICY };
    cell.replan(now.plus(seconds(10)), &sooner, 0.5, 0.5);
    assert!(matches!(cell.ask(now.plus(seconds(30))), Answer::Lease(lease, CacheState::Hit) if *lease.value == 1));
    let Next::At(due) = cell.next(now.plus(seconds(10)), Keep::Used) else { panic!("it is not due yet") };
    assert!(due <= now.plus(seconds(40)), "its outage_cover is kept");
    cell.replan(now.plus(seconds(10)), &POLICY, 0.5, 0.5);
    assert_eq!(cell.next(now.plus(seconds(10)), Keep::Used), Next::At(now.plus(seconds(75))));

    // What becomes due by it takes its turn, since others do so too.
    let mut cell = holding(1, now, 1_000);
    let at = now.plus(seconds(500));
    cell.replan(at, &Freshness { outage_cover: Some(seconds(600)), ..POLICY }, 0.5, 0.7);
    assert!(matches!(cell.ask(at), Answer::Lease(lease, CacheState::Stale) if *lease.value == 1));
    assert_eq!(cell.next(at, Keep::Used), Next::At(now.plus(seconds(507))));
}

#[test]
fn a_failed_refresh_leaves_the_old_one_and_is_tried_again() {
    let now = start();
    let mut cell = holding(1, now, 100);
    let due = now.plus(seconds(75));
    cell.started(due);
    cell.finished(due, Err(unavailable()), &POLICY, 0.5, 0.5);
    assert!(matches!(cell.ask(due), Answer::Lease(lease, CacheState::Stale) if *lease.value == 1));
    let Next::At(retry) = cell.next(due, Keep::Used) else { panic!("it is tried again") };
    assert!(retry > due && retry < now.plus(seconds(100)));
    assert_eq!(cell.next(retry, Keep::Used), Next::Fetch);
}

#[test]
fn a_value_that_would_end_sooner_or_has_ended_does_not_replace_a_valid_one() {
    let now = start();
    let mut cell = holding(1, now, 100);
    let due = now.plus(seconds(75));
    for lifetime in [0, 10] {
        cell.started(due);
        cell.finished(due, Ok(issued(2, due, lifetime)), &POLICY, 0.5, 0.5);
        assert!(matches!(cell.look(due), Answer::Lease(lease, _) if *lease.value == 1));
        assert_eq!(cell.trouble().unwrap().failure.kind, FailureKind::Malformed);
    }
}

#[test]
fn a_source_whose_values_became_short_lived_is_not_asked_over_and_over() {
    let now = start();
    let mut cell = holding(1, now, 1_000);
    let due = now.plus(seconds(750));
    cell.started(due);
    cell.finished(due, Ok(issued(2, due, 20)), &POLICY, 0.5, 0.5);
    assert_eq!(cell.next(due, Keep::Used), Next::At(now.plus(seconds(875))), "halfway to the end");
}

#[test]
fn the_same_expiry_seen_through_a_slewed_clock_is_no_step_back() {
    let now = start();
    let mut cell = holding(1, now, 3_600);
    let due = now.plus(seconds(2_700));
    cell.started(due);
    let again = Issued::new(2, due, now.plus(Duration::from_millis(3_599_900)));
    cell.finished(due, Ok(again), &POLICY, 0.5, 0.5);
    assert!(matches!(cell.look(due), Answer::Lease(lease, _) if *lease.value == 2));
}

#[test]
fn a_failure_with_nothing_held_is_remembered_briefly_and_then_asked_again_only_on_demand() {
    let now = start();
    let mut cell = Cell::<u32>::default();
    cell.ask(now);
    cell.started(now);
    cell.finished(now, Err(unavailable()), &POLICY, 0.5, 0.0);
    let Answer::Failed { retry_at, .. } = cell.look(now) else { panic!("the failure is remembered") };
    assert!(retry_at.since(now) >= seconds(1));
    assert_eq!(cell.next(retry_at, Keep::Used), Next::Idle, "nobody has asked since");
    assert_eq!(cell.next(retry_at, Keep::Always), Next::Fetch);
    assert!(matches!(cell.ask(retry_at), Answer::Wait));
    assert_eq!(cell.next(retry_at, Keep::Used), Next::Fetch);
}

#[test]
fn unused_values_are_let_go_and_kept_ones_are_not() {
    let now = start();
    let mut cell = holding(1, now, 100);
    let due = now.plus(seconds(75));
    assert_eq!(cell.next(due, Keep::Used), Next::Fetch, "the first one was used by whoever waited for it");
    cell.started(due);
    cell.finished(due, Ok(issued(2, due, 100)), &POLICY, 0.5, 0.5);
    let later = due.plus(seconds(75));
    assert_eq!(cell.next(later, Keep::Used), Next::Idle, "the second one was not used by anybody");
    assert_eq!(cell.next(later, Keep::Always), Next::Fetch);
}

/// A pause of an upstream, or of a refusal, ends with the lease too.
#[test]
fn the_last_attempts_are_made_whatever_the_last_failure_said() {
    let now = start();
    let mut cell = holding(1, now, 1_000);
    let end = now.plus(seconds(1_000));
    let mut throttled = Failure::new(FailureKind::Throttled, "slow down");
    throttled.retry_after = Some(seconds(1_000_000));
    let (mut at, mut left) = (now.plus(seconds(750)), Vec::new());
    cell.started(at);
    cell.finished(at, Err(throttled.clone()), &POLICY, 0.5, 0.0);
    while let Next::At(moment) = cell.next(at, Keep::Always) {
        at = moment;
        if at >= end {
            break;
        }
        left.push(end.since(at).as_secs());
        cell.started(at);
        cell.finished(at, Err(throttled.clone()), &POLICY, 0.5, 0.0);
    }
    for pinned in [60, 20, 5] {
        assert!(left.contains(&pinned), "{left:?}");
    }
    assert!(left.len() < 15, "{left:?}");
}

#[test]
fn a_value_that_lives_for_a_second_is_not_renewed_for_ever_because_of_one_request() {
    let now = start();
    let mut cell = holding(1, now, 1);
    let mut renewals = 0;
    let mut at = now;
    while renewals < 10 {
        at = match cell.next(at, Keep::Used) {
            Next::Idle => break,
            Next::At(moment) => moment,
            Next::Fetch => {
                renewals += 1;
                cell.started(at);
                cell.finished(at, Ok(issued(2, at, 1)), &POLICY, 0.5, 0.5);
                at
            }
        };
    }
    assert_eq!(renewals, 1, "the first one was used by whoever waited for it, the second by nobody");
}

#[test]
fn after_a_suspend_what_is_due_takes_its_turn_unless_somebody_waits() {
    let now = start();
    let mut held = holding(1, now, 1_000);
    let resumed = now.plus(seconds(900));
    held.take_turn(resumed, 0.7);
    assert_eq!(held.next(resumed, Keep::Used), Next::At(resumed.plus(seconds(7))));
    let mut ended = holding(1, now, 100);
    ended.take_turn(resumed, 0.7);
    assert_eq!(ended.next(resumed, Keep::Always), Next::At(resumed.plus(seconds(7))));
    assert!(matches!(ended.ask(resumed), Answer::Wait));
    assert_eq!(ended.next(resumed, Keep::Always), Next::Fetch);
}

#[test]
fn what_somebody_waits_for_or_is_about_to_end_is_urgent() {
    let now = start();
    let mut cell = Cell::<u32>::default();
    assert_eq!(cell.urgency(now).0, Urgency::Ahead, "it is kept, and nobody has asked");
    cell.ask(now);
    assert_eq!(cell.urgency(now).0, Urgency::Now);
    let mut cell = holding(1, now, 1_000);
    assert_eq!(cell.urgency(now.plus(seconds(750))), (Urgency::Ahead, Some(now.plus(seconds(940)))));
    cell.started(now.plus(seconds(750)));
    cell.finished(now.plus(seconds(750)), Err(unavailable()), &POLICY, 0.5, 0.5);
    assert_eq!(cell.urgency(now.plus(seconds(760))).0, Urgency::Again);
    assert_eq!(cell.urgency(now.plus(seconds(940))).0, Urgency::Now);
}

/// What may happen to a cell.
#[derive(Clone, Debug)]
enum Step {
    Ask,
    Pass(u64),
    Succeed(u64),
    Fail(FailureKind),
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        Just(FailureKind::Denied),
        Just(FailureKind::Throttled),
        Just(FailureKind::Unavailable),
        Just(FailureKind::Malformed)
    ];
    prop_oneof![
        3 => Just(Step::Ask),
        3 => (0u64..40).prop_map(Step::Pass),
        2 => (0u64..120).prop_map(Step::Succeed),
        2 => kind.prop_map(Step::Fail),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// The reference: all values ever issued with their ends. Whatever the cell serves must be one of them that lives; if any
    /// that the cell accepted lives, one is served; and the source is never asked twice at once or twice within a second.
    #[test]
    fn promises_hold_after_every_step(steps in proptest::collection::vec(step(), 1..60), jitter in 0.0f64..1.0, always in any::<bool>()) {
        let keep = if always { Keep::Always } else { Keep::Used };
        let mut now = start();
        let mut cell = Cell::<u32>::default();
        let mut ends: Vec<Moment> = Vec::new();
        let mut best: Option<Moment> = None;
        let mut slack = Duration::ZERO;
        let mut in_flight: Option<Moment> = None;
        let mut last_start: Option<Moment> = None;
        for step in steps {
            match step {
                Step::Ask => match cell.ask(now) {
                    Answer::Lease(lease, state) => {
                        prop_assert!(ends[*lease.value as usize] == lease.expiry && now < lease.expiry, "an expired value was served");
                        prop_assert_eq!(state == CacheState::Stale, now >= lease.refresh_due);
                    }
                    Answer::Wait | Answer::Failed { .. } => prop_assert!(best.is_none_or(|end| end <= now), "a valid value was not served"),
                },
                Step::Pass(count) => now = now.plus(seconds(count)),
                Step::Succeed(lifetime) => if let Some(sent_at) = in_flight.take() {
                    let value = issued(u32::try_from(ends.len()).unwrap(), sent_at, lifetime);
                    ends.push(value.expiry);
                    if value.expiry > now && best.is_none_or(|end| end <= now || value.expiry.plus(slack) >= end) {
                        (best, slack) = (Some(value.expiry), value.lifetime().mul_f64(SLEW));
                    }
                    cell.finished(now, Ok(value), &POLICY, jitter, jitter);
                },
                Step::Fail(kind) => if in_flight.take().is_some() {
                    cell.finished(now, Err(Failure::new(kind, "")), &POLICY, jitter, jitter);
                    let retry_at = cell.trouble().unwrap().retry_at;
                    prop_assert!(retry_at >= now.plus(seconds(1)), "faster than its backoff");
                },
            }
            match cell.next(now, keep) {
                Next::Fetch => {
                    prop_assert!(in_flight.is_none(), "a second flight");
                    prop_assert!(last_start.is_none_or(|at| now >= at.plus(SHORTEST_PAUSE)), "asked again too soon");
                    cell.started(now);
                    (in_flight, last_start) = (Some(now), Some(now));
                }
                Next::At(moment) => prop_assert!(moment > now && in_flight.is_none()),
                Next::Idle => prop_assert!(in_flight.is_some() || keep == Keep::Used, "an entry that is always kept was forgotten"),
            }
        }
    }
}
