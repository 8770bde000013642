//! The deciding part of the engine: one cell per cached value, a state machine without I/O, clock or randomness of its own.
//!
//! The task around it ([`super::slot`]) asks [`Cell::next`] what to do, does it, and tells the cell what came of it.

use std::sync::Arc;
use std::time::Duration;

use super::budget::Urgency;
use super::counts::Counts;
use super::schedule::{Freshness, Keep, wait_after};
use crate::clock::Moment;
use crate::lease::{Issued, Lease};
use crate::source::{Failure, FailureKind};

/// No source is asked more often than this for one value, however short its lifetimes.
pub const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// A newer value than the one held is fetched early no more often than this.
pub const HURRY_PAUSE: Duration = Duration::from_secs(10);

/// After this without an attempt, failures are counted from one again.
const FORGET: Duration = Duration::from_secs(120);

/// So long before expiry the source is asked whatever the last failure said: the wait that it asks for ends with the lease too.
const LAST_ATTEMPTS: [Duration; 3] = [Duration::from_secs(60), Duration::from_secs(20), Duration::from_secs(5)];

/// What ends within this is as urgent as what somebody waits for.
const LAST_MINUTE: Duration = Duration::from_secs(60);

/// After a suspend or under another policy, whatever is due is asked for within this.
const RESUMING: Duration = Duration::from_secs(10);

/// By how much of a lifetime two views of one expiry may differ.
const SLEW: f64 = 0.01;

/// What is known of one cached value.
#[derive(Debug)]
pub struct Cell<T> {
    lease: Option<Arc<Lease<T>>>,
    fetching: bool,
    /// Asked for since the last renewal.
    asked: bool,
    /// Somebody found nothing valid since then, and uses what comes.
    awaited: bool,
    /// Where much is due at one moment, when it is its turn.
    resumes_at: Option<Moment>,
    /// A newer value is wanted before the one held is due.
    hurried: bool,
    trouble: Option<Trouble>,
    last_started: Option<Moment>,
    /// What happened so far.
    pub counts: Counts,
}

/// Why there is nothing newer, and when that changes.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// The last failure.
    pub failure: Arc<Failure>,
    /// Failures in a row.
    pub attempts: u32,
    /// When the first of them was noticed.
    pub since: Moment,
    /// Not asked again before this.
    pub retry_at: Moment,
}

/// How an answer stands to the cache: the contract's `Credbroker-Cache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheState {
    /// Before refresh-due.
    Hit,
    /// Between refresh-due and expiry.
    Stale,
    /// Fetched for this request.
    Miss,
}

impl CacheState {
    /// The value of the `Credbroker-Cache` header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
        }
    }
}

/// What a request finds.
#[derive(Debug)]
pub enum Answer<T> {
    /// A valid lease.
    Lease(Arc<Lease<T>>, CacheState),
    /// Nothing yet; a fetch is under way or about to start.
    Wait,
    /// Nothing, and the source has just failed: not asked again before `retry_at`.
    Failed {
        /// Why.
        failure: Arc<Failure>,
        /// When it is asked again at the earliest.
        retry_at: Moment,
    },
}

/// What the task does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask the source now.
    Fetch,
    /// Look again at this moment, or when poked.
    At(Moment),
    /// Look again when poked.
    Idle,
}

impl<T> Default for Cell<T> {
    fn default() -> Self {
        Self {
            lease: None,
            fetching: false,
            asked: false,
            awaited: false,
            resumes_at: None,
            hurried: false,
            trouble: None,
            last_started: None,
            counts: Counts::default(),
        }
    }
}

impl<T> Cell<T> {
    /// One that holds `lease` from the start; `asked` says whether somebody has asked for it since it was issued.
    pub fn holding(lease: Lease<T>, asked: bool) -> Self {
        Self { lease: Some(Arc::new(lease)), asked, ..Self::default() }
    }

    /// A caller asks. After [`Answer::Wait`] the caller looks again with [`Cell::look`] when the cell has changed.
    pub fn ask(&mut self, now: Moment) -> Answer<T> {
        self.asked = true;
        let answer = self.look(now);
        match &answer {
            Answer::Lease(_, CacheState::Hit) => self.counts.hits += 1,
            Answer::Lease(_, _) => self.counts.stale += 1,
            Answer::Wait | Answer::Failed { .. } => self.counts.misses += 1,
        }
        self.awaited |= matches!(answer, Answer::Wait);
        answer
    }

    /// Has somebody asked since the last renewal?
    pub fn is_asked(&self) -> bool {
        self.asked
    }

