//! How the process is doing, as far as its requests tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::HeaderMap;

use super::answered::Answered;
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
    /// What the daemon's own questions have in their header.
    own: String,
}

/// The header of the daemon's own questions.
pub const OWN: &str = "credbroker-own";

/// One request being answered, from its creation to its drop, also where the caller hangs up.
#[derive(Debug)]
pub struct InFlight {
    life: Arc<Life>,
    is_counted: bool,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.life.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.life.over.fetch_add(self.is_counted.into(), Ordering::Relaxed);
    }
}

impl Life {
    /// A process that has just started.
    pub fn new(started: Moment) -> Self {
        let (draining, answered, over, in_flight) = Default::default();
        // Not to be guessed by accident; whoever does so on purpose is not counted.
        let own = format!("{:032x}", fastrand::u128(..));
        Self { started, draining, answered, over, in_flight, own }
    }

    /// One more request is being answered, until what is returned is dropped; then it is counted, unless it was our own.
    pub fn answering(self: &Arc<Self>, is_counted: bool) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight { life: Arc::clone(self), is_counted }
    }

    /// The header that the daemon's own questions have.
    pub fn own(&self) -> (&'static str, &str) {
        (OWN, &self.own)
    }

    /// Is the request with these `headers` one of the daemon's own questions?
    pub fn is_own(&self, headers: &HeaderMap) -> bool {
        headers.get(OWN).is_some_and(|value| value.as_bytes() == self.own.as_bytes())
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

    /// Requests so far that are over: answered, or given up by who asked.
    pub fn over(&self) -> u64 {
        self.over.load(Ordering::Relaxed)
    }
}
