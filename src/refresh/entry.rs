//! One named token or set of credentials: its source, its policy, and a slot for each variation that is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::budget::{Quota, Share};
use super::counts::Counts;
use super::keeping::Work;
use super::report::{Origin, Report, Snapshot, snapshot};
use super::schedule::{Freshness, Keep};
use super::setback::Setback;
use super::slot::{ENOUGH_FOR_SDKS, Served, Slot, Unserved};
use super::subjects::Subjects;
use crate::clock::{Clock, Moment};
use crate::current::Current;
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
    freshness: Current<Freshness>,
    clock: Clock,
    slots: Mutex<BTreeMap<Ask, Arc<Slot<T>>>>,
    /// What happened in narrowings that have made room, by their caller where that matters.
    past: Mutex<BTreeMap<Option<String>, Counts>>,
    subjects: Option<Subjects<T>>,
    setback: Setback,
    news: watch::Sender<()>,
    share: Arc<Share>,
    cover_told: Arc<AtomicBool>,
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
        let (share, cover_told) = (Arc::new(Share::new(clock.clone())), Arc::default());
        Self {
            name: name.into(),
            origin,
            source,
            inputs,
            freshness: Current::new(freshness),
            clock,
            slots,
            past: Mutex::default(),
            subjects,
            setback,
            news,
            share,
            cover_told,
        }
    }

    /// The same, with requests within `quota`, if there is one.
    #[must_use]
    pub fn within(self, quota: Option<Arc<Quota>>) -> Self {
        match quota {
            Some(quota) => Self { share: Arc::new(Share::new(self.clock.clone()).within(quota)), ..self },
            None => self,
        }
    }

    /// Its full name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The full name of the entry before it in its chain.
    pub(super) fn after(&self) -> Option<&str> {
        self.origin.after.as_deref()
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
        self.freshness.get().keep == Keep::Always
    }

    /// How fresh it is kept.
    pub(super) fn freshness(&self) -> Arc<Freshness> {
        self.freshness.get()
    }

    /// From now on it is kept as fresh as `freshness` says, what is held already too. Nothing is let go of.
    pub(super) fn keep_by(&self, freshness: &Freshness) {
        if *self.freshness.get() == *freshness {
            return;
        }
        self.freshness.replace(freshness.clone());
        self.cover_told.store(false, Ordering::Relaxed);
        let now = self.clock.now();
        self.slots().values().for_each(|slot| slot.replan(now, freshness));
        self.subjects.iter().for_each(|subjects| subjects.each(|slot| slot.replan(now, freshness)));
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
        self.slot(ask)?.lease(&self.clock, &self.freshness.get(), patience, enough).await
    }

    /// Starts keeping the variation `ask` fresh, if this entry is always kept; else does nothing.
    pub(super) fn prefetch(&self, ask: &Ask) {
        if self.is_always_kept() {
            // Whatever a narrowing was told before: this is done once, and the slot has a patience of its own.
            let ask = self.key(ask);
            self.slots().entry(ask).or_insert_with_key(|ask| Arc::new(Slot::start(self.work(ask.clone()))));
        }
    }

    /// Lets go of what is held for a caller that is none of `callers`.
    pub(super) fn forget_callers_but(&self, callers: &BTreeSet<String>) {
        let stays = |ask: &Ask| ask.caller.as_ref().is_none_or(|caller| callers.contains(caller));
        self.slots().retain(|ask, _| stays(ask));
        self.past().retain(|caller, _| caller.as_ref().is_none_or(|caller| callers.contains(caller)));
        self.subjects.iter().for_each(|subjects| subjects.retain(stays));
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
        for (caller, counts) in &*self.past() {
            let ask = Ask { caller: caller.clone(), ..Ask::default() };
            match variations.iter_mut().find(|(other, _)| *other == ask) {
                Some((_, whole)) => whole.counts = whole.counts + *counts,
                None => variations.push((ask, Snapshot { counts: *counts, ..Snapshot::default() })),
            }
        }
        variations.sort_by(|a, b| a.0.cmp(&b.0));
        let (name, origin) = (self.name.to_string(), self.origin.clone());
        let crowd = self.subjects.as_ref().map(Subjects::crowd);
        let (freshness, demand) = ((*self.freshness.get()).clone(), self.share.demand());
        Report { name, origin, freshness, variations, demand, crowd }
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
            self.make_room(&mut slots, now)?;
        }
        let slot = Arc::new(Slot::start(self.work(ask.clone())));
        slots.insert(ask, Arc::clone(&slot));
        Ok(slot)
    }

    /// Lets go of a narrowing with nothing in it, if there are too many of them. What happened there is counted with the whole.
    fn make_room(&self, slots: &mut BTreeMap<Ask, Arc<Slot<T>>>, now: Moment) -> Result<(), Unserved> {
        if slots.keys().filter(|ask| ask.scopes.is_some()).count() < MOST_NARROWINGS {
            return Ok(());
        }
        let is_spent =
            |(ask, slot): &(&Ask, &Arc<Slot<T>>)| ask.scopes.is_some() && slot.inspect(|cell| cell.is_spent(now));
        let (spent, counts) = slots
            .iter()
            .find(is_spent)
            .map(|(ask, slot)| (ask.clone(), slot.inspect(|cell| cell.counts)))
            .ok_or(Unserved::Crowded)?;
        slots.remove(&spent);
        let mut past = self.past();
        let before = past.entry(spent.caller).or_default();
        *before = *before + counts;
        Ok(())
    }

    pub(super) fn work(&self, ask: Ask) -> Work<T> {
        Work {
            name: Arc::clone(&self.name),
            ask,
            source: Arc::clone(&self.source),
            freshness: self.freshness.clone(),
            clock: self.clock.clone(),
            setback: self.setback.clone(),
            news: self.news.clone(),
            share: Arc::clone(&self.share),
            cover_told: Arc::clone(&self.cover_told),
            dice: fastrand::Rng::new(),
        }
    }

    /// Turns a test's entry into one of AWS credentials.
    #[cfg(test)]
    pub(super) fn be_for_sdks(&mut self) {
        let freshness = (*self.freshness.get()).clone();
        self.freshness.replace(Freshness { life_left: Duration::from_secs(1_800), ..freshness });
    }

    fn past(&self) -> MutexGuard<'_, BTreeMap<Option<String>, Counts>> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn slots(&self) -> MutexGuard<'_, BTreeMap<Ask, Arc<Slot<T>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