    /// What a caller would find, without asking.
    pub fn look(&self, now: Moment) -> Answer<T> {
        if let Some(lease) = self.valid(now) {
            let state = if lease.is_due(now) { CacheState::Stale } else { CacheState::Hit };
            return Answer::Lease(Arc::clone(lease), state);
        }
        match &self.trouble {
            Some(trouble) if !self.fetching && now < trouble.retry_at => {
                Answer::Failed { failure: Arc::clone(&trouble.failure), retry_at: trouble.retry_at }
            }
            _ => Answer::Wait,
        }
    }

    /// What the task does next.
    pub fn next(&self, now: Moment, keep: Keep) -> Next {
        if self.fetching || !(self.asked || keep == Keep::Always) {
            return Next::Idle;
        }
        let due = self.valid(now).filter(|_| !self.hurried).map_or(now, |lease| lease.refresh_due);
        let calm = [self.trouble.as_ref().map(|trouble| trouble.retry_at), self.resumes_at.filter(|_| !self.awaited)];
        let at = calm.into_iter().flatten().fold(due, Moment::max);
        let at = self.last_attempt(now).map_or(at, |last| at.min(last));
        let at = self.last_started.map_or(at, |started| at.max(started.plus(SHORTEST_PAUSE)));
        if at <= now { Next::Fetch } else { Next::At(at) }
    }

    /// The next of the [`LAST_ATTEMPTS`] for the lease held.
    fn last_attempt(&self, now: Moment) -> Option<Moment> {
        let (lease, started) = (self.valid(now)?, self.last_started?);
        let mut attempts = LAST_ATTEMPTS.into_iter().map(|left| lease.expiry.minus(left));
        attempts.find(|at| *at > started && lease.is_due(*at))
    }

    /// How soon the source has to be asked, once it is to be, and when that changes by itself.
    pub fn urgency(&self, now: Moment) -> (Urgency, Option<Moment>) {
        let Some(lease) = self.valid(now) else {
            return (if self.awaited { Urgency::Now } else { Urgency::Ahead }, None);
        };
        let urgent_at = lease.expiry.minus(LAST_MINUTE);
        match &self.trouble {
            _ if urgent_at <= now => (Urgency::Now, Some(lease.expiry)),
            Some(_) => (Urgency::Again, Some(urgent_at)),
            None => (Urgency::Ahead, Some(urgent_at)),
        }
    }

    /// Another `freshness` is wanted: the lease held is due when that says. What becomes due at once takes its turn, for others may
    /// become so too.
    pub fn replan(&mut self, now: Moment, freshness: &Freshness, jitter: f64, random: f64) {
        let Some(held) = self.lease(now) else { return };
        let replanned = held.due_from(freshness.refresh_due(held.issued_at, held.expiry, jitter));
        if replanned.is_due(now) && !held.is_due(now) {
            self.take_turn(now, random);
        }
        self.lease = Some(Arc::new(replanned));
    }

    /// Much is due at this moment, as after a suspend: what nobody waits for takes its turn, by `random` in `0.0..1.0`.
    pub fn take_turn(&mut self, now: Moment, random: f64) {
        let longest = self.valid(now).map_or(RESUMING, |lease| RESUMING.min(lease.remaining(now) / 2));
        self.resumes_at = Some(now.plus(longest.mul_f64(random)));
    }

    /// A newer value is wanted although the one held is valid: the source is asked early, unless that happened within
    /// [`HURRY_PAUSE`] or it is in trouble. Is a fetch under way or about to start?
    pub fn hurry(&mut self, now: Moment) -> bool {
        let rests = self.last_started.is_some_and(|at| now.since(at) < HURRY_PAUSE)
            || self.trouble.as_ref().is_some_and(|trouble| now < trouble.retry_at);
        if !self.fetching && !rests {
            (self.asked, self.hurried) = (true, true);
        }
        self.fetching || self.hurried
    }

    /// Until when a refusal is remembered that is over as soon as a secret is replaced; `None` if there is none.
    pub fn refused_until(&self, now: Moment) -> Option<Moment> {
        let is_refusal = |trouble: &&Trouble| trouble.failure.secret_refused || trouble.failure.user_refused;
        self.trouble.as_ref().filter(is_refusal).map(|trouble| trouble.retry_at).filter(|retry_at| now < *retry_at)
    }

    /// What was refused has been replaced: whoever wants the value need not wait any longer.
    pub fn mended(&mut self, now: Moment) {
        if let Some(trouble) = &mut self.trouble {
            trouble.retry_at = now.min(trouble.retry_at);
        }
    }

    /// The source is being asked.
    pub fn started(&mut self, now: Moment) {
        self.fetching = true;
        self.hurried = false;
        self.resumes_at = None;
        self.last_started = Some(now);
        self.counts.fetches += 1;
    }

