//! Identities: which logins each has, and which pool it is of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::random;

/// An identity; a guest has no logins.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) pool: String,
    pub(crate) logins: BTreeSet<String>,
}

/// The logins belong to more than one identity.
pub(crate) struct Conflict;

#[derive(Default)]
pub(crate) struct Identities {
    known: Mutex<BTreeMap<String, Identity>>,
}

impl Identities {
    /// A new guest.
    pub(crate) fn guest(&self, region: &str, pool: &str) -> String {
        create(&mut self.known(), region, pool, BTreeSet::new())
    }

    /// The one identity that has any of the logins, now with all of them; a new one if there is none.
    pub(crate) fn with_logins(&self, region: &str, pool: &str, logins: &[String]) -> Result<String, Conflict> {
        let mut known = self.known();
        let mut owners = known.iter().filter(|(_, identity)| {
            identity.pool == pool && logins.iter().any(|login| identity.logins.contains(login))
        });
        let owner = owners.next().map(|(id, _)| id.clone());
        if owners.next().is_some() {
            return Err(Conflict);
        }
        let logins = logins.iter().cloned();
        let Some(owner) = owner else {
            return Ok(create(&mut known, region, pool, logins.collect()));
        };
        known.entry(owner.clone()).and_modify(|identity| identity.logins.extend(logins));
        Ok(owner)
    }

    pub(crate) fn find(&self, id: &str) -> Option<Identity> {
        self.known().get(id).cloned()
    }

    /// The identity of the pool that has a login.
    pub(crate) fn owner(&self, pool: &str, login: &str) -> Option<String> {
        let known = self.known();
        let mut owners = known.iter().filter(|(_, identity)| identity.pool == pool && identity.logins.contains(login));
        owners.next().map(|(id, _)| id.clone())
    }

    pub(crate) fn link(&self, id: &str, logins: impl IntoIterator<Item = String>) {
        if let Some(identity) = self.known().get_mut(id) {
            identity.logins.extend(logins);
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Identity>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn create(known: &mut BTreeMap<String, Identity>, region: &str, pool: &str, logins: BTreeSet<String>) -> String {
    let id = format!("{region}:{}", random::uuid());
    known.insert(id.clone(), Identity { pool: pool.to_owned(), logins });
    id
}
