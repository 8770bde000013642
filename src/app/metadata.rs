//! The metadata of the issuers that something builds on: one stage for each, however many do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use url::Url;

use super::made::{Known, is_kept, kept};
use super::{AS_USED, Outside};
use crate::clock::Clock;
use crate::refresh::{Entry, Inputs};
use crate::source::discovery::{Discovery, Metadata};
use crate::source::upstream::Upstream;

/// The stages made so far, by the spelling of their issuer. Cloning shares them.
#[derive(Clone)]
pub struct Stages {
    made: Arc<Mutex<Known<Url, Metadata>>>,
    before: Arc<Known<Url, Metadata>>,
    upstream: Upstream,
    clock: Clock,
}

impl Stages {
    /// None yet; they will ask through `upstream`. Those of `before` go on where they are wanted again.
    pub fn new(upstream: Upstream, outside: &Outside, before: Option<&Self>) -> Self {
        let before = before.map(|before| before.made().clone()).unwrap_or_default();
        Self { made: Arc::default(), before: Arc::new(before), upstream, clock: outside.clock.clone() }
    }

    /// All of them are made.
    #[must_use]
    pub fn complete(self) -> Self {
        Self { before: Arc::default(), ..self }
    }

    /// That of the issuer at `url`, which spells itself `spelled`; and whether it was there before.
    pub fn of(&self, url: &Url, spelled: &str) -> (Arc<Entry<Metadata>>, bool) {
        let make = || {
            let clock = self.clock.clone();
            let source = Discovery::new(url.clone(), spelled.to_owned(), self.upstream.clone(), clock.clone());
            let name = format!("the issuer {spelled}");
            Arc::new(Entry::new(&name, spelled, Arc::new(source), Inputs::default(), AS_USED, clock))
        };
        let before = kept(Some(&self.before), spelled, |before| before == url);
        let mut made = self.made();
        let (_, entry) =
            made.entry(spelled.to_owned()).or_insert_with(|| (url.clone(), before.clone().unwrap_or_else(make)));
        (Arc::clone(entry), is_kept(before.as_ref(), entry))
    }

    fn made(&self) -> MutexGuard<'_, Known<Url, Metadata>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
