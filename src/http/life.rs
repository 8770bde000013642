//! How the process is doing, as far as its requests tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::StatusCode;

use super::answered::{Answered, At};
use crate::clock::Moment;

/// Since when it runs, whether it is ending, and what it has answered.
#[derive(Debug)]
pub struct Life {
    /// When it started.
    pub started: Moment,
    /// Is it ending?
    draining: AtomicBool,
    /// What was answered so far, by door and status.
    pub answered: Answered,
    /// Requests that are over, answered or not.
    over: AtomicU64,
    /// Requests being answered.
    in_flight: AtomicU64,
}

/// One request being answered, from its creation to its drop, also where the caller hangs up.
#[derive(Debug)]
pub struct InFlight(Arc<Life>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.over.fetch_add(1, Ordering::Relaxed);
    }
}

impl Life {
    /// A process that has just started.
    pub fn new(started: Moment) -> Self {
        let (draining, answered, over, in_flight) = Default::default();
        Self { started, draining, answered, over, in_flight }
    }

    /// One more request is being answered, until what is returned is dropped.
    pub fn answering(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// From now on it is not ready, and connections end after the next answer.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Is it ending?
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Is no request being answered?
    pub fn is_idle(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0
    }

    /// One of those that were answered was our own question for health, and is not counted.
    pub fn forget_one(&self) {
        self.over.fetch_sub(1, Ordering::Relaxed);
        self.answered.forget(At::Health, StatusCode::OK);
    }

    /// Requests so far that are over: answered, or given up by who asked.
    pub fn over(&self) -> u64 {
        self.over.load(Ordering::Relaxed)
    }
}
