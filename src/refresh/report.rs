//! What an entry looks like from outside. Nothing here holds a value.

use std::sync::Arc;

use super::budget::Demand;
use super::cell::Trouble;
use super::counts::Counts;
use super::schedule::Freshness;
use super::slot::Slot;
use super::subjects::Crowd;
use crate::clock::Moment;
use crate::source::Ask;

/// Where the values of an entry come from, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// In words.
    pub words: String,
    /// The full name of the entry before it in its chain.
    pub after: Option<String>,
    /// Is each answer of the source paid for, as Cognito's tokens for machines are?
    pub is_billed: bool,
}

impl From<&str> for Origin {
    fn from(words: &str) -> Self {
        words.to_owned().into()
    }
}

impl From<String> for Origin {
    fn from(words: String) -> Self {
        Self { words, after: None, is_billed: false }
    }
}

/// What an entry looks like from outside. Holds no value.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its full name.
    pub name: String,
    /// Where its values come from.
    pub origin: Origin,
    /// How its leases are kept fresh.
    pub freshness: Freshness,
    /// Every variation that was asked for, in a stable order.
    pub variations: Vec<(Ask, Snapshot)>,
    /// How the quota of the upstream stands, where there is one.
    pub demand: Option<Demand>,
    /// The subject tokens, where it is asked with such.
    pub crowd: Option<Crowd>,
}

/// What one variation looks like from outside.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Refresh-due and expiry of the lease held.
    pub lease: Option<Life>,
    /// Which of several secrets it was obtained with.
    pub obtained_with: Option<Arc<str>>,
    /// Scopes that were asked for and not granted.
    pub scopes_missing: Vec<String>,
    /// Is the source being asked?
    pub fetching: bool,
    /// What keeps it from being renewed.
    pub trouble: Option<Trouble>,
    /// What happened so far.
    pub counts: Counts,
}

/// The instants of a lease.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// When its life began.
    pub issued_at: Moment,
    /// When a replacement is sought.
    pub refresh_due: Moment,
    /// When it ends.
    pub expiry: Moment,
}

/// What `slot` looks like from outside.
pub fn snapshot<T: Send + Sync + 'static>(slot: &Slot<T>, now: Moment) -> Snapshot {
    slot.inspect(|cell| {
        let lease = cell.lease(now);
        let lease = lease.as_deref();
        Snapshot {
            lease: lease.map(|lease| Life {
                issued_at: lease.issued_at,
                refresh_due: lease.refresh_due,
                expiry: lease.expiry,
            }),
            obtained_with: lease.and_then(|lease| lease.obtained_with.clone()),
            scopes_missing: lease.map(|lease| lease.scopes_missing.clone()).unwrap_or_default(),
            fetching: cell.is_fetching(),
            trouble: cell.trouble().cloned(),
            counts: cell.counts,
        }
    })
}
