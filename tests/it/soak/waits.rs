//! How long callers waited, in a bounded table.

use std::time::Duration;

/// The last place is for all that took longer.
const PLACES: usize = 15_000;

pub struct Waits {
    by_millisecond: Vec<u32>,
    pub longest: Duration,
    /// Those of more than a second.
    pub long: u64,
}

impl Default for Waits {
    fn default() -> Self {
        Self { by_millisecond: vec![0; PLACES], longest: Duration::ZERO, long: 0 }
    }
}

impl Waits {
    pub fn note(&mut self, took: Duration) {
        let place = usize::try_from(took.as_millis()).unwrap().min(PLACES - 1);
        self.by_millisecond[place] += 1;
        self.longest = self.longest.max(took);
        self.long += u64::from(took > Duration::from_secs(1));
    }

    /// The wait, in milliseconds, within which this share of all was over.
    pub fn within(&self, share: f64) -> usize {
        let all: u64 = self.by_millisecond.iter().map(|count| u64::from(*count)).sum();
        let mut left = all as f64 * share;
        let is_reached = |count: &u32| {
            left -= f64::from(*count);
            left <= 0.0
        };
        self.by_millisecond.iter().position(is_reached).unwrap_or(PLACES) + 1
    }
}
