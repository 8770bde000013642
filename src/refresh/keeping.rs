//! The task of a slot: it carries out what the cell decides, and is the only one that asks the source.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::budget::{Place, Share, Urgency};
use super::cell::Next;
use super::schedule::{Freshness, Keep};
use super::setback::Setback;
use super::slot::Shared;
use crate::clock::{Clock, Moment};
use crate::current::Current;
use crate::lease::Issued;
use crate::source::{Ask, Failure, FailureKind, Source};

/// A source answers within this or counts as unavailable. Each upstream call has a shorter deadline of its own; this one
/// is the net below them.
pub const FETCH_DEADLINE: Duration = Duration::from_secs(30);

/// Whoever wakes later than this was not called late: the machine slept.
const OVERSLEPT: Duration = Duration::from_secs(2);

/// How often it is looked whether a secret that was refused has been replaced.
const LOOK: Duration = Duration::from_secs(1);

/// What a slot's task works with.
pub struct Work<T> {
    /// The entry's full name, for the log.
    pub name: Arc<str>,
    /// What is asked for.
    pub ask: Ask,
    /// Whom it is asked of.
    pub source: Arc<dyn Source<T>>,
    /// How it is kept fresh.
    pub freshness: Current<Freshness>,
    /// The time.
    pub clock: Clock,
    /// What other variations of the same token learn from a failure here.
    pub setback: Setback,
    /// Where those who look on are told that the source has answered.
    pub news: watch::Sender<()>,
    /// How much may be asked of the source.
    pub share: Arc<Share>,
    /// Has it been said that its lifetime bridges a shorter outage than is asked for?
    pub cover_told: Arc<AtomicBool>,
    /// Where jitter and backoff come from.
    pub dice: fastrand::Rng,
}

impl<T> Work<T> {
    /// What is always kept is what is configured, not whatever somebody once asked for.
    fn keep(&self) -> Keep {
        let is_configured = self.ask.scopes.is_none() && self.ask.subject.is_none();
        if is_configured { self.freshness.get().keep } else { Keep::Used }
    }
}

/// Keeps what `shared` holds fresh, for ever.
pub async fn keep_fresh<T: Send + Sync + 'static>(mut work: Work<T>, shared: Arc<Shared<T>>) {
    loop {
        let (next, expiry) = {
            let now = work.clock.now();
            let mut cell = shared.cell();
            cell.sweep(now);
            (cell.next(now, work.keep()), cell.lease(now).map(|lease| lease.expiry))
        };
        match next {
            Next::Fetch => {
                let share = Arc::clone(&work.share);
                let _place = turn(&work, &share, &shared).await;
                fetch(&mut work, &shared).await;
            }
            Next::At(moment) => tokio::select! {
                biased;
                () = shared.poke.notified() => {},
                () = until_mended(&work, &shared) => {},
                () = work.clock.sleep_until(moment) => {
                    let now = work.clock.now();
                    if now.since(moment) > OVERSLEPT {
                        shared.cell().take_turn(now, work.dice.f64());
                    }
                },
            },
            // An expired value is let go of, so that its memory is cleared.
            Next::Idle => tokio::select! {
                biased;
                () = shared.poke.notified() => {},
                () = until_mended(&work, &shared) => {},
                () = sleep_until_some(&work.clock, expiry) => {},
            },
        }
    }
}

/// Returns when a secret that was refused has been replaced, and the source may be asked for that; never if none was refused.
async fn until_mended<T: Send + Sync + 'static>(work: &Work<T>, shared: &Shared<T>) {
    let refused = || shared.cell().refused_until(work.clock.now()).is_some();
    while refused() {
        work.clock.sleep_until(work.clock.now().plus(LOOK)).await;
        if refused() && work.source.is_mended().await {
            work.setback.forget();
            return shared.cell().mended(work.clock.now());
        }
    }
    std::future::pending::<()>().await;
}

/// Waits until the source may be asked; sooner, when somebody needs it sooner.
async fn turn<'a, T>(work: &Work<T>, share: &'a Share, shared: &Shared<T>) -> Place<'a> {
    loop {
        let (urgency, until) = look_again(work, shared);
        let mut turn = std::pin::pin!(share.turn(urgency));
        loop {
            tokio::select! {
                biased;
                place = &mut turn => return place,
                () = shared.poke.notified() => {},
                () = sleep_until_some(&work.clock, until) => {},
            }
            if look_again(work, shared) != (urgency, until) {
                break;
            }
        }
    }
}

fn look_again<T>(work: &Work<T>, shared: &Shared<T>) -> (Urgency, Option<Moment>) {
    let now = work.clock.now();
    let mut cell = shared.cell();
    cell.sweep(now);
    cell.urgency(now)
}

/// Sleeps until `moment`; for ever if there is none.
async fn sleep_until_some(clock: &Clock, moment: Option<Moment>) {
    match moment {
        Some(moment) => clock.sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn fetch<T: Send + Sync + 'static>(work: &mut Work<T>, shared: &Shared<T>) {
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
    let succeeded = outcome.is_ok();
    if succeeded {
        work.share.succeeded();
    }
    let (jitter, random) = (work.dice.f64(), work.dice.f64());
    let mut cell = shared.cell();
    let now = work.clock.now();
    cell.finished(now, outcome, &work.freshness.get(), jitter, random);
    work.setback.note(&cell, &work.ask, succeeded, now);
    drop(cell);
    shared.changes.send_modify(|count| *count += 1);
    work.news.send_replace(());
}

fn tell<T>(work: &Work<T>, outcome: &Result<Issued<T>, Failure>) {
    let (entry, ask) = (&*work.name, &work.ask);
    match outcome {
        Ok(issued) => {
            tracing::info!(entry, %ask, lifetime_s = issued.lifetime().as_secs(), "issued");
            warn_of_short_cover(work, issued);
        }
        Err(failure) => tracing::warn!(entry, %ask, kind = failure.kind.as_str(), reason = %failure, "not issued"),
    }
}

/// Once for an entry: its lifetime is the same each time.
fn warn_of_short_cover<T>(work: &Work<T>, issued: &Issued<T>) {
    let freshness = work.freshness.get();
    let bridged = freshness.guaranteed_cover(issued.lifetime());
    let Some(wanted) = freshness.outage_cover.filter(|wanted| issued.renewable && *wanted > bridged) else {
        return;
    };
    if !work.cover_told.swap(true, Ordering::Relaxed) {
        let (entry, bridged_s, outage_cover_s) = (&*work.name, bridged.as_secs(), wanted.as_secs());
        tracing::warn!(
            entry,
            bridged_s,
            outage_cover_s,
            "its lifetime is too short to bridge the outage_cover; ask for a longer one"
        );
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
