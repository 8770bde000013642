//! One named token or set of credentials: its source, its policy, and a slot for each variation that is asked for.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::cell::{Counts, Trouble};
use super::schedule::{Freshness, Keep};
use super::slot::{ENOUGH_FOR_SDKS, Served, Setback, Slot, Unserved, Work};
use super::subjects::{Crowd, Subjects};
use crate::clock::{Clock, Moment};
use crate::lease::Lease;
use crate::source::{Ask, Failure, FailureKind, Source, Stage};

/// At most so many narrowings of one token are held at once; callers choose them, so they are bounded, as subject tokens are. The
/// other variations, one per configured caller at most, are bounded by the configuration.
pub(super) const MOST_NARROWINGS: usize = 32;

/// A stage of a chain waits this long for the stage before it.
const STAGE_PATIENCE: Duration = Duration::from_secs(20);

/// Which inputs of a request change what this entry's source is asked for. Every other input is left out of the cache key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// A template names the caller.
    pub caller: bool,
    /// The scopes may be narrowed.
    pub scopes: bool,
    /// It is asked for the user of a subject token; for so many of them at a time.
    pub subject: Option<NonZeroUsize>,
}

/// A named token or set of credentials.
pub struct Entry<T> {
    name: Arc<str>,
    origin: Origin,
    source: Arc<dyn Source<T>>,
    inputs: Inputs,
    freshness: Freshness,
    clock: Clock,
    slots: Mutex<HashMap<Ask, Arc<Slot<T>>>>,
    subjects: Option<Subjects<T>>,
    setback: Setback,
    news: watch::Sender<()>,
}

/// Where the values of an entry come from, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// In words.
    pub words: String,
    /// The full name of the entry before it in its chain.
    pub after: Option<String>,
    /// Is each answer of the source paid for, as Cognito's tokens for machines are?
    pub is_billed: bool,
}

impl From<&str> for Origin {
    fn from(words: &str) -> Self {
        words.to_owned().into()
    }
}

impl From<String> for Origin {
    fn from(words: String) -> Self {
        Self { words, after: None, is_billed: false }
    }
}

/// What an entry looks like from outside. Holds no value.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its full name.
    pub name: String,
    /// Where its values come from.
    pub origin: Origin,
    /// How its leases are kept fresh.
    pub freshness: Freshness,
    /// Every variation that was asked for, in a stable order.
    pub variations: Vec<(Ask, Snapshot)>,
    /// The subject tokens, where it is asked with such.
    pub crowd: Option<Crowd>,
}

/// What one variation looks like from outside.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Refresh-due and expiry of the lease held.
    pub lease: Option<Life>,
    /// Which of several secrets it was obtained with.
    pub obtained_with: Option<Arc<str>>,
    /// Scopes that were asked for and not granted.
    pub scopes_missing: Vec<String>,
    /// Is the source being asked?
    pub fetching: bool,
    /// What keeps it from being renewed.
    pub trouble: Option<Trouble>,
    /// What happened so far.
    pub counts: Counts,
}

/// The instants of a lease.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// When its life began.
    pub issued_at: Moment,
    /// When a replacement is sought.
    pub refresh_due: Moment,
    /// When it ends.
    pub expiry: Moment,
}

