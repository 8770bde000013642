//! Password challenges that wait for their answer, by secret block.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::srp::Handshake;

pub(super) struct Challenge {
    pub(super) client_id: String,
    /// The user's real name.
    pub(super) username: String,
    pub(super) handshake: Handshake,
    /// When it is too late for an answer.
    pub(super) expires: i64,
}

#[derive(Default)]
pub(crate) struct SrpChallenges {
    open: Mutex<HashMap<String, Challenge>>,
}

impl SrpChallenges {
    pub(super) fn open(&self, secret_block: String, challenge: Challenge) {
        self.lock().insert(secret_block, challenge);
    }

    /// Whom a client's challenge is for.
    pub(super) fn username(&self, secret_block: &str, client_id: &str) -> Option<String> {
        let open = self.lock();
        open.get(secret_block).filter(|own| own.client_id == client_id).map(|own| own.username.clone())
    }

    /// Takes a challenge out: there is one answer to each.
    pub(super) fn close(&self, secret_block: &str) -> Option<Challenge> {
        self.lock().remove(secret_block)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Challenge>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
