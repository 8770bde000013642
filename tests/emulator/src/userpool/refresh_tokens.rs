//! Refresh tokens that are out. Those that descend from one sign-in are a family, named by its `origin_jti`.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::random;

/// Whom a refresh token is for, and the sign-in it came from.
#[derive(Clone)]
pub(crate) struct SignIn {
    pub(crate) pool: String,
    pub(crate) client_id: String,
    pub(crate) username: String,
    pub(crate) auth_time: i64,
    pub(crate) origin_jti: String,
    /// When all refresh tokens of the family stop working.
    pub(crate) expires: i64,
}

/// Why a refresh token gets no tokens.
#[derive(Debug, PartialEq)]
pub(super) enum Unusable {
    Unknown,
    Expired,
    Revoked,
    /// It was replaced, and its grace period is over. The whole family is revoked now.
    Reused,
}

#[derive(Default)]
pub(crate) struct RefreshTokens {
    out: Mutex<Out>,
}

#[derive(Default)]
struct Out {
    tokens: HashMap<String, Issued>,
    revoked: HashSet<String>,
}

struct Issued {
    sign_in: SignIn,
    /// Until when it works all the same, once it is replaced.
    replaced: Option<i64>,
}

impl RefreshTokens {
    pub(crate) fn issue(&self, sign_in: SignIn) -> String {
        self.lock().issue(sign_in)
    }

    /// Whose token this is, whether or not it still works.
    pub(crate) fn find(&self, token: &str) -> Option<SignIn> {
        self.lock().tokens.get(token).map(|issued| issued.sign_in.clone())
    }

    /// Uses a token. With a grace period it is replaced, and its successor is the answer.
    pub(super) fn redeem(&self, token: &str, now: i64, grace: Option<u64>) -> Result<Option<String>, Unusable> {
        let mut out = self.lock();
        let sign_in = out.usable(token, now)?;
        let Some(grace) = grace else {
            return Ok(None);
        };
        if let Some(issued) = out.tokens.get_mut(token) {
            issued.replaced.get_or_insert(now.saturating_add_unsigned(grace));
        }
        Ok(Some(out.issue(sign_in)))
    }

    /// Revokes a token and all its family.
    pub(super) fn revoke(&self, sign_in: &SignIn) {
        self.lock().revoked.insert(sign_in.origin_jti.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Out {
    fn issue(&mut self, sign_in: SignIn) -> String {
        let token = random::opaque();
        self.tokens.insert(token.clone(), Issued { sign_in, replaced: None });
        token
    }

    fn usable(&mut self, token: &str, now: i64) -> Result<SignIn, Unusable> {
        let issued = self.tokens.get(token).ok_or(Unusable::Unknown)?;
        if issued.sign_in.expires <= now {
            return Err(Unusable::Expired);
        }
        if issued.replaced.is_some_and(|until| until <= now) {
            self.revoked.insert(issued.sign_in.origin_jti.clone());
            return Err(Unusable::Reused);
        }
        if self.revoked.contains(&issued.sign_in.origin_jti) {
            return Err(Unusable::Revoked);
        }
        Ok(issued.sign_in.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{RefreshTokens, SignIn, Unusable};

    fn first(tokens: &RefreshTokens) -> String {
        tokens.issue(SignIn {
            pool: "pool".into(),
            client_id: "client".into(),
            username: "robot".into(),
            auth_time: 0,
            origin_jti: "family".into(),
            expires: 1000,
        })
    }

    #[test]
    fn a_grace_period_begins_with_the_first_use_and_ends() {
        let tokens = RefreshTokens::default();
        let old = first(&tokens);
        let new = tokens.redeem(&old, 100, Some(10)).unwrap().unwrap();
        assert!(tokens.redeem(&old, 109, Some(10)).is_ok());
        assert_eq!(tokens.redeem(&old, 110, Some(10)), Err(Unusable::Reused));
        assert_eq!(tokens.redeem(&new, 110, Some(10)), Err(Unusable::Revoked));
    }

    #[test]
    fn without_grace_a_token_is_for_one_use() {
        let tokens = RefreshTokens::default();
        let old = first(&tokens);
        assert!(tokens.redeem(&old, 100, Some(0)).is_ok());
        assert_eq!(tokens.redeem(&old, 100, Some(0)), Err(Unusable::Reused));
    }

    #[test]
    fn a_successor_inherits_the_end() {
        let tokens = RefreshTokens::default();
        let new = tokens.redeem(&first(&tokens), 900, Some(60)).unwrap().unwrap();
        assert!(tokens.redeem(&new, 999, None).is_ok());
        assert_eq!(tokens.redeem(&new, 1000, None), Err(Unusable::Expired));
    }
}
