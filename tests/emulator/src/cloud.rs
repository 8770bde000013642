//! The emulated cloud: the world as written, and everything that changes while it runs.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::authserver::{self, Replays};
use crate::clock::Clock;
use crate::fault::FaultPlan;
use crate::identitypool::Identities;
use crate::journal::Journal;
use crate::key_rings::KeyRings;
use crate::keys::{Algorithm, PoolKeys, SigningKey};
use crate::secretsmanager::Secrets;
use crate::sessions::Sessions;
use crate::userpool::{ClientSecrets, RefreshTokens, SrpChallenges};
use crate::world::{OAuthClient, World};

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
    pub(crate) srp_challenges: SrpChallenges,
    /// The keys of STS and of the authorization servers.
    pub(crate) key_rings: KeyRings,
    pub(crate) secrets_manager: Secrets,
    /// The client assertions that were used.
    pub(crate) replays: Replays,
    /// Signs the identity service's OpenID tokens.
    pub(crate) identity_key: SigningKey,
    /// The secrets of the authorization servers' clients that were replaced.
    oauth_client_secrets: Mutex<BTreeMap<String, Vec<String>>>,
    pool_keys: Mutex<BTreeMap<String, Arc<PoolKeys>>>,
    lifetimes: Mutex<HashMap<String, u64>>,
}

impl Cloud {
    /// Generates all keys; takes a moment of computing.
    pub(crate) fn new(world: World, url: String) -> Cloud {
        let clock = Clock::default();
        let pool_keys = world.pools.keys().map(|id| (id.clone(), Arc::new(PoolKeys::generate()))).collect();
        let client_secrets = ClientSecrets::new(&world, clock.now());
        Cloud {
            secrets_manager: Secrets::of(&world, clock.now()),
            world,
            url,
            clock,
            journal: Journal::default(),
            faults: FaultPlan::default(),
            sessions: Sessions::default(),
            identities: Identities::default(),
            refresh_tokens: RefreshTokens::default(),
            client_secrets,
            srp_challenges: SrpChallenges::default(),
            key_rings: KeyRings::default(),
            replays: Replays::default(),
            identity_key: SigningKey::generate(Algorithm::Rs512),
            oauth_client_secrets: Mutex::default(),
            pool_keys: Mutex::new(pool_keys),
            lifetimes: Mutex::default(),
        }
    }

    /// Uses the keys of a pool; `None` when there is no such pool.
    pub(crate) fn with_keys<T>(&self, pool: &str, work: impl FnOnce(&PoolKeys) -> T) -> Option<T> {
        // Signing takes a while, and not in turns.
        let keys = lock(&self.pool_keys).get(pool).cloned();
        keys.map(|keys| work(&keys))
    }

    /// Puts new keys in a pool or an authorization server; whether there is one of this name.
    pub(crate) fn rotate_keys(&self, pool: &str) -> bool {
        if let Some(server) = self.world.authorization_servers.get(pool) {
            self.key_rings.rotate(&authserver::ring(pool), authserver::algorithm(server));
            return true;
        }
        if !self.world.pools.contains_key(pool) {
            return false;
        }
        let fresh = PoolKeys::generate();
        let mut all = lock(&self.pool_keys);
        if let Some(keys) = all.get_mut(pool) {
            *keys = Arc::new(keys.rotated(fresh));
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

    /// The same for a client of an authorization server.
    pub(crate) fn oauth_secrets(&self, client_id: &str, client: &OAuthClient) -> Vec<String> {
        lock(&self.oauth_client_secrets).get(client_id).cloned().unwrap_or_else(|| client.secrets.clone())
    }

    /// Makes `secret` the client's only one; whether the client exists.
    pub(crate) fn set_secret(&self, client_id: &str, secret: &str) -> bool {
        let mut servers = self.world.authorization_servers.values();
        if servers.any(|server| server.clients.contains_key(client_id)) {
            lock(&self.oauth_client_secrets).insert(client_id.to_owned(), vec![secret.to_owned()]);
            return true;
        }
        self.client_secrets.replace(client_id, secret, self.clock.now())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
