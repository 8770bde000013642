//! What time it is somewhere.

use std::time::{Duration, SystemTime};

use super::Moment;

/// No instant that anybody means is later: the end of the year 9999.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// From this many seconds on a signature by another clock may be refused.
const TOO_FAR: u64 = 60;

/// What a wall clock, this machine's or a source's, shows at one moment. It stands for all other moments too, whatever happens to
/// this machine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What it shows …
    wall: SystemTime,
    /// … at this moment.
    at: Moment,
}

impl Reading {
    /// A clock that shows `wall` at `at`.
    pub fn new(wall: SystemTime, at: Moment) -> Self {
        Self { wall, at }
    }

    /// When it was taken.
    pub fn taken_at(self) -> Moment {
        self.at
    }

    /// The moment at which it shows `wall`.
    pub fn moment_of(self, wall: SystemTime) -> Moment {
        match wall.duration_since(self.wall) {
            Ok(ahead) => self.at.plus(ahead),
            Err(before) => self.at.minus(before.duration()),
        }
    }

    /// What it shows at `moment`.
    pub fn wall_at(self, moment: Moment) -> SystemTime {
        let earlier = self.wall.checked_sub(self.at.since(moment)).unwrap_or(SystemTime::UNIX_EPOCH);
        earlier.checked_add(moment.since(self.at)).unwrap_or(SystemTime::UNIX_EPOCH + LAST)
    }

    /// Is what was signed by one of them refused by those who go by the other? That is from less than AWS's five minutes on, so that
    /// there is room for the way, and for servers that take less.
    pub fn differs(self, other: Self) -> bool {
        self.ahead_of(other).unsigned_abs() >= TOO_FAR
    }

    /// Seconds by which this clock is ahead of `other`.
    pub fn ahead_of(self, other: Self) -> i64 {
        seconds_between(other.wall_at(self.at), self.wall)
    }
}

/// The nearest whole seconds.
pub(super) fn nearest(span: Duration) -> u64 {
    span.saturating_add(Duration::from_millis(500)).as_secs()
}

/// The nearest whole seconds from one instant to another.
pub(super) fn seconds_between(from: SystemTime, to: SystemTime) -> i64 {
    let seconds = |span: Duration| i64::try_from(nearest(span)).unwrap_or(i64::MAX);
    match to.duration_since(from) {
        Ok(span) => seconds(span),
        Err(before) => -seconds(before.duration()),
    }
}
