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
    /// The scopes configured for `tokens.NAME`, by NAME.
    pub(crate) scopes: BTreeMap<String, Vec<String>>,
    /// `credentials.NAME`, by NAME.
    pub(crate) credentials: BTreeMap<String, Arc<Entry<AwsCredentials>>>,
}

impl Store {
    /// The scopes that `tokens.NAME` may be narrowed to; `None` if there is no such token.
    pub fn scopes_of(&self, name: &str) -> Option<&[String]> {
        self.tokens.contains_key(name).then(|| self.scopes.get(name).map_or(&[][..], Vec::as_slice))
    }

    /// Is there a `credentials.NAME`?
    pub fn has_credentials(&self, name: &str) -> bool {
        self.credentials.contains_key(name)
    }

    /// The `keep = "always"` entries with every variation of them that can be asked for: where the caller matters, one for
    /// each of `callers_of` the entry.
    pub fn always_kept(&self, callers_of: impl Fn(&Grant) -> Vec<String>) -> Vec<(Grant, Ask)> {
        fn variations<T: Send + Sync + 'static>(entry: &Entry<T>, callers: Vec<String>) -> Vec<Ask> {
            match (entry.freshness().keep, entry.inputs().caller) {
                (schedule::Keep::Used, _) => Vec::new(),
                (schedule::Keep::Always, false) => vec![Ask::default()],
                (schedule::Keep::Always, true) => {
                    callers.into_iter().map(|caller| Ask { caller: Some(caller), scopes: None }).collect()
                }
            }
        }
        let mut all = Vec::new();
        for (name, entry) in &self.tokens {
            let grant = Grant::Token(name.clone());
            all.extend(variations(entry, callers_of(&grant)).into_iter().map(|ask| (grant.clone(), ask)));
        }
        for (name, entry) in &self.credentials {
            let grant = Grant::Credentials(name.clone());
            all.extend(variations(entry, callers_of(&grant)).into_iter().map(|ask| (grant.clone(), ask)));
        }
        all
    }

    /// Starts fetching what `grant` names, for `ask`, if it is always kept. Nothing is handed out, so no permit is asked for.
    pub fn prefetch(&self, grant: &Grant, ask: &Ask) {
        match grant {
            Grant::Token(name) => self.tokens.get(name).into_iter().for_each(|entry| entry.prefetch(ask)),
            Grant::Credentials(name) => self.credentials.get(name).into_iter().for_each(|entry| entry.prefetch(ask)),
            Grant::Issuer(_) => {}
        }
    }

    /// How many `keep = "always"` entries have nothing to serve at the moment.
    pub fn always_kept_without_value(&self) -> usize {
        fn waiting<T: Send + Sync + 'static>(entry: &Arc<Entry<T>>) -> bool {
            entry.freshness().keep == schedule::Keep::Always && !entry.is_usable()
        }
        self.tokens.values().filter(|entry| waiting(entry)).count()
            + self.credentials.values().filter(|entry| waiting(entry)).count()
    }

    /// The token that `permit` is for, narrowed to `scopes` if given (sorted, a subset of the configured ones).
    /// `None` if the permit is not for a token held here.
    pub async fn token(
        &self,
        permit: &Permit,
        scopes: Option<Vec<String>>,
    ) -> Option<Result<Served<BearerToken>, Unserved>> {
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
