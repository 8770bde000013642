//! What the accept loops complain about, not more often than somebody reads.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Moment};

/// How often the log says what goes on.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// What the accept loops complain about, which would fill the log if each failure were a line.
pub struct Complaints {
    clock: Clock,
    last: Mutex<Option<Moment>>,
}

impl Complaints {
    /// None so far.
    pub fn new(clock: Clock) -> Self {
        Self { clock, last: Mutex::new(None) }
    }

    /// Is the last line long enough ago for another one?
    pub fn is_due(&self) -> bool {
        let now = self.clock.now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.since(last) >= COMPLAINT_INTERVAL);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failing_accept_is_one_line_in_ten_seconds() {
        let complaints = Complaints::new(Clock::tokio(SystemTime::UNIX_EPOCH));
        assert!(complaints.is_due());
        tokio::time::advance(COMPLAINT_INTERVAL - Duration::from_millis(1)).await;
        assert!(!complaints.is_due());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(complaints.is_due());
        assert!(!complaints.is_due());
    }
}