    /// The source answered. `jitter` and `random` in `0.0..1.0` are drawn for this occasion. A failure, and a value that is
    /// no better than the one held, never displaces a valid lease.
    pub fn finished(
        &mut self,
        now: Moment,
        outcome: Result<Issued<T>, Failure>,
        freshness: &Freshness,
        jitter: f64,
        random: f64,
    ) {
        self.fetching = false;
        let until_longer = outcome.as_ref().ok().and_then(|issued| self.held_outlives(issued, now));
        match outcome.and_then(|issued| self.better(issued, now)) {
            Ok(issued) => {
                let due = freshness.refresh_due(issued.sent_at, issued.expiry, jitter);
                // Whoever waited for the value is using it now; else a renewal has yet to be asked for.
                self.asked = self.awaited && issued.renewable;
                self.awaited = false;
                self.lease = Some(Arc::new(Lease::new(issued, due)));
                self.trouble = None;
            }
            Err(failure) => {
                self.failed(now, failure, random);
                // Its successors would be thrown away until they outlive the one held. Not all of the time that is left is
                // waited, though: it may have been a slip.
                if let (Some(trouble), Some(moment)) = (&mut self.trouble, until_longer) {
                    trouble.retry_at = trouble.retry_at.max(moment);
                }
            }
        }
    }

    fn failed(&mut self, now: Moment, failure: Failure, random: f64) {
        self.counts.failures += 1;
        self.counts.failures_by_kind[failure.kind as usize] += 1;
        // A failure of long ago, after which nobody asked, says nothing about now.
        let recent = self.trouble.as_ref().filter(|trouble| now.since(trouble.retry_at) < FORGET);
        let (attempts, since) = recent.map_or((1, now), |t| (t.attempts.saturating_add(1), t.since));
        let valid_for = self.valid(now).map_or(Duration::ZERO, |lease| lease.remaining(now));
        let retry_at = now.plus(wait_after(&failure, attempts, valid_for, random));
        self.trouble = Some(Trouble { failure: Arc::new(failure), attempts, since, retry_at });
        if valid_for.is_zero() {
            // Whoever waited has been told; the next request asks anew.
            (self.asked, self.awaited) = (false, false);
        }
    }

    /// Only a value that lives, and lives as long as the one held, replaces it.
    fn better(&self, issued: Issued<T>, now: Moment) -> Result<Issued<T>, Failure> {
        if issued.expiry <= now {
            return Err(Failure::new(
                FailureKind::Malformed,
                "the source issued a value that has already expired; check the clocks of this machine and of the source",
            ));
        }
        if self.held_outlives(&issued, now).is_some() {
            return Err(Failure::new(
                FailureKind::Malformed,
                "the source issued a value that expires before the one it would replace; the longer-lived one is kept",
            ));
        }
        Ok(issued)
    }

    /// When to ask again for a value that would outlive the one held, if one with the lifetime of `issued` would not now.
    /// Absolute expiries are seen through the wall clock, which is slewed; a difference within [`SLEW`] of the life is none.
    fn held_outlives(&self, issued: &Issued<T>, now: Moment) -> Option<Moment> {
        let held = self.valid(now)?;
        let slack = held.expiry.since(held.issued_at).mul_f64(SLEW);
        let outlives = issued.expiry.plus(slack) < held.expiry;
        let halfway = now.plus(held.remaining(now) / 2);
        outlives.then(|| held.expiry.minus(issued.lifetime()).min(halfway))
    }

    fn valid(&self, now: Moment) -> Option<&Arc<Lease<T>>> {
        self.lease.as_ref().filter(|lease| lease.is_valid(now))
    }

    /// The lease held, unless it has expired.
    pub fn lease(&self, now: Moment) -> Option<Arc<Lease<T>>> {
        self.valid(now).cloned()
    }

    /// Lets go of an expired lease, so that its memory is cleared.
    pub fn sweep(&mut self, now: Moment) {
        if self.valid(now).is_none() {
            self.lease = None;
        }
    }

    /// What keeps the value from being renewed, if anything.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Is there nothing in it that would be lost: no lease, no fetch, no failure to remember?
    pub fn is_spent(&self, now: Moment) -> bool {
        let remembers = self.trouble.as_ref().is_some_and(|trouble| now < trouble.retry_at);
        !self.fetching && !self.asked && !remembers && self.valid(now).is_none()
    }

    /// Is there nothing in it but a failure, which nobody waits to see mended?
    pub fn is_refused(&self, now: Moment) -> bool {
        self.trouble.is_some() && !self.fetching && !self.asked && self.valid(now).is_none()
    }

    /// Is somebody waiting for what is being asked for, or about to be?
    pub fn is_sought(&self) -> bool {
        self.fetching || self.awaited
    }

    /// Is the source being asked at this moment?
    pub fn is_fetching(&self) -> bool {
        self.fetching
    }
}

#[cfg(test)]
#[path = "cell_tests.rs"]
mod tests;
