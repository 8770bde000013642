//! How fast a caller may ask: a bucket that holds the requests of one second, and fills again at that rate.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Moment;

/// The bucket. What is kept of it is when it will be full.
#[derive(Debug)]
pub struct Pace {
    per_second: u32,
    full_at: Mutex<Option<Moment>>,
}

impl Pace {
    /// So many requests in a second, at least one.
    pub fn new(per_second: u32) -> Self {
        Self { per_second: per_second.max(1), full_at: Mutex::new(None) }
    }

    /// So many.
    pub fn per_second(&self) -> u32 {
        self.per_second
    }

    /// May one more be made at `now`? If not, one may be a second later at the latest.
    pub fn allows(&self, now: Moment) -> bool {
        let one = Duration::from_secs(1) / self.per_second;
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let after = full_at.unwrap_or(now).max(now).plus(one);
        let is_allowed = after.since(now) <= one * self.per_second;
        if is_allowed {
            *full_at = Some(after);
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::clock::Clock;

    fn allowed(pace: &Pace, now: Moment) -> usize {
        (0..1_000).filter(|_| pace.allows(now)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_s_worth_at_once_and_then_at_the_rate() {
        let start = Clock::tokio(UNIX_EPOCH).now();
        for rate in [1, 3, 7, 100] {
            let pace = Pace::new(rate);
            assert_eq!(allowed(&pace, start), rate as usize, "{rate}: a burst");
            let one = Duration::from_secs(1) / rate;
            assert_eq!(allowed(&pace, start.plus(one / 2)), 0, "{rate}: half a request later");
            assert_eq!(allowed(&pace, start.plus(one)), 1, "{rate}: one request later");
            let next = start.plus(one + Duration::from_secs(1));
            assert!(allowed(&pace, next) >= rate as usize - 1, "{rate}: as Retry-After says");
            assert_eq!(
                allowed(&pace, next.plus(Duration::from_secs(3_600))),
                rate as usize,
                "{rate}: rest saves up no more"
            );
        }
    }
}