impl<T: Send + Sync + 'static> Entry<T> {
    /// An entry called `name`, the full name such as `tokens.billing`; `origin` says where its values come from.
    pub fn new(
        name: &str,
        origin: impl Into<Origin>,
        source: Arc<dyn Source<T>>,
        inputs: Inputs,
        freshness: Freshness,
        clock: Clock,
    ) -> Self {
        let (origin, slots, setback) = (origin.into(), Mutex::default(), Setback::default());
        let subjects = inputs.subject.map(|most| Subjects::new(most, clock.clone()));
        let news = watch::Sender::new(());
        Self { name: name.into(), origin, source, inputs, freshness, clock, slots, subjects, setback, news }
    }

    /// Its full name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its clock shows.
    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Which inputs change the answer.
    pub fn inputs(&self) -> Inputs {
        self.inputs
    }

    /// Is it renewed always?
    pub fn is_always_kept(&self) -> bool {
        self.freshness.keep == Keep::Always
    }

    /// A valid lease for `ask`, waiting at most `patience` for a fetch.
    ///
    /// # Errors
    /// [`Unserved`] when nothing valid is held and the source has failed or takes longer.
    pub(super) async fn lease(&self, ask: &Ask, patience: Duration) -> Result<Served<T>, Unserved> {
        self.lease_of(ask, patience, ENOUGH_FOR_SDKS).await
    }

    /// The same for an asker to whom less life than `enough` is too little, where the lifetime allows more.
    ///
    /// # Errors
    /// As [`Self::lease`].
    pub(super) async fn lease_of(
        &self,
        ask: &Ask,
        patience: Duration,
        enough: Duration,
    ) -> Result<Served<T>, Unserved> {
        self.slot(ask)?.lease(&self.clock, &self.freshness, patience, enough).await
    }

    /// Starts keeping the variation `ask` fresh, if this entry is always kept; else does nothing.
    pub(super) fn prefetch(&self, ask: &Ask) {
        if self.is_always_kept() {
            // Whatever a narrowing was told before: this is done once, and the slot has a patience of its own.
            let ask = self.key(ask);
            self.slots().entry(ask).or_insert_with_key(|ask| Arc::new(Slot::start(self.work(ask.clone()))));
        }
    }

    /// Is a value held for `ask` that may be served?
    pub(super) fn is_usable(&self, ask: &Ask) -> bool {
        let now = self.clock.now();
        self.slots().get(&self.key(ask)).is_some_and(|slot| slot.inspect(|cell| cell.lease(now).is_some()))
    }

    /// What is held at the moment of the one variation of an entry without inputs. Nothing is asked for.
    pub fn at_hand(&self) -> Option<Arc<Lease<T>>> {
        let now = self.clock.now();
        self.slots().get(&Ask::default()).and_then(|slot| slot.inspect(|cell| cell.lease(now)))
    }

    /// Tells whenever the source has answered, well or not. Nothing is asked for.
    pub fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// What it looks like from outside.
    pub fn report(&self) -> Report {
        let now = self.clock.now();
        let slots = self.slots();
        let mut variations: Vec<_> = slots.iter().map(|(ask, slot)| (ask.clone(), snapshot(slot, now))).collect();
        variations.sort_by(|a, b| a.0.cmp(&b.0));
        let (name, origin) = (self.name.to_string(), self.origin.clone());
        let crowd = self.subjects.as_ref().map(Subjects::crowd);
        Report { name, origin, freshness: self.freshness.clone(), variations, crowd }
    }

    /// `ask` without the inputs that change nothing here.
    pub(super) fn key(&self, ask: &Ask) -> Ask {
        Ask {
            caller: ask.caller.clone().filter(|_| self.inputs.caller),
            scopes: ask.scopes.clone().filter(|_| self.inputs.scopes),
            subject: ask.subject.clone().filter(|_| self.inputs.subject.is_some()),
        }
    }

    fn slot(&self, ask: &Ask) -> Result<Arc<Slot<T>>, Unserved> {
        let ask = self.key(ask);
        let now = self.clock.now();
        if let (Some(subjects), Some(_)) = (&self.subjects, &ask.subject) {
            let setback = || self.setback.at(now);
            return subjects.slot(&ask, setback, || Slot::start(self.work(ask.clone())));
        }
        let mut slots = self.slots();
        let held = slots.get(&ask);
        // Narrowings of one token share its client, so they share what it was told.
        let valid = held.is_some_and(|slot| slot.inspect(|cell| cell.lease(now).is_some() || cell.is_fetching()));
        if self.inputs.scopes
            && !valid
            && let Some(setback) = self.setback.at(now)
        {
            return Err(setback);
        }
        if let Some(slot) = held {
            return Ok(Arc::clone(slot));
        }
        if ask.scopes.is_some() {
            make_room(&mut slots, now)?;
        }
        let slot = Arc::new(Slot::start(self.work(ask.clone())));
        slots.insert(ask, Arc::clone(&slot));
        Ok(slot)
    }

    pub(super) fn work(&self, ask: Ask) -> Work<T> {
        let mut freshness = self.freshness.clone();
        if ask.scopes.is_some() || ask.subject.is_some() {
            // What is always kept is what is configured, not whatever somebody once asked for.
            freshness.keep = Keep::Used;
        }
        Work {
            name: Arc::clone(&self.name),
            ask,
            source: Arc::clone(&self.source),
            freshness,
            clock: self.clock.clone(),
            setback: self.setback.clone(),
            news: self.news.clone(),
        }
    }

    /// Turns a test's entry into one of AWS credentials.
    #[cfg(test)]
    pub(super) fn be_for_sdks(&mut self) {
        self.freshness.life_left = Duration::from_secs(1_800);
    }

    pub(super) fn slots(&self) -> MutexGuard<'_, HashMap<Ask, Arc<Slot<T>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets go of a narrowing with nothing in it, if there are too many of them.
