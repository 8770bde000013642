//! The acting part of the engine: the task that keeps one cached value fresh, and the callers that wait for it.
//!
//! The task is the only one that asks the source, one request at a time, so there is never a second flight; and it belongs
//! to nobody who waits, so a caller that hangs up cancels nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::cell::{Answer, CacheState, Cell};
use super::keeping::{Work, keep_fresh};
use super::schedule::Freshness;
use crate::clock::{Clock, Moment};
use crate::lease::Lease;
use crate::source::Failure;

/// AWS credentials are handed out with this much life left wherever their lifetime allows it: below, SDKs come back at once.
pub const ENOUGH_FOR_SDKS: Duration = Duration::from_secs(20 * 60);

/// One cached value with its task. The task ends when the slot is dropped.
#[derive(Debug)]
pub struct Slot<T> {
    shared: Arc<Shared<T>>,
    task: AbortHandle,
}

/// What the task and those who wait share.
#[derive(Debug)]
pub struct Shared<T> {
    cell: Mutex<Cell<T>>,
    /// Wakes the task.
    pub poke: Notify,
    /// Counts the changes that waiters look out for.
    pub changes: watch::Sender<u64>,
}

/// A lease and how it stood to the cache.
#[derive(Debug)]
pub struct Served<T> {
    /// The lease.
    pub lease: Arc<Lease<T>>,
    /// Where it came from.
    pub cache: CacheState,
}

/// Why a request goes without.
#[derive(Clone, Debug)]
pub enum Unserved {
    /// The fetch goes on, longer than the caller's patience.
    Pending,
    /// So many variations of the entry are held that there is no place for another.
    Crowded,
    /// The source failed and is asked again after this time.
    Failed {
        /// Why.
        failure: Arc<Failure>,
        /// When it is worth asking again.
        retry_after: Duration,
    },
}

impl<T> Shared<T> {
    /// The cell, for a moment.
    pub fn cell(&self) -> MutexGuard<'_, Cell<T>> {
        // The cell's methods leave it whole at every point, so a poisoned lock has nothing broken behind it.
        self.cell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + Sync + 'static> Slot<T> {
    /// A slot whose task does `work`.
    pub fn start(work: Work<T>) -> Self {
        Self::start_with(work, Cell::default())
    }

    /// The same with what is in `cell` already.
    pub fn start_with(work: Work<T>, cell: Cell<T>) -> Self {
        let shared = Arc::new(Shared { cell: Mutex::new(cell), poke: Notify::new(), changes: watch::Sender::new(0) });
        let task = tokio::spawn(keep_fresh(work, Arc::clone(&shared))).abort_handle();
        Self { shared, task }
    }

    /// A valid lease: at once if there is one, else as soon as a fetch brings one within `patience`. Credentials that have
    /// less than `enough` left although their lifetime allows it are held back as long, for the renewal under way.
    ///
    /// # Errors
    /// [`Unserved`] when the source has failed or takes longer.
    pub async fn lease(
        &self,
        clock: &Clock,
        freshness: &Freshness,
        patience: Duration,
        enough: Duration,
    ) -> Result<Served<T>, Unserved> {
        let mut changes = self.shared.changes.subscribe();
        let mut answer = self.ask(clock.now());
        let deadline = clock.now().plus(patience);
        let mut short_lived = None;
        let mut waited = false;
        loop {
            match answer {
                Answer::Lease(lease, cache)
                    if !waited && self.is_worth_waiting(&lease, freshness, enough, clock.now()) =>
                {
                    short_lived = Some(Served { lease, cache });
                }
                Answer::Lease(lease, cache) => return Ok(self.served(lease, cache, waited && short_lived.is_none())),
                Answer::Failed { failure, retry_at } => {
                    return Err(Unserved::Failed { failure, retry_after: retry_at.since(clock.now()) });
                }
                Answer::Wait => {}
            }
            waited = true;
            let is_over = tokio::select! {
                biased;
                changed = changes.changed() => changed.is_err(),
                () = clock.sleep_until(deadline) => true,
            };
            if is_over {
                // It may have ended during the wait.
                let held = short_lived.filter(|served| served.lease.is_valid(clock.now()));
                return held.ok_or(Unserved::Pending);
            }
            answer = self.shared.cell().look(clock.now());
        }
    }

    /// A lease that was issued after `than`: the one held if it is, else the source is asked early. `None` if there is none to be
    /// had within `patience`, or the source was asked moments ago.
    pub async fn newer(&self, clock: &Clock, than: Moment, patience: Duration) -> Option<Arc<Lease<T>>> {
        let mut changes = self.shared.changes.subscribe();
        let deadline = clock.now().plus(patience);
        loop {
            let now = clock.now();
            let under_way = {
                let mut cell = self.shared.cell();
                if let Some(lease) = cell.lease(now).filter(|lease| lease.issued_at > than) {
                    return Some(lease);
                }
                cell.hurry(now)
            };
            if !under_way {
                return None;
            }
            self.shared.poke.notify_one();
            tokio::select! {
                biased;
                changed = changes.changed() => changed.ok()?,
                () = clock.sleep_until(deadline) => return None,
            }
        }
    }

    /// Asks, and wakes the task if that is news to it.
    fn ask(&self, now: Moment) -> Answer<T> {
        let mut cell = self.shared.cell();
        let known = cell.is_asked();
        let answer = cell.ask(now);
        if !known || matches!(answer, Answer::Wait) {
            self.shared.poke.notify_one();
        }
        answer
    }

    fn served(&self, lease: Arc<Lease<T>>, cache: CacheState, fetched_for_it: bool) -> Served<T> {
        if !fetched_for_it {
            return Served { lease, cache };
        }
        self.shared.cell().counts.waited += 1;
        Served { lease, cache: CacheState::Miss }
    }

    fn is_worth_waiting(&self, lease: &Lease<T>, freshness: &Freshness, enough: Duration, now: Moment) -> bool {
        let lifetime = lease.expiry.since(lease.issued_at);
        let allows_more = lifetime >= 2 * ENOUGH_FOR_SDKS;
        let for_sdks = !freshness.life_left.is_zero();
        for_sdks
            && allows_more
            && lease.is_due(now)
            // Below half of its life a value is due; more than that none can be promised to have left.
            && lease.remaining(now) < enough.min(lifetime / 2)
            && self.inspect(|cell| cell.trouble().is_none())
    }

    /// What is held is renewed when `freshness` says, from now on.
    pub fn replan(&self, now: Moment, freshness: &Freshness) {
        self.shared.cell().replan(now, freshness, fastrand::f64(), fastrand::f64());
        self.shared.poke.notify_one();
    }

    /// Runs `look` on the cell.
    pub fn inspect<R>(&self, look: impl FnOnce(&Cell<T>) -> R) -> R {
        look(&self.shared.cell())
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
#[path = "slot_tests.rs"]
mod tests;
