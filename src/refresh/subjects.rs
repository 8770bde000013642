//! The slots of subject tokens. Callers bring the tokens, so these slots are bounded in number, the least recently used goes
//! first, and none is kept beyond the end of its token.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use lru::LruCache;

use super::cell::Counts;
use super::slot::{Slot, Unserved};
use crate::clock::{Clock, Moment};
use crate::source::Ask;

/// How often ended tokens are let go of.
const SWEEP: Duration = Duration::from_secs(30);

/// The slots of one entry's subject tokens.
pub struct Subjects<T> {
    held: Arc<Mutex<Held<T>>>,
    clock: Clock,
}

struct Held<T> {
    slots: LruCache<Ask, Arc<Slot<T>>>,
    most: usize,
    /// What happened in slots that are no more.
    past: Counts,
    swept: bool,
}

/// What they look like from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crowd {
    /// Subject tokens for which something is held or sought.
    pub held: usize,
    /// As many are held at most.
    pub most: usize,
    /// What happened so far, of all together.
    pub counts: Counts,
}

impl<T: Send + Sync + 'static> Subjects<T> {
    /// Room for `most` subject tokens at a time.
    pub fn new(most: NonZeroUsize, clock: Clock) -> Self {
        // Grown as needed: a cap is not a reservation.
        let held = Held { slots: LruCache::unbounded(), most: most.get(), past: Counts::default(), swept: false };
        Self { held: Arc::new(Mutex::new(held)), clock }
    }

    /// The slot of `ask`, made by `start` if there is none.
    ///
    /// # Errors
    /// [`Unserved::Crowded`] if every slot is in the middle of a fetch.
    pub fn slot(&self, ask: &Ask, start: impl FnOnce() -> Slot<T>) -> Result<Arc<Slot<T>>, Unserved> {
        let mut held = lock(&self.held);
        if let Some(slot) = held.slots.get(ask) {
            return Ok(Arc::clone(slot));
        }
        if held.slots.len() >= held.most {
            held.make_room()?;
        }
        let slot = Arc::new(start());
        held.slots.push(ask.clone(), Arc::clone(&slot));
        if !std::mem::replace(&mut held.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(&self.held), self.clock.clone()));
        }
        Ok(slot)
    }

    /// What they look like from outside.
    pub fn crowd(&self) -> Crowd {
        let held = lock(&self.held);
        let counts = held.slots.iter().fold(held.past, |sum, (_, slot)| sum + slot.inspect(|cell| cell.counts));
        Crowd { held: held.slots.len(), most: held.most, counts }
    }
}

impl<T: Send + Sync + 'static> Held<T> {
    /// The least recently used of those that are not in the middle of a fetch makes room.
    fn make_room(&mut self) -> Result<(), Unserved> {
        let idle = self.slots.iter().rev().find(|(_, slot)| !slot.inspect(super::cell::Cell::is_fetching));
        let ask = idle.map(|(ask, _)| ask.clone()).ok_or(Unserved::Crowded)?;
        self.let_go(&ask);
        Ok(())
    }

    fn let_go(&mut self, ask: &Ask) {
        if let Some(slot) = self.slots.pop(ask) {
            self.past = self.past + slot.inspect(|cell| cell.counts);
        }
    }

    fn sweep(&mut self, now: Moment) {
        let has_ended = |ask: &Ask| ask.subject.as_ref().is_none_or(|subject| subject.expiry <= now);
        let ended: Vec<Ask> = self.slots.iter().map(|(ask, _)| ask).filter(|ask| has_ended(ask)).cloned().collect();
        ended.iter().for_each(|ask| self.let_go(ask));
    }
}

/// Lets go of ended tokens until there are none left, or the entry is gone.
async fn sweep<T: Send + Sync + 'static>(held: Weak<Mutex<Held<T>>>, clock: Clock) {
    loop {
        clock.sleep_until(clock.now().plus(SWEEP)).await;
        let Some(held) = held.upgrade() else { return };
        let mut held = lock(&held);
        held.sweep(clock.now());
        if held.slots.is_empty() {
            held.swept = false;
            return;
        }
    }
}

fn lock<T>(held: &Mutex<Held<T>>) -> MutexGuard<'_, Held<T>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "subjects_tests.rs"]
mod tests;
