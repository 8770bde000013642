//! The emulated cloud: the world as written, and everything that changes while it runs.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::fault::FaultPlan;
use crate::identitypool::Identities;
use crate::journal::Journal;
use crate::keys::{Algorithm, PoolKeys, SigningKey};
use crate::sessions::Sessions;
use crate::userpool::{ClientSecrets, RefreshTokens};
use crate::world::World;

pub(crate) struct Cloud {
    pub(crate) world: World,
    /// Where the emulator listens, without a trailing slash.
    pub(crate) url: String,
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) faults: FaultPlan,
    pub(crate) sessions: Sessions,
    pub(crate) identities: Identities,
    pub(crate) refresh_tokens: RefreshTokens,
    pub(crate) client_secrets: ClientSecrets,
    /// Signs the identity service's OpenID tokens.
    pub(crate) identity_key: SigningKey,
    pool_keys: Mutex<BTreeMap<String, PoolKeys>>,
    lifetimes: Mutex<HashMap<String, u64>>,
}

impl Cloud {
    /// Generates all keys; takes a moment of computing.
    pub(crate) fn new(world: World, url: String) -> Cloud {
        let pool_keys = world.pools.keys().map(|id| (id.clone(), PoolKeys::generate())).collect();
        let clock = Clock::default();
        let client_secrets = ClientSecrets::new(&world, clock.now());
        Cloud {
            world,
            url,
            clock,
            journal: Journal::default(),
            faults: FaultPlan::default(),
            sessions: Sessions::default(),
            identities: Identities::default(),
            refresh_tokens: RefreshTokens::default(),
            client_secrets,
            identity_key: SigningKey::generate(Algorithm::Rs512),
            pool_keys: Mutex::new(pool_keys),
            lifetimes: Mutex::default(),
        }
    }

    /// Uses the keys of a pool; `None` when there is no such pool.
    pub(crate) fn with_keys<T>(&self, pool: &str, work: impl FnOnce(&PoolKeys) -> T) -> Option<T> {
        lock(&self.pool_keys).get(pool).map(work)
    }

    /// Puts new keys in a pool; whether the pool exists.
    pub(crate) fn rotate_keys(&self, pool: &str) -> bool {
        if !self.world.pools.contains_key(pool) {
            return false;
        }
        let fresh = PoolKeys::generate();
        let mut all = lock(&self.pool_keys);
        if let Some(retired) = all.remove(pool) {
            all.insert(pool.to_owned(), retired.rotated(fresh));
        }
        true
    }

    /// The lifetime a test set for what `operation` issues, if any.
    pub(crate) fn lifetime(&self, operation: &str) -> Option<u64> {
        lock(&self.lifetimes).get(operation).copied()
    }

    pub(crate) fn set_lifetime(&self, operation: &str, seconds: u64) {
        lock(&self.lifetimes).insert(operation.to_owned(), seconds);
    }

    /// The secrets of a client that work now, the newest last.
    pub(crate) fn secrets(&self, client_id: &str) -> Vec<String> {
        self.client_secrets.values(client_id)
    }

    /// Makes `secret` the client's only one; whether the client exists.
    pub(crate) fn set_secret(&self, client_id: &str, secret: &str) -> bool {
        self.client_secrets.replace(client_id, secret, self.clock.now())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