fn make_room<T: Send + Sync + 'static>(slots: &mut HashMap<Ask, Arc<Slot<T>>>, now: Moment) -> Result<(), Unserved> {
    if slots.keys().filter(|ask| ask.scopes.is_some()).count() < MOST_NARROWINGS {
        return Ok(());
    }
    let is_spent =
        |(ask, slot): &(&Ask, &Arc<Slot<T>>)| ask.scopes.is_some() && slot.inspect(|cell| cell.is_spent(now));
    let spent = slots.iter().find(is_spent).map(|(ask, _)| ask.clone()).ok_or(Unserved::Crowded)?;
    slots.remove(&spent);
    Ok(())
}

fn snapshot<T: Send + Sync + 'static>(slot: &Slot<T>, now: Moment) -> Snapshot {
    slot.inspect(|cell| {
        let lease = cell.lease(now);
        let lease = lease.as_deref();
        Snapshot {
            lease: lease.map(|lease| Life {
                issued_at: lease.issued_at,
                refresh_due: lease.refresh_due,
                expiry: lease.expiry,
            }),
            obtained_with: lease.and_then(|lease| lease.obtained_with.clone()),
            scopes_missing: lease.map(|lease| lease.scopes_missing.clone()).unwrap_or_default(),
            fetching: cell.is_fetching(),
            trouble: cell.trouble().cloned(),
            counts: cell.counts,
        }
    })
}

#[async_trait]
impl<T: Send + Sync + 'static> Stage<T> for Entry<T> {
    async fn held(&self, ask: &Ask) -> Result<Arc<Lease<T>>, Failure> {
        match self.lease(ask, STAGE_PATIENCE).await {
            Ok(Served { lease, .. }) => Ok(lease),
            Err(Unserved::Pending) => Err(Failure::timed_out(&self.name, STAGE_PATIENCE)),
            Err(Unserved::Crowded) => {
                let message = format!("{} is asked for in too many variations at a time; ask again later", self.name);
                Err(Failure::new(FailureKind::Throttled, message))
            }
            Err(Unserved::Failed { failure, retry_after }) => {
                let mut failure = (*failure).clone().of_stage(&self.name);
                // Asking before the stage is ready again would only meet the same failure.
                failure.retry_after = failure.retry_after.max(Some(retry_after));
                Err(failure)
            }
        }
    }

    async fn newer(&self, ask: &Ask, than: &Lease<T>) -> Option<Arc<Lease<T>>> {
        let slot = self.slot(ask).ok()?;
        slot.newer(&self.clock, than.issued_at, STAGE_PATIENCE).await
    }
}

impl<T> std::fmt::Debug for Entry<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}
