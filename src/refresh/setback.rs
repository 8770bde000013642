//! What the variations of one entry learn from each other's failures.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::cell::Cell;
use super::schedule::wait_after;
use super::slot::Unserved;
use crate::clock::Moment;
use crate::source::{Ask, Failure, FailureKind};

/// The last failure that every variation shares: who is refused, throttled or cut off with one scope is with another, and who is
/// throttled or cut off with one user's token is with another's. Cleared by the next success.
#[derive(Clone, Debug, Default)]
pub struct Setback(Arc<Mutex<Option<Until>>>);

/// A failure, and until when it is remembered.
type Until = (Arc<Failure>, Moment);

impl Setback {
    /// The failure, if the source is not to be asked yet.
    pub fn at(&self, now: Moment) -> Option<Unserved> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (failure, until) = held.as_ref().filter(|(_, until)| now < *until)?;
        Some(Unserved::Failed { failure: Arc::clone(failure), retry_after: until.since(now) })
    }

    /// Whatever it was, it is over.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Learns from what has just happened to `cell`, the one of `ask`.
    pub fn note<T>(&self, cell: &Cell<T>, ask: &Ask, succeeded: bool, now: Moment) {
        let says_something = |kind| match kind {
            FailureKind::Throttled | FailureKind::Unavailable => true,
            // A subject token that is refused says nothing about the others …
            FailureKind::Denied | FailureKind::Malformed => ask.subject.is_none(),
            // … nor does a scope.
            FailureKind::Misconfigured => false,
        };
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match cell.trouble() {
            _ if succeeded => *held = None,
            Some(trouble) if says_something(trouble.failure.kind) => {
                // Where this one still has a value it has more time than another that has none.
                let longest = wait_after(&trouble.failure, trouble.attempts, Duration::ZERO, 1.0);
                *held = Some((Arc::clone(&trouble.failure), trouble.retry_at.min(now.plus(longest))));
            }
            _ => {}
        }
    }
}
