//! The metadata of the issuers that something builds on: one stage for each, however many do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use url::Url;

use super::{AS_USED, Outside};
use crate::clock::Clock;
use crate::refresh::{Entry, Inputs};
use crate::source::discovery::{Discovery, Metadata};
use crate::source::upstream::Upstream;

/// The stages made so far, by the spelling of their issuer. Cloning shares them.
#[derive(Clone)]
pub struct Stages {
    made: Arc<Mutex<BTreeMap<String, Arc<Entry<Metadata>>>>>,
    upstream: Upstream,
    clock: Clock,
}

impl Stages {
    /// None yet; they will ask through `upstream`.
    pub fn new(upstream: Upstream, outside: &Outside) -> Self {
        Self { made: Arc::default(), upstream, clock: outside.clock.clone() }
    }

    /// That of the issuer at `url`, which spells itself `spelled`.
    pub fn of(&self, url: &Url, spelled: &str) -> Arc<Entry<Metadata>> {
        let make = || {
            let clock = self.clock.clone();
            let source = Discovery::new(url.clone(), spelled.to_owned(), self.upstream.clone(), clock.clone());
            let name = format!("the issuer {spelled}");
            Arc::new(Entry::new(&name, spelled, Arc::new(source), Inputs::default(), AS_USED, clock))
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(made.entry(spelled.to_owned()).or_insert_with(make))
    }
}
