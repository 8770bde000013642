//! The acting part of the engine: the task that keeps one cached value fresh, and the callers that wait for it.
//!
//! The task is the only one that asks the source, one request at a time, so there is never a second flight; and it belongs
//! to nobody who waits, so a caller that hangs up cancels nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::cell::{Answer, CacheState, Cell, Next};
use super::schedule::Freshness;
use crate::clock::{Clock, Moment};
use crate::lease::Lease;
use crate::source::{Ask, Failure, FailureKind, Source};

/// A source answers within this or counts as unavailable. Each upstream call has a shorter deadline of its own; this one
/// is the net below them.
const FETCH_DEADLINE: Duration = Duration::from_secs(30);

/// One cached value with its task. The task ends when the slot is dropped.
#[derive(Debug)]
pub struct Slot<T> {
    shared: Arc<Shared<T>>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared<T> {
    cell: Mutex<Cell<T>>,
    /// Wakes the task.
    poke: Notify,
    /// Counts the changes that waiters look out for.
    changes: watch::Sender<u64>,
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
    /// The source failed and is asked again after this time.
    Failed {
        /// Why.
        failure: Arc<Failure>,
        /// When it is worth asking again.
        retry_after: Duration,
    },
}

impl<T> Shared<T> {
    fn cell(&self) -> MutexGuard<'_, Cell<T>> {
        // The cell's methods leave it whole at every point, so a poisoned lock has nothing broken behind it.
        self.cell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + Sync + 'static> Slot<T> {
    /// A slot that obtains its value from `source` for `ask`.
    pub fn start(name: Arc<str>, ask: Ask, source: Arc<dyn Source<T>>, freshness: Freshness, clock: Clock) -> Self {
        let shared =
            Arc::new(Shared { cell: Mutex::new(Cell::default()), poke: Notify::new(), changes: watch::Sender::new(0) });
        let task = tokio::spawn(keep_fresh(name, ask, source, freshness, clock, Arc::clone(&shared))).abort_handle();
        Self { shared, task }
    }

    /// A valid lease: at once if there is one, else as soon as a fetch brings one within `patience`.
    ///
    /// # Errors
    /// [`Unserved`] when the source has failed or takes longer.
    pub async fn lease(&self, clock: &Clock, patience: Duration) -> Result<Served<T>, Unserved> {
        let mut changes = self.shared.changes.subscribe();
        let mut answer = self.shared.cell().ask(clock.now());
        self.shared.poke.notify_one();
        let deadline = clock.now().plus(patience);
        let mut waited = false;
        loop {
            match answer {
                Answer::Lease(lease, _) if waited => return Ok(Served { lease, cache: CacheState::Miss }),
                Answer::Lease(lease, cache) => return Ok(Served { lease, cache }),
                Answer::Failed { failure, retry_at } => {
                    return Err(Unserved::Failed { failure, retry_after: retry_at.since(clock.now()) });
                }
                Answer::Wait => {}
            }
            waited = true;
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return Err(Unserved::Pending) },
                () = clock.sleep_until(deadline) => return Err(Unserved::Pending),
            }
            answer = self.shared.cell().look(clock.now());
        }
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

async fn keep_fresh<T: Send + Sync + 'static>(
    name: Arc<str>,
    ask: Ask,
    source: Arc<dyn Source<T>>,
    freshness: Freshness,
    clock: Clock,
    shared: Arc<Shared<T>>,
) {
    loop {
        let (next, expiry) = {
            let now = clock.now();
            let mut cell = shared.cell();
            cell.sweep(now);
            (cell.next(now, freshness.keep), cell.lease(now).map(|lease| lease.expiry))
        };
        match next {
            Next::Fetch => fetch(&name, &ask, &source, &freshness, &clock, &shared).await,
            Next::At(moment) => tokio::select! {
                () = clock.sleep_until(moment) => {},
                () = shared.poke.notified() => {},
            },
            Next::Idle => tokio::select! {
                () = sleep_until_some(&clock, expiry) => {},
                () = shared.poke.notified() => {},
            },
        }
    }
}

/// Sleeps until `moment`; for ever if there is none.
async fn sleep_until_some(clock: &Clock, moment: Option<Moment>) {
    match moment {
        Some(moment) => clock.sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn fetch<T: Send + Sync + 'static>(
    name: &str,
    ask: &Ask,
    source: &Arc<dyn Source<T>>,
    freshness: &Freshness,
    clock: &Clock,
    shared: &Shared<T>,
) {
    shared.cell().started(clock.now());
    tracing::debug!(entry = name, "asking the source");
    // A task of its own, so that a panic in a source is one failure and not the end of the slot.
    let flight = {
        let (source, ask) = (Arc::clone(source), ask.clone());
        AbortOnDrop(tokio::spawn(async move { source.fetch(&ask).await }))
    };
    let outcome = flight.outcome(name).await;
    match &outcome {
        Ok(issued) => tracing::info!(entry = name, lifetime_s = issued.lifetime().as_secs(), "issued"),
        Err(failure) => tracing::warn!(entry = name, kind = failure.kind.as_str(), reason = %failure, "not issued"),
    }
    shared.cell().finished(clock.now(), outcome, freshness, fastrand::f64(), fastrand::f64());
    shared.changes.send_modify(|count| *count += 1);
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> AbortOnDrop<Result<T, Failure>> {
    async fn outcome(mut self, name: &str) -> Result<T, Failure> {
        match tokio::time::timeout(FETCH_DEADLINE, &mut self.0).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Failure::new(
                FailureKind::Unavailable,
                format!("the source of {name} failed inside the daemon; please report this with the daemon's log"),
            )),
            Err(_) => Err(Failure::timed_out(&format!("the source of {name}"), FETCH_DEADLINE)),
        }
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
#[path = "slot_tests.rs"]
mod tests;
