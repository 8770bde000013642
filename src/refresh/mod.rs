//! The refresh engine: what is held, when it is renewed, and who waits for it.
//!
//! [`schedule`] is arithmetic and [`cell`] a state machine, both pure; [`keeping`] is the task that carries their decisions
//! out, within a [`budget`], and [`slot`] what callers see of it; [`entry`] keeps one slot per variation of a named value; the [`Store`] is the door callers come through, and it
//! opens only with a [`Permit`].
//!
//! A chain (token → identity pool → role) is a source that holds another entry: every stage is cached once.

pub mod budget;
pub mod carried;
pub mod cell;
pub mod counts;
pub mod entry;
mod forgetting;
pub mod keeping;
pub mod report;
pub mod schedule;
pub mod setback;
#[cfg(test)]
mod simulation;
pub mod slot;
pub mod subjects;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use carried::{Carried, Held};
pub use cell::CacheState;
pub use entry::{Entry, Inputs};
pub use report::{Origin, Report};
use schedule::{Freshness, Keep};
pub use slot::{Served, Unserved};
pub use subjects::Crowd;

use crate::lease::Lease;
use crate::policy::{Grant, Permit};
use crate::source::{Ask, AwsCredentials, BearerToken, Stage as _, Subject};

/// A cold request is answered within a second, because the AWS SDK for JavaScript gives up then; this leaves time to say so.
pub const PATIENCE: Duration = Duration::from_millis(850);

/// Every named token and set of credentials.
#[derive(Debug)]
pub struct Store {
    tokens: BTreeMap<String, Token>,
    credentials: BTreeMap<String, Credentials>,
    own: Arc<Entry<AwsCredentials>>,
}

/// Named credentials.
#[derive(Debug)]
pub struct Credentials {
    /// Their entry.
    pub entry: Arc<Entry<AwsCredentials>>,
    /// How fresh they are to be kept.
    pub freshness: Freshness,
    /// Whose they are.
    pub on_behalf_of: OnBehalfOf,
}

/// Whose credentials are handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnBehalfOf {
    /// Always the same one's.
    Itself,
    /// Those of the user of a subject token, which the issuer of this name has verified; of one that whoever issues the
    /// credentials verifies, where no issuer is named.
    Subject(Option<String>),
}

/// A named token.
#[derive(Debug)]
pub struct Token {
    /// Its entry.
    pub entry: Arc<Entry<BearerToken>>,
    /// How fresh it is to be kept.
    pub freshness: Freshness,
    /// What it may be narrowed to.
    pub scopes: Vec<String>,
}

impl Store {
    /// A store of `tokens` and `credentials`, by name; `own` is the broker's own identity, one of them or none.
    pub fn new(
        tokens: BTreeMap<String, Token>,
        credentials: BTreeMap<String, Credentials>,
        own: Arc<Entry<AwsCredentials>>,
    ) -> Self {
        Self { tokens, credentials, own }
    }

    /// The token that `permit` is for, narrowed to `scopes` if given (sorted, a subset of the configured ones).
    /// `None` if the permit is not for a token held here.
    pub async fn token(
        &self,
        permit: &Permit,
        scopes: Option<Vec<String>>,
    ) -> Option<Result<Served<BearerToken>, Unserved>> {
        let Grant::Token(name) = permit.grant() else { return None };
        let ask = Ask { caller: Some(permit.caller().to_owned()), scopes, subject: None };
        Some(self.tokens.get(name)?.entry.lease(&ask, PATIENCE).await)
    }

    /// Asks for a token issued after `than`, with which somebody was refused; not more often than the engine asks early at all.
    /// The one held is served meanwhile.
    pub fn renew_token(&self, permit: &Permit, than: Arc<Lease<BearerToken>>) {
        let Grant::Token(name) = permit.grant() else { return };
        let Some(entry) = self.tokens.get(name).map(|token| Arc::clone(&token.entry)) else { return };
        let ask = Ask { caller: Some(permit.caller().to_owned()), ..Ask::default() };
        tokio::spawn(async move { entry.newer(&ask, &than).await });
    }

    /// The credentials that `permit` is for, of the user of `subject` if given; `waited` is how long the caller has waited for
    /// something else already. `None` if the permit is not for credentials held here.
    pub async fn credentials(
        &self,
        permit: &Permit,
        subject: Option<Arc<Subject>>,
        waited: Duration,
    ) -> Option<Result<Served<AwsCredentials>, Unserved>> {
        let Grant::Credentials(name) = permit.grant() else { return None };
        let ask = Ask { caller: Some(permit.caller().to_owned()), scopes: None, subject };
        Some(self.credentials.get(name)?.entry.lease(&ask, PATIENCE.saturating_sub(waited)).await)
    }

