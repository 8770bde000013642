//! Refresh tokens that are out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::random;

/// Whom a refresh token is for, and the sign-in it came from.
#[derive(Clone)]
pub(crate) struct SignIn {
    pub(crate) pool: String,
    pub(crate) client_id: String,
    pub(crate) username: String,
    pub(crate) auth_time: i64,
    pub(crate) origin_jti: String,
    /// When the refresh token stops working.
    pub(crate) expires: i64,
}

#[derive(Default)]
pub(crate) struct RefreshTokens {
    issued: Mutex<HashMap<String, SignIn>>,
}

impl RefreshTokens {
    pub(crate) fn issue(&self, sign_in: SignIn) -> String {
        let token = random::opaque();
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), sign_in);
        token
    }

    pub(crate) fn find(&self, token: &str) -> Option<SignIn> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }
}
