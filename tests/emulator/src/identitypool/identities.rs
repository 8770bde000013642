//! Identities: which logins each has, and which pool it is of.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::random;

/// An identity; a guest has no logins.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) pool: String,
    pub(crate) logins: BTreeSet<String>,
}

/// The logins belong to more than one identity.
pub(crate) struct Conflict;

#[derive(Default)]
pub(crate) struct Identities {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    identities: HashMap<String, Identity>,
    /// The identity of each pool's login.
    owners: HashMap<(String, String), String>,
    /// Identities that became part of another.
    merged: HashMap<String, String>,
}

impl Identities {
    /// A new guest.
    pub(crate) fn guest(&self, region: &str, pool: &str) -> String {
        self.known().create(region, pool)
    }

    /// The one identity that has any of the logins, now with all of them; a new one if there is none.
    pub(crate) fn with_logins(&self, region: &str, pool: &str, logins: &[String]) -> Result<String, Conflict> {
        let mut known = self.known();
        let mut owners: Vec<String> = logins.iter().filter_map(|login| known.owner(pool, login)).collect();
        owners.sort_unstable();
        owners.dedup();
        let owner = match &owners[..] {
            [] => known.create(region, pool),
            [owner] => owner.clone(),
            _ => return Err(Conflict),
        };
        known.link(&owner, logins.iter().cloned());
        Ok(owner)
    }

    /// The identity an id stands for: its own, or the one it became part of.
    pub(crate) fn find(&self, id: &str) -> Option<Identity> {
        let known = self.known();
        known.identities.get(known.canonical(id)).cloned()
    }

    /// The identity of the pool that has a login.
    pub(crate) fn owner(&self, pool: &str, login: &str) -> Option<String> {
        self.known().owner(pool, login)
    }

    pub(crate) fn link(&self, id: &str, logins: impl IntoIterator<Item = String>) {
        self.known().link(id, logins);
    }

    /// Makes `from` part of `into`, or of a new identity. `None` when they are not two of one pool.
    pub(crate) fn merge(&self, region: &str, from: &str, into: Option<&str>) -> Option<String> {
        let mut known = self.known();
        let from = known.identities.get(known.canonical(from))?.clone();
        let into = match into {
            Some(id) => known.canonical(id).to_owned(),
            None => known.create(region, &from.pool),
        };
        if into == from.id || known.identities.get(&into)?.pool != from.pool {
            return None;
        }
        known.identities.remove(&from.id);
        known.link(&into, from.logins);
        known.merged.insert(from.id, into.clone());
        Some(into)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn create(&mut self, region: &str, pool: &str) -> String {
        let id = format!("{region}:{}", random::uuid());
        let identity = Identity { id: id.clone(), pool: pool.to_owned(), logins: BTreeSet::new() };
        self.identities.insert(id.clone(), identity);
        id
    }

    fn owner(&self, pool: &str, login: &str) -> Option<String> {
        self.owners.get(&(pool.to_owned(), login.to_owned())).cloned()
    }

    fn link(&mut self, id: &str, logins: impl IntoIterator<Item = String>) {
        if let Some(identity) = self.identities.get_mut(id) {
            for login in logins {
                self.owners.insert((identity.pool.clone(), login.clone()), id.to_owned());
                identity.logins.insert(login);
            }
        }
    }

    fn canonical<'a>(&'a self, id: &'a str) -> &'a str {
        let mut id = id;
        while let Some(into) = self.merged.get(id) {
            id = into;
        }
        id
    }
}
