//! The simulated source.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use fastrand::Rng;

use super::super::Entry;
use super::faults::{Deed, Moods};
use super::ledger::{Ledger, Outcome};
use crate::clock::{Clock, Moment};
use crate::lease::Issued;
use crate::source::{Ask, Failure, Source, Stage as _};

/// What is issued.
#[derive(Debug)]
pub struct Minted {
    /// No two are the same.
    pub serial: u64,
    /// When the source says that it ends.
    pub end: Moment,
}

/// A source in moods.
pub struct Upstream {
    pub node: usize,
    pub clock: Clock,
    pub moods: Moods,
    pub after: Option<Arc<Entry<Minted>>>,
    pub ledger: Arc<Ledger>,
    pub seed: u64,
    pub asked: AtomicU64,
}

#[async_trait]
impl Source<Minted> for Upstream {
    async fn fetch(&self, ask: &Ask) -> Result<Issued<Minted>, Failure> {
        let sent_at = self.clock.now();
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let flight = self.ledger.begins(self.node, ask, sent_at);
        let outcome = self.outcome(ask, sent_at, number).await;
        let seen = match &outcome {
            Ok(issued) => {
                let end = ask.subject.as_ref().map_or(issued.expiry, |subject| subject.expiry.min(issued.expiry));
                Outcome::Issued { serial: issued.value.serial, sent_at, end, lasts: end == issued.expiry }
            }
            Err(failure) => Outcome::Failed { kind: failure.kind, pause: failure.retry_after },
        };
        flight.ends(seen);
        outcome
    }
}

impl Upstream {
    async fn outcome(&self, ask: &Ask, sent_at: Moment, number: u64) -> Result<Issued<Minted>, Failure> {
        if let Some(stage) = &self.after {
            stage.held(ask).await?;
        }
        let mut dice = Rng::with_seed(self.seed ^ (number << 8) ^ self.node as u64);
        let (takes, deed) = self.moods.deed(self.clock.now(), &mut dice);
        tokio::time::sleep(takes).await;
        match deed {
            Deed::Issue(lifetime) => {
                let end = sent_at.plus(lifetime);
                Ok(Issued::new(Minted { serial: number, end }, sent_at, end))
            }
            Deed::Fail(failure) => Err(failure),
            Deed::Hang => std::future::pending().await,
            // As a panic, but without its lines on the terminal.
            Deed::Panic => std::panic::resume_unwind(Box::new("as told")),
        }
    }
}
