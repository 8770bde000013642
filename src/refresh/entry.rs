//! One named token or set of credentials: its source, its policy, and a slot for each variation that is asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::cell::{CacheState, Counts, Trouble};
use super::schedule::{Freshness, Keep};
use super::slot::{Served, Slot, Unserved};
use crate::clock::{Clock, Moment};
use crate::lease::Lease;
use crate::source::{Ask, Failure, FailureKind, Source, Stage};

/// At most so many variations of one entry are held; the one that expires first makes room.
const MOST_SLOTS: usize = 256;

/// A stage of a chain waits this long for the stage before it.
const STAGE_PATIENCE: Duration = Duration::from_secs(20);

/// Which inputs of a request change what this entry's source is asked for. Every other input is left out of the cache key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// A template names the caller.
    pub caller: bool,
    /// The scopes may be narrowed.
    pub scopes: bool,
}

/// A named token or set of credentials.
pub struct Entry<T> {
    name: Arc<str>,
    origin: String,
    source: Arc<dyn Source<T>>,
    inputs: Inputs,
    freshness: Freshness,
    clock: Clock,
    slots: Mutex<HashMap<Ask, Arc<Slot<T>>>>,
}

/// What an entry looks like from outside. Holds no value.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Refresh-due and expiry of the lease held.
    pub lease: Option<Life>,
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
    /// An entry called `name`, the full name such as `tokens.billing`; `origin` says in words where its values come from.
    pub fn new(
        name: &str,
        origin: String,
        source: Arc<dyn Source<T>>,
        inputs: Inputs,
        freshness: Freshness,
        clock: Clock,
    ) -> Self {
        Self { name: name.into(), origin, source, inputs, freshness, clock, slots: Mutex::default() }
    }

    /// Where its values come from, in words.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The full name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which inputs change the answer.
    pub fn inputs(&self) -> Inputs {
        self.inputs
    }

    /// How its leases are kept fresh.
    pub fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// A valid lease for `ask`, waiting at most `patience` for a fetch.
    ///
    /// # Errors
    /// [`Unserved`] when nothing valid is held and the source has failed or takes longer.
    pub async fn lease(&self, ask: &Ask, patience: Duration) -> Result<Served<T>, Unserved> {
        self.slot(ask).lease(&self.clock, patience).await
    }

    /// Starts fetching for `ask` now, if this entry is always kept; else does nothing.
    pub fn prefetch(&self, ask: &Ask) {
        if self.freshness.keep == Keep::Always {
            self.slot(ask);
        }
    }

    /// Is a value held that may be served? With several variations: for all of them.
    pub fn is_usable(&self) -> bool {
        let now = self.clock.now();
        let slots = self.slots();
        !slots.is_empty() && slots.values().all(|slot| slot.inspect(|cell| cell.lease(now).is_some()))
    }

    /// Every variation held, in a stable order.
    pub fn snapshots(&self) -> Vec<(Ask, Snapshot)> {
        let now = self.clock.now();
        let mut all: Vec<_> = self.slots().iter().map(|(ask, slot)| (ask.clone(), snapshot(slot, now))).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    fn slot(&self, ask: &Ask) -> Arc<Slot<T>> {
        let ask = Ask {
            caller: ask.caller.clone().filter(|_| self.inputs.caller),
            scopes: ask.scopes.clone().filter(|_| self.inputs.scopes),
        };
        let mut slots = self.slots();
        if let Some(slot) = slots.get(&ask) {
            return Arc::clone(slot);
        }
        if slots.len() >= MOST_SLOTS {
            make_room(&mut slots, self.clock.now());
        }
        let slot = Arc::new(Slot::start(
            Arc::clone(&self.name),
            ask.clone(),
            Arc::clone(&self.source),
            self.freshness.clone(),
            self.clock.clone(),
        ));
        slots.insert(ask, Arc::clone(&slot));
        slot
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Ask, Arc<Slot<T>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room<T: Send + Sync + 'static>(slots: &mut HashMap<Ask, Arc<Slot<T>>>, now: Moment) {
    let ends_first = slots
        .iter()
        .min_by_key(|(_, slot)| slot.inspect(|cell| (cell.is_fetching(), cell.lease(now).map(|lease| lease.expiry))))
        .map(|(ask, _)| ask.clone());
    if let Some(ask) = ends_first {
        slots.remove(&ask);
    }
}

fn snapshot<T: Send + Sync + 'static>(slot: &Slot<T>, now: Moment) -> Snapshot {
    slot.inspect(|cell| Snapshot {
        lease: cell.lease(now).map(|lease| Life {
            issued_at: lease.issued_at,
            refresh_due: lease.refresh_due,
            expiry: lease.expiry,
        }),
        fetching: cell.is_fetching(),
        trouble: cell.trouble().cloned(),
        counts: cell.counts,
    })
}

#[async_trait]
impl<T: Send + Sync + 'static> Stage<T> for Entry<T> {
    async fn held(&self, ask: &Ask) -> Result<Arc<Lease<T>>, Failure> {
        match self.lease(ask, STAGE_PATIENCE).await {
            Ok(Served { lease, .. }) => Ok(lease),
            Err(Unserved::Pending) => Err(Failure::timed_out(&self.name, STAGE_PATIENCE)),
            Err(Unserved::Failed { failure, retry_after }) => {
                let mut failure = (*failure).clone().of_stage(&self.name);
                // Asking before the stage is ready again would only meet the same failure.
                failure.retry_after = failure.retry_after.max(Some(retry_after));
                Err(failure)
            }
        }
    }
}

impl<T> std::fmt::Debug for Entry<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Unserved {
    /// Whose fault it is; a pending fetch is nobody's.
    pub fn kind(&self) -> Option<FailureKind> {
        match self {
            Self::Pending => None,
            Self::Failed { failure, .. } => Some(failure.kind),
        }
    }
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
