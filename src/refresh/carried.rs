//! What a process leaves to the next one: the leases it holds, each with the variation of the entry it is for. What was obtained
//! with a subject token is not among them: it is the caller's, and goes with the process that was shown it.

use std::sync::Arc;

use super::Store;
use super::cell::Cell;
use super::entry::{Entry, MOST_NARROWINGS};
use super::slot::Slot;
use crate::lease::Lease;
use crate::source::{Ask, AwsCredentials, BearerToken};

/// One lease.
#[derive(Debug)]
pub struct Carried<T> {
    /// The full name of its entry.
    pub name: String,
    /// Which variation of the entry it is.
    pub ask: Ask,
    /// Has somebody asked for it since it was issued?
    pub asked: bool,
    /// The freshness that its refresh was planned by, [spelled](super::schedule::Freshness::spelled).
    pub planned_by: String,
    /// The lease itself.
    pub lease: Arc<Lease<T>>,
}

/// Every lease of a [`Store`] that can be carried.
#[derive(Debug, Default)]
pub struct Held {
    /// Those of tokens.
    pub tokens: Vec<Carried<BearerToken>>,
    /// Those of credentials.
    pub credentials: Vec<Carried<AwsCredentials>>,
}

impl Held {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.tokens.len() + self.credentials.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Store {
    /// What is held at the moment.
    pub fn held(&self) -> Held {
        Held {
            tokens: self.tokens.values().flat_map(|token| token.entry.carried()).collect(),
            credentials: self.credentials.values().flat_map(|held| held.entry.carried()).collect(),
        }
    }

    /// Holds what `held` says from now on, where nothing is held yet. How many of the leases have found their places.
    pub fn take_up(&self, held: Held) -> usize {
        let tokens = held.tokens.into_iter().filter_map(|carried| {
            let token = self.tokens.get(carried.name.strip_prefix("tokens.")?)?;
            let scopes = carried.ask.scopes.as_deref().unwrap_or_default();
            let is_narrower = scopes.iter().all(|scope| token.scopes.contains(scope));
            (is_narrower && token.entry.take_up(carried)).then_some(())
        });
        let credentials = held.credentials.into_iter().filter_map(|carried| {
            let credentials = self.credentials.get(carried.name.strip_prefix("credentials.")?)?;
            credentials.entry.take_up(carried).then_some(())
        });
        tokens.count() + credentials.count()
    }
}

impl<T: Send + Sync + 'static> Entry<T> {
    /// Those of its leases that can be carried.
    pub fn carried(&self) -> Vec<Carried<T>> {
        let now = self.now();
        let planned_by = self.freshness().spelled();
        let slots = self.slots();
        let held = slots.iter().filter_map(|(ask, slot)| {
            let (lease, asked) = slot.inspect(|cell| (cell.lease(now), cell.is_asked()));
            let (name, planned_by) = (self.name().to_owned(), planned_by.clone());
            Some(Carried { name, ask: ask.clone(), asked, planned_by, lease: lease? })
        });
        let mut held: Vec<_> = held.filter(|carried| carried.ask.subject.is_none()).collect();
        held.sort_by(|a, b| a.ask.cmp(&b.ask));
        held
    }

    /// Holds `carried` from now on, if it is for a variation that could be asked for and there is none of it yet. Was it? Where it was
    /// kept otherwise, it is planned anew, as at a reload.
    pub fn take_up(&self, carried: Carried<T>) -> bool {
        let Carried { ask, asked, planned_by, lease, .. } = carried;
        let inputs = self.inputs();
        let is_variation = self.key(&ask) == ask && inputs.caller == ask.caller.is_some() && inputs.subject.is_none();
        let Some(lease) = Arc::into_inner(lease).filter(|lease| is_variation && lease.is_valid(self.now())) else {
            return false;
        };
        let mut slots = self.slots();
        let narrowings = slots.keys().filter(|ask| ask.scopes.is_some()).count();
        if slots.contains_key(&ask) || (ask.scopes.is_some() && narrowings >= MOST_NARROWINGS) {
            return false;
        }
        let slot = Slot::start_with(self.work(ask.clone()), Cell::holding(lease, asked));
        let freshness = self.freshness();
        if planned_by != freshness.spelled() {
            slot.replan(self.now(), &freshness);
        }
        slots.insert(ask, Arc::new(slot));
        true
    }
}
