//! The clocks compared with each other: has the machine slept, was the wall clock set?

use std::time::{Duration, SystemTime};

use super::reading::{nearest, seconds_between};

/// Reading one clock after the other takes less.
const SHORTEST_SLEEP: Duration = Duration::from_secs(1);

/// After a sleep the wall clock is set by one of whole seconds, which is no news.
const SMALLEST_STEP: i64 = 2;

/// What all clocks show at one instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hands {
    /// Goes on during suspend and never jumps.
    pub(super) boot: Duration,
    /// Never jumps and stops in suspend.
    pub(super) monotonic: Duration,
    /// Goes on during suspend and jumps.
    pub(super) wall: SystemTime,
}

/// What happened between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    slept: u64,
    stepped: i64,
}

/// What happened to the clocks since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jumps {
    /// How often the machine has resumed.
    pub resumes: u64,
    /// How many seconds it has slept, all in all.
    pub slept: u64,
    /// How often the wall clock was set.
    pub steps: u64,
    /// By how many seconds it was set the last time; less than zero for back.
    pub last_step: i64,
}

impl Jumps {
    pub(super) fn count(&mut self, seen: Seen) {
        if seen.slept > 0 {
            self.resumes += 1;
            self.slept = self.slept.saturating_add(seen.slept);
        }
        if seen.stepped != 0 {
            self.steps += 1;
            self.last_step = seen.stepped;
        }
    }
}

impl Hands {
    /// What happened until `now`. What is too little to tell is told when it has added up.
    pub(super) fn turned_to(&mut self, now: Self) -> Seen {
        let slept = now.asleep().saturating_sub(self.asleep());
        let stepped = seconds_between(self.start(), now.start());
        let seen = Seen {
            slept: if slept >= SHORTEST_SLEEP { nearest(slept) } else { 0 },
            stepped: if stepped.abs() >= SMALLEST_STEP { stepped } else { 0 },
        };
        if seen.is_something() {
            *self = now;
        }
        seen
    }

    /// All the time that the machine has slept since its boot.
    fn asleep(&self) -> Duration {
        self.boot.saturating_sub(self.monotonic)
    }

    /// When the machine was booted, by its wall clock.
    fn start(&self) -> SystemTime {
        self.wall.checked_sub(self.boot).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

impl Seen {
    pub(super) fn is_something(self) -> bool {
        self != Self::default()
    }

    pub(super) fn tell(self) {
        if self.slept > 0 {
            tracing::info!(
                slept_s = self.slept,
                "the machine has slept; what has expired is let go of, what is due is renewed"
            );
        }
        if self.stepped != 0 {
            tracing::warn!(by_s = self.stepped, "the wall clock was set; lifetimes stay as they are");
        }
    }
}
