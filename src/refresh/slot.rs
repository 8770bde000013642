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
use crate::lease::{Issued, Lease};
use crate::source::{Ask, Failure, FailureKind, Source};

/// A source answers within this or counts as unavailable. Each upstream call has a shorter deadline of its own; this one
/// is the net below them.
const FETCH_DEADLINE: Duration = Duration::from_secs(30);

/// AWS credentials are handed out with this much life left wherever their lifetime allows it: below, SDKs come back at once.
pub const ENOUGH_FOR_SDKS: Duration = Duration::from_secs(20 * 60);

/// One cached value with its task. The task ends when the slot is dropped.
#[derive(Debug)]
pub struct Slot<T> {
    shared: Arc<Shared<T>>,
    task: AbortHandle,
}

/// What a slot's task works with.
pub struct Work<T> {
    /// The entry's full name, for the log.
    pub name: Arc<str>,
    /// What is asked for.
    pub ask: Ask,
    /// Whom it is asked of.
    pub source: Arc<dyn Source<T>>,
    /// How it is kept fresh.
    pub freshness: Freshness,
    /// The time.
    pub clock: Clock,
    /// What other variations of the same token learn from a failure here.
    pub setback: Setback,
    /// Where those who look on are told that the source has answered.
    pub news: watch::Sender<()>,
}

/// The last failure that every variation shares: who is refused, throttled or cut off with one scope is with another, and who is
/// throttled or cut off with one user's token is with another's. Cleared by the next success.
#[derive(Clone, Debug, Default)]
pub struct Setback(Arc<Mutex<Option<Until>>>);

/// A failure, and until when it is remembered.
type Until = (Arc<Failure>, Moment);

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

impl Setback {
    /// The failure, if the source is not to be asked yet.
    pub fn at(&self, now: Moment) -> Option<Unserved> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (failure, until) = held.as_ref().filter(|(_, until)| now < *until)?;
        Some(Unserved::Failed { failure: Arc::clone(failure), retry_after: until.since(now) })
    }

    fn note<T>(&self, cell: &Cell<T>, ask: &Ask, succeeded: bool) {
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
                *held = Some((Arc::clone(&trouble.failure), trouble.retry_at));
            }
            _ => {}
        }
    }
}

impl<T> Shared<T> {
    fn cell(&self) -> MutexGuard<'_, Cell<T>> {
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

async fn keep_fresh<T: Send + Sync + 'static>(work: Work<T>, shared: Arc<Shared<T>>) {
    loop {
        let (next, expiry) = {
            let now = work.clock.now();
            let mut cell = shared.cell();
            cell.sweep(now);
            (cell.next(now, work.freshness.keep), cell.lease(now).map(|lease| lease.expiry))
        };
        match next {
            Next::Fetch => fetch(&work, &shared).await,
            Next::At(moment) => tokio::select! {
                () = work.clock.sleep_until(moment) => {},
                () = shared.poke.notified() => {},
            },
            // An expired value is let go of, so that its memory is cleared.
            Next::Idle => tokio::select! {
                () = sleep_until_some(&work.clock, expiry) => {},
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

async fn fetch<T: Send + Sync + 'static>(work: &Work<T>, shared: &Shared<T>) {
    shared.cell().started(work.clock.now());
    tracing::debug!(entry = &*work.name, ask = %work.ask, "asking the source");
    // A task of its own, so that a panic in a source is one failure and not the end of the slot.
    let flight = {
        let (source, ask) = (Arc::clone(&work.source), work.ask.clone());
        AbortOnDrop(tokio::spawn(async move { source.fetch(&ask).await }))
    };
    let outcome = flight.outcome(&work.name).await.map(|issued| match &work.ask.subject {
        // Whatever was obtained with a subject token, at this stage or an earlier one, ends with it.
        Some(subject) => issued.until(subject.expiry),
        None => issued,
    });
    tell(work, &outcome);
    let mut cell = shared.cell();
    let succeeded = outcome.is_ok();
    cell.finished(work.clock.now(), outcome, &work.freshness, fastrand::f64(), fastrand::f64());
    work.setback.note(&cell, &work.ask, succeeded);
    drop(cell);
    shared.changes.send_modify(|count| *count += 1);
    work.news.send_replace(());
}

fn tell<T>(work: &Work<T>, outcome: &Result<Issued<T>, Failure>) {
    let (entry, ask) = (&*work.name, &work.ask);
    match outcome {
        Ok(issued) => tracing::info!(entry, %ask, lifetime_s = issued.lifetime().as_secs(), "issued"),
        Err(failure) => tracing::warn!(entry, %ask, kind = failure.kind.as_str(), reason = %failure, "not issued"),
    }
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