    /// The credentials that `permit` is for, for an asker to whom less life than `enough` is too little: as long as the source
    /// answers they have it, where their lifetime is twice that. `None` if the permit is not for credentials held here.
    pub async fn lasting_credentials(
        &self,
        permit: &Permit,
        enough: Duration,
    ) -> Option<Result<Served<AwsCredentials>, Unserved>> {
        let Grant::Credentials(name) = permit.grant() else { return None };
        let ask = Ask { caller: Some(permit.caller().to_owned()), ..Ask::default() };
        Some(self.credentials.get(name)?.entry.lease_of(&ask, PATIENCE, enough).await)
    }

    /// The scopes that `tokens.NAME` may be narrowed to; `None` if there is no such token.
    pub fn scopes_of(&self, name: &str) -> Option<&[String]> {
        self.tokens.get(name).map(|token| token.scopes.as_slice())
    }

    /// Whose `credentials.NAME` are; `None` if there are no such credentials.
    pub fn on_behalf_of(&self, name: &str) -> Option<&OnBehalfOf> {
        self.credentials.get(name).map(|credentials| &credentials.on_behalf_of)
    }

    /// The `keep = "always"` entries with every variation of them that is kept: where the caller matters, one for each of
    /// `callers_of` the entry.
    pub fn always_kept(&self, callers_of: impl Fn(&Grant) -> Vec<String>) -> Vec<(Grant, Ask)> {
        fn variations<T: Send + Sync + 'static>(entry: &Entry<T>, keep: Keep, callers: Vec<String>) -> Vec<Ask> {
            match (keep == Keep::Always, entry.inputs().caller) {
                (false, _) => Vec::new(),
                (true, false) => vec![Ask::default()],
                (true, true) => {
                    callers.into_iter().map(|caller| Ask { caller: Some(caller), ..Ask::default() }).collect()
                }
            }
        }
        let mut all = Vec::new();
        for (name, token) in &self.tokens {
            let grant = Grant::Token(name.clone());
            all.extend(
                variations(&token.entry, token.freshness.keep, callers_of(&grant))
                    .into_iter()
                    .map(|ask| (grant.clone(), ask)),
            );
        }
        for (name, credentials) in &self.credentials {
            let grant = Grant::Credentials(name.clone());
            all.extend(
                variations(&credentials.entry, credentials.freshness.keep, callers_of(&grant))
                    .into_iter()
                    .map(|ask| (grant.clone(), ask)),
            );
        }
        all
    }

    /// Starts keeping what `grant` names fresh for `ask`, if it is always kept. Nothing is handed out, so no permit is asked
    /// for.
    pub fn prefetch(&self, grant: &Grant, ask: &Ask) {
        match grant {
            Grant::Token(name) => self.tokens.get(name).into_iter().for_each(|token| token.entry.prefetch(ask)),
            Grant::Credentials(name) => {
                self.credentials.get(name).into_iter().for_each(|held| held.entry.prefetch(ask));
            }
            Grant::Issuer(_) => {}
        }
    }

    /// From now on its entries are kept as fresh as it says. Others may share them until then, and keep them otherwise.
    pub fn govern(&self) {
        self.tokens.values().for_each(|token| token.entry.keep_by(&token.freshness));
        self.credentials.values().for_each(|held| held.entry.keep_by(&held.freshness));
    }

    /// Is a value held that could be served?
    pub fn is_usable(&self, grant: &Grant, ask: &Ask) -> bool {
        match grant {
            Grant::Token(name) => self.tokens.get(name).is_some_and(|token| token.entry.is_usable(ask)),
            Grant::Credentials(name) => self.credentials.get(name).is_some_and(|held| held.entry.is_usable(ask)),
            Grant::Issuer(_) => false,
        }
    }

    /// What the tokens look like from outside.
    pub fn token_reports(&self) -> Vec<Report> {
        self.tokens.values().map(|token| token.entry.report()).collect()
    }

    /// What the credentials look like from outside.
    pub fn credentials_reports(&self) -> Vec<Report> {
        self.credentials.values().map(|held| held.entry.report()).collect()
    }

    /// What the broker's own identity looks like from outside.
    pub fn own_report(&self) -> Report {
        self.own.report()
    }
}
