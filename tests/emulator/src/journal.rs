//! What was asked of the emulator, in order, without secrets or tokens.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Older entries are dropped beyond this many.
const REMEMBERED: usize = 10_000;

/// One request and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// When it arrived, by the emulator's clock (RFC 3339).
    pub at: String,
    /// `token`, `jwks`, `openid-configuration`, or the AWS operation's name. An authorization server's own are
    /// `as/NAME/token`, `as/NAME/jwks`, `as/NAME/openid-configuration` and `as/NAME/oauth-authorization-server`; those
    /// of the issuer of `GetWebIdentityToken` are `outbound/jwks` and `outbound/openid-configuration`.
    pub operation: String,
    /// The app client that asked, if it named itself.
    pub client_id: Option<String>,
    /// The ARN of the principal that signed, if the signature was good.
    pub principal: Option<String>,
    /// What was asked for: `scopes`, `role_arn`, `session_name`, `identity_id`, …; for whom, where a token proved that
    /// (`subject`, `users`); and the `access_key_id` that was given out.
    pub parameters: Map<String, Value>,
    /// `ok`, the error code, or `fault:KIND` when a fault decided the answer.
    pub outcome: String,
    /// The HTTP status sent; 0 when none was.
    pub status: u16,
}

impl Asked {
    pub(crate) fn new(at: String, operation: &str) -> Asked {
        Asked {
            at,
            operation: operation.to_owned(),
            client_id: None,
            principal: None,
            parameters: Map::new(),
            outcome: String::new(),
            status: 0,
        }
    }

    /// Notes a parameter worth asserting; absent ones are left out.
    pub(crate) fn note(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        if !value.is_null() {
            self.parameters.insert(name.to_owned(), value);
        }
    }
}

#[derive(Default)]
pub(crate) struct Journal {
    entries: Mutex<VecDeque<Asked>>,
}

impl Journal {
    pub(crate) fn add(&self, asked: Asked) {
        let mut entries = self.entries();
        if entries.len() == REMEMBERED {
            entries.pop_front();
        }
        entries.push_back(asked);
    }

    pub(crate) fn all(&self) -> Vec<Asked> {
        self.entries().iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        self.entries().clear();
    }

    pub(crate) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.entries()).into()
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Asked>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
