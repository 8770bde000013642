//! The secrets of app clients: at most two work at a time, and each has an id of its own.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::world::World;

/// How many secrets a client may have at once.
const MOST: usize = 2;

/// A secret that works.
#[derive(Clone)]
pub(super) struct ClientSecret {
    /// `CLIENT--EPOCH`
    pub(super) id: String,
    pub(super) value: String,
    /// Seconds since the epoch.
    pub(super) created: i64,
}

/// Why a client's secrets stay as they are.
pub(super) enum Unchanged {
    TwoAlready,
    LastOne,
    UnknownId,
}

/// All secrets that work, by client.
pub(crate) struct ClientSecrets {
    held: Mutex<HashMap<String, Held>>,
}

/// The secrets of one client, the newest last.
#[derive(Default)]
struct Held {
    secrets: Vec<ClientSecret>,
    /// The lowest number the next id may bear, so that no id comes back after a deletion.
    next: i64,
}

impl Held {
    fn put(&mut self, client_id: &str, value: &str, now: i64) -> ClientSecret {
        let epoch = now.max(self.next);
        self.next = epoch + 1;
        let secret = ClientSecret { id: format!("{client_id}--{epoch}"), value: value.to_owned(), created: now };
        self.secrets.push(secret.clone());
        secret
    }
}

impl ClientSecrets {
    /// The secrets the world begins with.
    pub(crate) fn new(world: &World, now: i64) -> ClientSecrets {
        let mut all: HashMap<String, Held> = HashMap::new();
        for (client_id, client) in world.pools.values().flat_map(|pool| &pool.clients) {
            let held = all.entry(client_id.clone()).or_default();
            for value in &client.secrets {
                held.put(client_id, value, now);
            }
        }
        ClientSecrets { held: Mutex::new(all) }
    }

    /// The values that work for a client now.
    pub(crate) fn values(&self, client_id: &str) -> Vec<String> {
        self.all(client_id).into_iter().map(|secret| secret.value).collect()
    }

    /// Makes `value` the client's only secret; whether the client exists.
    pub(crate) fn replace(&self, client_id: &str, value: &str, now: i64) -> bool {
        let mut all = self.lock();
        let Some(held) = all.get_mut(client_id) else {
            return false;
        };
        held.secrets.clear();
        held.put(client_id, value, now);
        true
    }

    pub(super) fn all(&self, client_id: &str) -> Vec<ClientSecret> {
        self.lock().get(client_id).map(|held| held.secrets.clone()).unwrap_or_default()
    }

    pub(super) fn add(&self, client_id: &str, value: &str, now: i64) -> Result<ClientSecret, Unchanged> {
        let mut all = self.lock();
        let held = all.entry(client_id.to_owned()).or_default();
        if held.secrets.len() >= MOST {
            return Err(Unchanged::TwoAlready);
        }
        Ok(held.put(client_id, value, now))
    }

    pub(super) fn delete(&self, client_id: &str, id: &str) -> Result<(), Unchanged> {
        let mut all = self.lock();
        let secrets = &mut all.entry(client_id.to_owned()).or_default().secrets;
        let found = secrets.iter().position(|secret| secret.id == id).ok_or(Unchanged::UnknownId)?;
        if secrets.len() == 1 {
            return Err(Unchanged::LastOne);
        }
        secrets.remove(found);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
