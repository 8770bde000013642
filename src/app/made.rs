//! The entries of one configuration, each with what it was made from: what stays as it is in the next configuration goes on there,
//! with its lease, its task and its counts. Compared is what an entry does, which names the places of its secrets and never holds one. How fresh it is
//! kept is not: that can change while it is held.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;

use super::issuers::KeySets;
use super::metadata::Stages;
use crate::config::{Credentials, Token};
use crate::refresh::Entry;
use crate::source::aws::{self, Sdk};
use crate::source::keyring::Remote;
use crate::source::{AwsCredentials, BearerToken};

/// Entries by name, each with what it was made from.
pub type Known<D, T> = BTreeMap<String, (D, Arc<Entry<T>>)>;

/// All entries of one configuration.
pub struct Made {
    /// The settings of the SDK, of which there is one for all.
    pub sdk: (aws::Config, Arc<Sdk>),
    /// The broker's own identity.
    pub own: Arc<Entry<AwsCredentials>>,
    /// `tokens.NAME`.
    pub tokens: Known<Token, BearerToken>,
    /// `credentials.NAME`.
    pub credentials: Known<Credentials, AwsCredentials>,
    /// Secrets at AWS.
    pub secrets: BTreeMap<Remote, Arc<Entry<SecretString>>>,
    /// The metadata of issuers.
    pub metadata: Stages,
    /// The keys of `issuers.NAME`.
    pub key_sets: KeySets,
}

/// The entry `name`, if there was one that was made from what `is_same`.
pub fn kept<D, T>(known: Option<&Known<D, T>>, name: &str, is_same: impl Fn(&D) -> bool) -> Option<Arc<Entry<T>>> {
    let (before, entry) = known?.get(name)?;
    is_same(before).then(|| Arc::clone(entry))
}

/// Is `now` the very entry that was there before?
pub fn is_kept<T>(before: Option<&Arc<Entry<T>>>, now: &Arc<Entry<T>>) -> bool {
    before.is_some_and(|before| Arc::ptr_eq(before, now))
}
