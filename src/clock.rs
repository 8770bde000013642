//! The only reader of time.
//!
//! Two clocks matter here. Lifetimes are counted on `CLOCK_BOOTTIME`, which goes on during suspend and never jumps;
//! a [`Moment`] is a reading of it. The wall clock is needed only to understand the absolute instants that sources
//! send and to print the ones that SDKs expect; it may jump, so nothing is decided on it.

use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

/// How long one timer sleeps at most. Timers stop in suspend; re-reading the clock this often bounds how late a
/// wake-up can be after resume.
const LONGEST_NAP: Duration = Duration::from_secs(30);

/// An instant on the boot-time clock. Moments of one [`Clock`] compare; they mean nothing outside the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// The instant `span` later, saturating at the end of time.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// The instant `span` earlier, saturating at the boot.
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }

    /// The time from `earlier` to this instant; zero if `earlier` is in fact later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Where time comes from. Cloning is cheap; all clones read the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    Tokio { origin: tokio::time::Instant, wall: SystemTime },
}

impl Clock {
    /// The machine's clocks.
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that moves with tokio's, so that a test on tokio's paused clock moves lifetimes and the wall clock together.
    /// `wall` is what the wall clock shows now.
    #[expect(clippy::disallowed_methods, reason = "this module is the reader of time")]
    pub fn tokio(wall: SystemTime) -> Self {
        Self(Kind::Tokio { origin: tokio::time::Instant::now(), wall })
    }

    /// Now, for counting lifetimes.
    #[expect(clippy::disallowed_methods, reason = "this module is the reader of time")]
    pub fn now(&self) -> Moment {
        match &self.0 {
            Kind::System => Moment(
                clock_gettime(ClockId::CLOCK_BOOTTIME)
                    .or_else(|_| clock_gettime(ClockId::CLOCK_MONOTONIC))
                    .map(Duration::from)
                    .unwrap_or_default(),
            ),
            // Tokio's clock starts anywhere; a day keeps `minus` from saturating in tests.
            Kind::Tokio { origin, .. } => Moment(origin.elapsed() + Duration::from_secs(86_400)),
        }
    }

    /// The wall clock, for instants that leave or enter the process.
    #[expect(clippy::disallowed_methods, reason = "this module is the reader of time")]
    pub fn wall(&self) -> SystemTime {
        match &self.0 {
            Kind::System => SystemTime::now(),
            Kind::Tokio { origin, wall } => *wall + origin.elapsed(),
        }
    }

    /// The moment that the wall clock would call `wall`; now, if that is past.
    pub fn moment_of(&self, wall: SystemTime) -> Moment {
        match wall.duration_since(self.wall()) {
            Ok(ahead) => self.now().plus(ahead),
            Err(_) => self.now(),
        }
    }

    /// What the wall clock will show at `moment`.
    pub fn wall_at(&self, moment: Moment) -> SystemTime {
        let now = self.now();
        self.wall() + moment.since(now) - now.since(moment)
    }

    /// Sleeps until `moment`, also across a suspend of the machine.
    pub async fn sleep_until(&self, moment: Moment) {
        loop {
            let left = moment.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LONGEST_NAP)).await;
        }
    }
}

/// `wall` as RFC 3339 in UTC with whole seconds and a literal `Z`, the only form every AWS SDK reads.
pub fn rfc3339(wall: SystemTime) -> String {
    let seconds = wall
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The same with milliseconds, for those who put lines into their order.
pub fn rfc3339_in_millis(wall: SystemTime) -> String {
    let millis = wall
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    format!("{:.3}", jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX))
}

/// The instant that `text` names as [`rfc3339`] writes it.
pub fn read_rfc3339(text: &str) -> Option<SystemTime> {
    text.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch_plus(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_instant_and_its_moment_are_the_same_instant() {
        let clock = Clock::tokio(epoch_plus(1_000));
        let moment = clock.moment_of(epoch_plus(1_060));
        assert_eq!(moment.since(clock.now()), Duration::from_secs(60));
        assert_eq!(clock.wall_at(moment), epoch_plus(1_060));
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(clock.wall_at(moment), epoch_plus(1_060), "also when it is past");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleep_longer_than_one_nap_ends_at_its_moment() {
        let clock = Clock::tokio(epoch_plus(0));
        let end = clock.now().plus(Duration::from_secs(95));
        clock.sleep_until(end).await;
        assert_eq!(clock.now().since(end), Duration::ZERO);
    }

    #[test]
    fn instants_print_with_whole_seconds_and_a_z() {
        let wall = epoch_plus(1_700_000_000) + Duration::from_millis(750);
        assert_eq!(rfc3339(wall), "2023-11-14T22:13:20Z");
        assert_eq!(rfc3339_in_millis(wall), "2023-11-14T22:13:20.750Z");
        assert_eq!(read_rfc3339("2023-11-14T22:13:20Z"), Some(epoch_plus(1_700_000_000)));
        assert_eq!(read_rfc3339("tomorrow"), None);
    }
}
