//! The refresh engine: what is held, when it is renewed, and who waits for it.
//!
//! [`schedule`] is arithmetic and [`cell`] a state machine, both pure; [`slot`] is the task that carries their decisions
//! out; [`entry`] keeps one slot per variation of a named value; the [`Store`] is the door callers come through, and it
//! opens only with a [`Permit`].
//!
//! A chain (token → identity pool → role) is a source that holds another entry: every stage is cached once.

pub mod cell;
pub mod entry;
pub mod schedule;
pub mod slot;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use cell::CacheState;
pub use entry::{Entry, Inputs};
pub use slot::{Served, Unserved};

use crate::policy::{Grant, Permit};
use crate::source::{Ask, AwsCredentials, BearerToken};

/// A cold request is answered within a second, because the AWS SDK for JavaScript gives up then; this leaves time to say so.
pub const PATIENCE: Duration = Duration::from_millis(850);

/// Every named token and set of credentials.
#[derive(Debug, Default)]
pub struct Store {
    /// `tokens.NAME`, by NAME.
    pub(crate) tokens: BTreeMap<String, Arc<Entry<BearerToken>>>,
    /// `credentials.NAME`, by NAME.
    pub(crate) credentials: BTreeMap<String, Arc<Entry<AwsCredentials>>>,
}

impl Store {
    /// The token that `permit` is for, narrowed to `scopes` if given (sorted, a subset of the configured ones).
    /// `None` if the permit is not for a token held here.
    pub async fn token(&self, permit: &Permit, scopes: Option<Vec<String>>) -> Option<Result<Served<BearerToken>, Unserved>> {
        let Grant::Token(name) = permit.grant() else { return None };
        let ask = Ask { caller: Some(permit.caller().to_owned()), scopes };
        Some(self.tokens.get(name)?.lease(&ask, PATIENCE).await)
    }

    /// The credentials that `permit` is for. `None` if the permit is not for credentials held here.
    pub async fn credentials(&self, permit: &Permit) -> Option<Result<Served<AwsCredentials>, Unserved>> {
        let Grant::Credentials(name) = permit.grant() else { return None };
        let ask = Ask { caller: Some(permit.caller().to_owned()), scopes: None };
        Some(self.credentials.get(name)?.lease(&ask, PATIENCE).await)
    }
}
