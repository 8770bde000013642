//! The slots of subject tokens. Callers bring the tokens, so these slots are bounded in number, the least recently used goes
//! first, and none is kept beyond the end of its token, nor beyond that of what was obtained with it.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use lru::LruCache;

use super::cell::{Cell, Trouble};
use super::counts::Counts;
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
#[derive(Clone, Debug, Default)]
pub struct Crowd {
    /// Subject tokens for which something is held or sought.
    pub held: usize,
    /// As many are held at most.
    pub most: usize,
    /// What happened so far, of all together.
    pub counts: Counts,
    /// The latest failure for any of them.
    pub trouble: Option<Trouble>,
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
    /// [`Unserved::Crowded`] if every slot is in the middle of a fetch; for a new one, the `setback` that the source suffers.
    pub fn slot(
        &self,
        ask: &Ask,
        setback: impl FnOnce() -> Option<Unserved>,
        start: impl FnOnce() -> Slot<T>,
    ) -> Result<Arc<Slot<T>>, Unserved> {
        let mut held = lock(&self.held);
        if let Some(slot) = held.slots.get(ask) {
            return Ok(Arc::clone(slot));
        }
        if let Some(setback) = setback() {
            return Err(setback);
        }
        if held.slots.len() >= held.most {
            held.make_room(self.clock.now())?;
        }
        let slot = Arc::new(start());
        held.slots.push(ask.clone(), Arc::clone(&slot));
        if !std::mem::replace(&mut held.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(&self.held), self.clock.clone()));
        }
        Ok(slot)
    }

    /// Lets go of all but those that `stays` says it of.
    pub fn retain(&self, stays: impl Fn(&Ask) -> bool) {
        let mut held = lock(&self.held);
        let ended: Vec<Ask> = held.slots.iter().map(|(ask, _)| ask).filter(|ask| !stays(ask)).cloned().collect();
        ended.iter().for_each(|ask| held.let_go(ask));
    }

    /// Does `act` with each slot.
    pub fn each(&self, act: impl Fn(&Slot<T>)) {
        lock(&self.held).slots.iter().for_each(|(_, slot)| act(slot));
    }

    /// What they look like from outside.
    pub fn crowd(&self) -> Crowd {
        let held = lock(&self.held);
        let counts = held.slots.iter().fold(held.past, |sum, (_, slot)| sum + slot.inspect(|cell| cell.counts));
        let troubles = held.slots.iter().filter_map(|(_, slot)| slot.inspect(|cell| cell.trouble().cloned()));
        let trouble = troubles.max_by_key(|trouble| trouble.retry_at);
        Crowd { held: held.slots.len(), most: held.most, counts, trouble }
    }
}

impl<T: Send + Sync + 'static> Held<T> {
    /// Of those that are not in the middle of a fetch one makes room: first one with nothing to serve, so that tokens that are
    /// refused drive out nobody, else the least recently used.
    fn make_room(&mut self, now: Moment) -> Result<(), Unserved> {
        let idle = |(_, slot): &(&Ask, &Arc<Slot<T>>)| !slot.inspect(Cell::is_sought);
        let empty = |(_, slot): &(&Ask, &Arc<Slot<T>>)| slot.inspect(|cell| cell.is_refused(now));
        let mut waiting = self.slots.iter().filter(idle);
        let found = waiting.find(empty).or_else(|| self.slots.iter().rev().find(idle));
        let ask = found.map(|(ask, _)| ask.clone()).ok_or(Unserved::Crowded)?;
        self.let_go(&ask);
        Ok(())
    }

    fn let_go(&mut self, ask: &Ask) {
        if let Some(slot) = self.slots.pop(ask) {
            self.past = self.past + slot.inspect(|cell| cell.counts);
        }
    }

    fn sweep(&mut self, now: Moment) {
        let has_ended = |(ask, slot): &(&Ask, &Arc<Slot<T>>)| {
            ask.subject.as_ref().is_none_or(|subject| subject.expiry <= now) || slot.inspect(|cell| cell.is_spent(now))
        };
        let ended: Vec<Ask> = self.slots.iter().filter(has_ended).map(|(ask, _)| ask.clone()).collect();
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
