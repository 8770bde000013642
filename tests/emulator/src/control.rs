//! What a test can do to a running emulator.

use std::sync::Arc;

use crate::cloud::Cloud;
use crate::fault::Fault;
use crate::journal::Asked;
use crate::mint::{self, Mint};

/// A handle on a running emulator; cheap to clone. The same powers exist over HTTP under `/_emulator/`.
#[derive(Clone)]
pub struct Control {
    cloud: Arc<Cloud>,
}

impl Control {
    pub(crate) fn of(cloud: &Arc<Cloud>) -> Control {
        Control { cloud: Arc::clone(cloud) }
    }

    /// What was asked so far, oldest first. Holds neither secrets nor tokens.
    #[must_use]
    pub fn journal(&self) -> Vec<Asked> {
        self.cloud.journal.all()
    }

    /// Forgets what was asked so far.
    pub fn clear_journal(&self) {
        self.cloud.journal.clear();
    }

    /// What was asked since this was last called, oldest first: nothing that comes meanwhile is lost.
    #[must_use]
    pub fn take_journal(&self) -> Vec<Asked> {
        self.cloud.journal.take()
    }

    /// Sets a fault; it waits behind those set before.
    pub fn fault(&self, fault: Fault) {
        self.cloud.faults.add(fault);
    }

    /// Takes back all faults.
    pub fn clear_faults(&self) {
        self.cloud.faults.clear();
    }

    /// Lets `operation` issue things that live `seconds`, even less than the service's minimum.
    /// For `AssumeRole` and `AssumeRoleWithWebIdentity` it is an upper limit.
    /// `InitiateAuth` stands for every operation that gives users tokens, unless that one has a lifetime of its own.
    pub fn set_lifetime(&self, operation: &str, seconds: u64) {
        self.cloud.set_lifetime(operation, seconds);
    }

    /// Puts new signing keys in a user pool or an authorization server; the previous ones stay published once more.
    pub fn rotate_keys(&self, pool: &str) {
        self.rotate(pool);
    }

    /// Sets the emulator's clock this far from the system's: tokens, expiry, signatures and `Date`.
    pub fn clock_offset(&self, seconds: i64) {
        self.cloud.clock.set_offset(seconds);
    }

    /// Makes `secret` the only secret of an app client, or of an authorization server's client.
    pub fn set_client_secret(&self, client_id: &str, secret: &str) {
        self.replace_secret(client_id, secret);
    }

    /// Puts a new value into a secret of Secrets Manager; the current one becomes the previous.
    pub fn put_secret_value(&self, name: &str, value: &str) {
        self.put_value(name, value);
    }

    /// A token of a user pool for a user the world need not have; `None` when the pool or its client does not exist.
    #[must_use]
    pub fn mint_token(&self, order: &Mint) -> Option<String> {
        mint::token(&self.cloud, order)
    }

    /// Makes the identity `from` part of `into`, or of a new one: from now on answers about `from` name the other,
    /// whose id is returned. `None` when they are not two identities of one pool.
    pub fn merge_identities(&self, from: &str, into: Option<&str>) -> Option<String> {
        self.cloud.identities.merge(&self.cloud.world.region, from, into)
    }

    pub(crate) fn put_value(&self, name: &str, value: &str) -> bool {
        self.cloud.secrets_manager.put(name, value, self.cloud.clock.now())
    }

    pub(crate) fn rotate(&self, pool: &str) -> bool {
        self.cloud.rotate_keys(pool)
    }

    pub(crate) fn replace_secret(&self, client_id: &str, secret: &str) -> bool {
        self.cloud.set_secret(client_id, secret)
    }
}
