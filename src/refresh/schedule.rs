//! When to refresh and when to try again. Pure arithmetic; randomness comes in as numbers in `0.0..1.0`.

use std::time::Duration;

use crate::clock::Moment;
use crate::source::{Failure, FailureKind};

/// Half of the band in which refresh-due is jittered, as a share of the lifetime.
pub const JITTER: f64 = 0.05;
/// Full-jitter backoff doubles from here …
const BACKOFF_BASE: Duration = Duration::from_secs(1);
/// … up to here.
const BACKOFF_CAP: Duration = Duration::from_secs(60);
/// A failure is remembered at least this long, so that callers cannot storm a broken source.
const SHORTEST_MEMORY: Duration = Duration::from_secs(1);
/// A passing failure is remembered no longer than this while nothing valid is held: somebody may be waiting.
const LONGEST_MEMORY: Duration = Duration::from_secs(5);
/// A refusal is remembered this long when nothing valid is held, give or take half.
const REFUSAL_MEMORY: Duration = Duration::from_secs(5);
/// A refused refresh is tried again after this long while the old value is still valid, give or take half.
const REFUSED_REFRESH: Duration = Duration::from_secs(60);
/// However long an upstream asks us to wait, we look again after this.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// How the leases of one entry are kept fresh.
#[derive(Clone, Debug, PartialEq)]
pub struct Freshness {
    /// Refresh-due after this share of the lifetime, within 0.1 to 0.95.
    pub ahead: f64,
    /// Renewed always, or only if asked for since the last renewal?
    pub keep: Keep,
    /// An outage of this length shall not be noticed.
    pub outage_cover: Option<Duration>,
    /// A value handed out has this much life left wherever its lifetime allows it: SDKs come back long before expiry.
    pub life_left: Duration,
}

/// Which leases are renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Those asked for since they were last renewed.
    Used,
    /// All, from the start on.
    Always,
}

impl Freshness {
    /// What stands in where it does not matter which it is.
    pub const ANY: Self = Self { ahead: 0.75, keep: Keep::Used, outage_cover: None, life_left: Duration::ZERO };

    /// By which another process knows whether it would plan otherwise.
    pub fn spelled(&self) -> String {
        format!("{self:?}")
    }

    /// The instant from which a replacement is sought, for a life from `issued_at` to `expiry`. `jitter` in `0.0..1.0` is
    /// drawn once per lease.
    pub fn refresh_due(&self, issued_at: Moment, expiry: Moment, jitter: f64) -> Moment {
        let lifetime = expiry.since(issued_at);
        let share = self.ahead + (jitter * 2.0 - 1.0) * JITTER;
        let by_share = lifetime.mul_f64(share.clamp(0.05, 0.95));
        // Where a certain remaining life is wanted the jitter may only make the refresh earlier.
        let early = lifetime.mul_f64(jitter * JITTER);
        let by_cover = lifetime.saturating_sub(self.cover_within(lifetime)).saturating_sub(early);
        issued_at.plus(by_share.min(by_cover).max(lifetime.mul_f64(0.05)))
    }

    /// The outage that a value of this lifetime is sure to bridge, counted from its refresh-due.
    pub fn guaranteed_cover(&self, lifetime: Duration) -> Duration {
        let latest_share = (self.ahead + JITTER).clamp(0.05, 0.95);
        lifetime.mul_f64(1.0 - latest_share).max(self.cover_within(lifetime))
    }

    /// The life that must be left at refresh-due: what was asked for, as far as the lifetime can give it.
    fn cover_within(&self, lifetime: Duration) -> Duration {
        let for_sdks = self.life_left.min(lifetime / 2);
        let for_outages = self.outage_cover.unwrap_or_default().min(lifetime.mul_f64(0.9));
        for_sdks.max(for_outages)
    }
}

/// How long to wait after the `attempts`-th failure in a row (1 for the first) before the source is asked again.
/// `valid_for` is the life left in the value held, zero if none is held.
pub fn wait_after(failure: &Failure, attempts: u32, valid_for: Duration, random: f64) -> Duration {
    let wait = match failure.kind {
        FailureKind::Denied | FailureKind::Misconfigured if valid_for.is_zero() => around(REFUSAL_MEMORY, random),
        FailureKind::Denied | FailureKind::Misconfigured => around(REFUSED_REFRESH, random),
        FailureKind::Throttled | FailureKind::Unavailable | FailureKind::Malformed => {
            let cap = if valid_for.is_zero() { LONGEST_MEMORY } else { BACKOFF_CAP };
            BACKOFF_BASE.saturating_mul(1 << attempts.clamp(1, 10)).min(cap).mul_f64(random)
        }
    };
    let asked = failure.retry_after.unwrap_or_default();
    // Waiting longer than half of what is left would let the value expire untried.
    let longest = if valid_for.is_zero() { LONGEST_WAIT } else { (valid_for / 2).min(LONGEST_WAIT) };
    wait.max(asked).min(longest).max(SHORTEST_MEMORY)
}

