//! How the process is doing, as far as its requests tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::clock::Moment;

/// Since when it runs, whether it is ending, and what it has answered.
#[derive(Debug)]
pub struct Life {
    /// When it started.
    pub started: Moment,
    /// Is it ending?
    draining: AtomicBool,
    /// Requests answered so far.
    answered: AtomicU64,
    /// Requests being answered.
    in_flight: AtomicU64,
}

/// One request being answered, from its creation to its drop, also where the caller hangs up.
#[derive(Debug)]
pub struct InFlight(Arc<Life>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.answered.fetch_add(1, Ordering::Relaxed);
    }
}

impl Life {
    /// A process that has just started.
    pub fn new(started: Moment) -> Self {
        Self { started, draining: AtomicBool::new(false), answered: AtomicU64::new(0), in_flight: AtomicU64::new(0) }
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

    /// One of those that were answered was our own, and is not counted.
    pub fn forget_one(&self) {
        self.answered.fetch_sub(1, Ordering::Relaxed);
    }

    /// Requests answered so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}
