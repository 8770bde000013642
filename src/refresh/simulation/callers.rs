//! Callers: each asks, now and then hangs up, and tells the ledger what it got.

use std::sync::{Arc, Weak};
use std::time::Duration;

use fastrand::Rng;
use secrecy::SecretString;

use super::super::{Entry, PATIENCE};
use super::flight::Minted;
use super::ledger::Ledger;
use super::world::Nodes;
use crate::clock::{Clock, Moment};
use crate::source::{Ask, Stage as _, Subject};

/// A stage that is asked for something newer takes no longer.
const STAGE_PATIENCE: Duration = Duration::from_secs(20);

/// One caller, with dice of its own.
pub struct Caller {
    pub nodes: Nodes,
    pub clock: Clock,
    pub ledger: Arc<Ledger>,
    pub dice: Rng,
    pub subjects: Arc<Vec<Arc<Subject>>>,
}

/// The users of a world, whose tokens end at some time before `end` or after it.
pub fn subjects(dice: &mut Rng, start: Moment, end: Moment) -> Arc<Vec<Arc<Subject>>> {
    let whole = end.since(start);
    let subject = |number: usize, dice: &mut Rng| {
        let expiry = start.plus(whole.mul_f64(dice.f64() * 1.5));
        Arc::new(Subject::new(SecretString::from(format!("user-{number}")), expiry, None))
    };
    Arc::new((0..4).map(|number| subject(number, dice)).collect())
}

impl Caller {
    /// Asks until `end`, after pauses of up to `pause`.
    pub async fn live(mut self, end: Moment, pause: Duration) {
        while self.clock.now() < end {
            tokio::time::sleep(pause.mul_f64(self.dice.f64())).await;
            let node = self.dice.usize(0..self.nodes.len());
            let Some((number, entry)) = self.nodes.at(node) else { continue };
            let Some(ask) = self.ask(&entry) else { continue };
            match self.dice.u8(0..20) {
                0 => self.crowd(number, &entry, &ask).await,
                1 | 2 => self.hang_up(number, &entry, &ask).await,
                3 => self.hurry(number, &entry, &ask).await,
                _ => asks(&self.clock, &self.ledger, number, &entry, &ask).await,
            }
        }
    }

    /// What is asked for; nothing with a token that has ended, which never comes so far.
    fn ask(&mut self, entry: &Entry<Minted>) -> Option<Ask> {
        let inputs = entry.inputs();
        if inputs.subject.is_some() {
            let subject = Arc::clone(&self.subjects[self.dice.usize(0..self.subjects.len())]);
            return (self.clock.now() < subject.expiry).then(|| Ask { subject: Some(subject), ..Ask::default() });
        }
        Some(match self.dice.u8(0..8) {
            0 if inputs.scopes => Ask { scopes: Some(vec![self.dice.u8(0..2).to_string()]), ..Ask::default() },
            1 if inputs.caller => Ask { caller: Some(self.dice.u8(0..2).to_string()), ..Ask::default() },
            _ => Ask::default(),
        })
    }

    async fn crowd(&self, node: usize, entry: &Arc<Entry<Minted>>, ask: &Ask) {
        let crowd: Vec<_> = (0..10)
            .map(|_| {
                let (clock, ledger) = (self.clock.clone(), Arc::clone(&self.ledger));
                let (entry, ask) = (Arc::clone(entry), ask.clone());
                tokio::spawn(async move { asks(&clock, &ledger, node, &entry, &ask).await })
            })
            .collect();
        for one in crowd {
            if one.await.is_err() {
                self.ledger.breaks("a caller panicked".to_owned());
            }
        }
    }

    async fn hang_up(&mut self, node: usize, entry: &Entry<Minted>, ask: &Ask) {
        let patience = Duration::from_millis(self.dice.u64(0..900));
        let asking = asks(&self.clock, &self.ledger, node, entry, ask);
        tokio::time::timeout(patience, asking).await.ok();
    }

    /// Whoever was refused with what it got asks for something newer.
    async fn hurry(&self, node: usize, entry: &Entry<Minted>, ask: &Ask) {
        let Ok(held) = entry.lease(ask, PATIENCE).await else { return };
        let before = self.clock.now();
        self.ledger.hurries(node, ask);
        let newer = entry.newer(ask, &held.lease).await;
        let now = self.clock.now();
        let slept = self.ledger.resumed().is_some_and(|at| at >= before);
        if now.since(before) > STAGE_PATIENCE + Duration::from_millis(3) && !slept {
            self.ledger.breaks(format!("somebody waited {:?} for something newer", now.since(before)));
        }
        if newer.is_some_and(|newer| newer.issued_at <= held.lease.issued_at || now >= newer.value.end) {
            self.ledger.breaks("what was handed out as newer is not".to_owned());
        }
    }
}

/// Asks once, and tells the ledger.
async fn asks(clock: &Clock, ledger: &Ledger, node: usize, entry: &Entry<Minted>, ask: &Ask) {
    let before = clock.now();
    let outcome = entry.lease(ask, PATIENCE).await;
    ledger.answered(node, ask, before, &outcome);
}

/// Is it gone, as everything is that nobody holds?
pub fn is_gone<T>(it: &Weak<T>) -> bool {
    it.upgrade().is_none()
}