/// `middle`, give or take half of it.
fn around(middle: Duration, random: f64) -> Duration {
    middle.mul_f64(0.5 + random)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Clock;

    fn freshness(ahead: f64, outage_cover: Option<u64>, life_left: u64) -> Freshness {
        Freshness {
            ahead,
            keep: Keep::Used,
            outage_cover: outage_cover.map(Duration::from_secs),
            life_left: Duration::from_secs(life_left),
        }
    }

    fn some_moment() -> Moment {
        Clock::system().now()
    }

    #[test]
    fn credentials_of_an_hour_are_renewed_with_half_an_hour_left() {
        let start = some_moment();
        let expiry = start.plus(Duration::from_secs(3600));
        for jitter in [0.0, 0.5, 0.999] {
            let due = freshness(0.75, None, 30 * 60).refresh_due(start, expiry, jitter);
            assert!(expiry.since(due) >= Duration::from_secs(30 * 60), "{jitter}: {:?}", expiry.since(due));
        }
    }

    #[test]
    fn a_plain_token_is_renewed_at_three_quarters_give_or_take_a_twentieth() {
        let start = some_moment();
        let expiry = start.plus(Duration::from_secs(1000));
        let due = |jitter| freshness(0.75, None, 0).refresh_due(start, expiry, jitter).since(start).as_secs_f64();
        assert!((due(0.0) - 700.0).abs() < 1e-6 && (due(0.5) - 750.0).abs() < 1e-6 && (due(1.0) - 800.0).abs() < 1e-6);
    }

    #[test]
    fn a_refusal_is_not_repeated_quickly_and_a_wait_asked_for_is_kept() {
        let denied = Failure::new(FailureKind::Denied, "no");
        assert!(wait_after(&denied, 1, Duration::from_secs(3000), 0.0) >= Duration::from_secs(30));
        assert!(wait_after(&denied, 1, Duration::ZERO, 0.99) <= Duration::from_secs(8));
        let mut throttled = Failure::new(FailureKind::Throttled, "slow down");
        throttled.retry_after = Some(Duration::from_secs(30));
        assert_eq!(wait_after(&throttled, 1, Duration::from_secs(3600), 0.1), Duration::from_secs(30));
        throttled.retry_after = Some(Duration::from_secs(1_000_000_000));
        assert_eq!(wait_after(&throttled, 1, Duration::from_secs(100), 0.1), Duration::from_secs(50));
    }

    #[test]
    fn with_nothing_held_a_passing_failure_is_forgotten_soon() {
        let down = Failure::new(FailureKind::Unavailable, "down");
        assert!(wait_after(&down, 50, Duration::ZERO, 0.999) <= Duration::from_secs(5));
        assert!(wait_after(&down, 50, Duration::from_secs(3_600), 0.999) > Duration::from_secs(50));
    }

    proptest! {
        #[test]
        fn refresh_due_lies_within_the_life_and_leaves_what_was_asked(
            lifetime in 1u64..200_000, ahead in 0.1f64..0.95, jitter in 0.0f64..1.0,
            cover in proptest::option::of(0u64..100_000), life_left in 0u64..3_600,
        ) {
            let policy = freshness(ahead, cover, life_left);
            let start = some_moment();
            let expiry = start.plus(Duration::from_secs(lifetime));
            let due = policy.refresh_due(start, expiry, jitter);
            prop_assert!(due > start && due < expiry);
            let left = expiry.since(due);
            prop_assert!(left >= Duration::from_secs(life_left).min(Duration::from_secs(lifetime) / 2));
            prop_assert!(left >= Duration::from_secs(cover.unwrap_or(0)).min(Duration::from_secs(lifetime).mul_f64(0.9)));
            // Whatever is printed as guaranteed is given, whatever the jitter.
            prop_assert!(left + Duration::from_micros(1) >= policy.guaranteed_cover(expiry.since(start)));
        }

        #[test]
        fn a_failure_is_remembered_but_not_beyond_half_of_what_is_left(
            attempts in 1u32..100, valid_for in 0u64..100_000, random in 0.0f64..1.0, retry_after in proptest::option::of(any::<u64>()),
            kind in prop_oneof![Just(FailureKind::Denied), Just(FailureKind::Throttled), Just(FailureKind::Unavailable)],
        ) {
            let mut failure = Failure::new(kind, "");
            failure.retry_after = retry_after.map(Duration::from_secs);
            let valid_for = Duration::from_secs(valid_for);
            let wait = wait_after(&failure, attempts, valid_for, random);
            prop_assert!(wait >= SHORTEST_MEMORY && wait <= LONGEST_WAIT);
            prop_assert!(valid_for.is_zero() || wait <= (valid_for / 2).max(SHORTEST_MEMORY));
        }
    }
}
