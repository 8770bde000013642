//! Temporary credentials that are out, and whom they belong to.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::principal::{Principal, RoleSession};
use crate::random;

/// One set of temporary credentials.
#[derive(Clone)]
pub(crate) struct TemporaryKey {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: String,
    pub(crate) expires: i64,
    pub(crate) principal: Principal,
}

#[derive(Default)]
pub(crate) struct Sessions {
    keys: Mutex<HashMap<String, TemporaryKey>>,
}

impl Sessions {
    /// Issues credentials for a role session.
    pub(crate) fn open(&self, session: RoleSession) -> TemporaryKey {
        let key = TemporaryKey {
            access_key_id: random::access_key_id(),
            secret_access_key: random::secret_access_key(),
            session_token: random::session_token(),
            expires: session.expires,
            principal: Principal::Session(session),
        };
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.access_key_id.clone(), key.clone());
        key
    }

    /// Expired keys stay known, so their use answers "expired" and not "unknown".
    pub(crate) fn find(&self, access_key_id: &str) -> Option<TemporaryKey> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(access_key_id).cloned()
    }
}
