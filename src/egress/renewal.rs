//! When a 401 of the upstream is worth another token.
//!
//! A token that was taken before and is not taken any longer was revoked. One that never was taken, or an upstream that says 401 to
//! some requests whatever the token, is not mended by another; asking each time would buy tokens without end. One that was issued
//! moments ago is asked for again when the engine would do so.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;

use crate::clock::{Clock, Moment};
use crate::refresh::cell::HURRY_PAUSE;

/// Another token is asked for at most once in this time.
const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// What one upstream has said of the tokens so far.
#[derive(Debug)]
pub struct Renewal {
    clock: Clock,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When the token was issued that was taken last.
    taken: Option<Moment>,
    asked: Option<Moment>,
}

impl Renewal {
    /// Nothing has been said yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, seen: Mutex::default() }
    }

    /// Notes that the token issued at `issued_at` was answered with `status`. Is another one to be asked for?
    pub fn is_due(&self, status: StatusCode, issued_at: Moment) -> bool {
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if status.is_success() || status.is_redirection() {
            seen.taken = Some(issued_at);
        }
        let was_taken = seen.taken == Some(issued_at);
        let is_due = status == StatusCode::UNAUTHORIZED
            && was_taken
            && now.since(issued_at) >= HURRY_PAUSE
            && seen.asked.is_none_or(|asked| now.since(asked) >= INTERVAL);
        if is_due {
            seen.asked = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_token_that_was_taken_before_is_replaced_and_not_often() {
        let clock = Clock::tokio(UNIX_EPOCH);
        let renewal = Renewal::new(clock.clone());
        let first = clock.now().minus(HURRY_PAUSE);
        let says = |status: u16, issued_at| renewal.is_due(StatusCode::from_u16(status).unwrap(), issued_at);
        assert!(!says(401, first), "it was never taken");
        assert!(!says(200, first) && !says(403, first) && says(401, first));
        assert!(!says(401, first), "asked a moment ago");
        let second = clock.now();
        assert!(!says(204, second) && !says(401, second), "the same with the next one");
        tokio::time::advance(INTERVAL).await;
        assert!(!says(401, first) && says(401, second));
        let third = clock.now();
        tokio::time::advance(INTERVAL).await;
        let young = clock.now();
        assert!(!says(200, young) && !says(401, young), "it is too young");
        assert!(!says(200, third) && says(401, third));
    }
}
