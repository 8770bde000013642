//! How much is asked of a source: so many requests at once for one entry, so many retries of what is in no hurry, and so many
//! a second against a quota of the upstream, which entries share.
//!
//! Who waits stands in a line. Whoever is needed at once comes before what is renewed ahead of time; among equals the entries
//! take turns, however many of one entry stand there; and within an entry the first to come goes first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Clock, Moment};

/// One entry has so many requests on the way at most: a source that hangs holds up its own entry and no other.
pub const MOST_AT_ONCE: usize = 32;

/// Retries of one entry that have time yet. Each success makes them all available again.
pub const RETRIES: Rate = Rate { per_second: 0.1, at_once: 10.0 };

/// How soon something has to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Somebody waits for it, or what is held is about to end.
    Now,
    /// What is held lasts a while yet.
    Ahead,
    /// The same, and the source has just failed.
    Again,
}

/// So many requests at once, and then so many a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// In the long run.
    pub per_second: f64,
    /// After a pause.
    pub at_once: f64,
}

/// A quota of an upstream.
#[derive(Debug)]
pub struct Quota {
    name: Arc<str>,
    line: Line,
    clock: Clock,
}

impl Quota {
    /// At most `rate`, by `clock`, of what people call `name`.
    pub fn new(name: &str, rate: Rate, clock: Clock) -> Self {
        Self { name: name.into(), line: Line::new(Supply::Flow(Bucket::full(rate, clock.now()))), clock }
    }
}

/// How a quota stands, seen from an entry that counts against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// What the quota is called.
    pub quota: Arc<str>,
    /// Requests that wait for it.
    pub waiting: usize,
    /// Those of them that are this entry's.
    pub own: usize,
    /// Requests that had to wait for it and have been made.
    pub waited: u64,
}

/// What one entry may ask for.
#[derive(Debug)]
pub struct Share {
    clock: Clock,
    places: Line,
    retries: Line,
    quota: Option<Arc<Quota>>,
    /// Requests of this entry in the quota's line.
    standing: AtomicUsize,
    /// How far this entry has got in the quota's line.
    reached: [AtomicU64; 2],
}

/// The right to make one request, given back when it is dropped.
#[derive(Debug)]
pub struct Place<'a>(&'a Share);

impl Share {
    /// For an entry whose upstream has no quota that is known.
    pub fn new(clock: Clock) -> Self {
        let retries = Bucket::full(RETRIES, clock.now());
        Self {
            places: Line::new(Supply::Places(MOST_AT_ONCE)),
            retries: Line::new(Supply::Flow(retries)),
            quota: None,
            standing: AtomicUsize::new(0),
            reached: Default::default(),
            clock,
        }
    }

    /// The same, within `quota`.
    pub fn within(self, quota: Arc<Quota>) -> Self {
        Self { quota: Some(quota), ..self }
    }

    /// Waits until a request may be made. Who stops waiting leaves nothing behind.
    pub async fn turn(&self, urgency: Urgency) -> Place<'_> {
        let alone = [const { AtomicU64::new(0) }; 2];
        if urgency == Urgency::Again {
            self.retries.pass(&self.clock, urgency, &alone).await;
        }
        self.places.pass(&self.clock, urgency, &alone).await;
        let place = Place(self);
        if let Some(quota) = &self.quota {
            let _one_more = OneMore::of(&self.standing);
            quota.line.pass(&quota.clock, urgency, &self.reached).await;
        }
        place
    }

    /// How the quota stands, if there is one.
    pub fn demand(&self) -> Option<Demand> {
        self.quota.as_ref().map(|quota| {
            let line = quota.line.standing();
            let (waiting, waited) = (line.waiting.len(), line.waited);
            Demand { quota: Arc::clone(&quota.name), waiting, own: self.standing.load(Ordering::Relaxed), waited }
        })
    }

    /// The source has answered well, so whoever failed before may try again.
    pub fn succeeded(&self) {
        self.retries.give(|supply| {
            if let Supply::Flow(bucket) = supply {
                bucket.held = bucket.rate.at_once;
            }
        });
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.places.give(|supply| {
            if let Supply::Places(free) = supply {
                *free += 1;
            }
        });
    }
}

/// Counts in a number, until it is dropped.
struct OneMore<'a>(&'a AtomicUsize);

impl<'a> OneMore<'a> {
    fn of(number: &'a AtomicUsize) -> Self {
        number.fetch_add(1, Ordering::Relaxed);
        Self(number)
    }
}

impl Drop for OneMore<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Those who wait for the same thing, in their order.
#[derive(Debug)]
struct Line(Mutex<Standing>);

#[derive(Debug)]
struct Standing {
    supply: Supply,
    waiting: BTreeMap<Turn, Arc<Notify>>,
    /// Up to where those of each rank have been served.
    reached: [u64; 2],
    came: u64,
    /// Those who had to wait and have passed.
    waited: u64,
}

#[derive(Debug)]
enum Supply {
    Places(usize),
    Flow(Bucket),
}

/// When somebody is served: by rank, then by how much its entry had, then by who came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    rank: usize,
    round: u64,
    number: u64,
}

/// What somebody finds that looks whether it may go.
enum Found {
    Passed,
    /// First in the line, for something that is there at this moment.
    First(Moment),
    Behind,
}

impl Line {
    fn new(supply: Supply) -> Self {
        Self(Mutex::new(Standing { supply, waiting: BTreeMap::new(), reached: [0; 2], came: 0, waited: 0 }))
    }

    async fn pass(&self, clock: &Clock, urgency: Urgency, reached: &[AtomicU64; 2]) {
        let bell = Arc::new(Notify::new());
        let waiter = Waiter { line: self, turn: self.standing().join(urgency, reached, Arc::clone(&bell)) };
        let mut has_waited = false;
        loop {
            let found = self.standing().look(waiter.turn, clock.now());
            match found {
                Found::Passed => break,
                Found::First(moment) => tokio::select! {
                    biased;
                    () = bell.notified() => {},
                    () = clock.sleep_until(moment) => {},
                },
                Found::Behind => bell.notified().await,
            }
            has_waited = true;
        }
        self.standing().waited += u64::from(has_waited);
    }

    fn give(&self, more: impl FnOnce(&mut Supply)) {
        let mut standing = self.standing();
        more(&mut standing.supply);
        standing.ring();
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    fn join(&mut self, urgency: Urgency, reached: &[AtomicU64; 2], bell: Arc<Notify>) -> Turn {
        let rank = usize::from(urgency != Urgency::Now);
        // Whoever had nothing for a while has saved nothing up.
        let round = self.reached[rank].max(reached[rank].load(Ordering::Relaxed)) + 1;
        reached[rank].store(round, Ordering::Relaxed);
        self.came += 1;
        let turn = Turn { rank, round, number: self.came };
        self.waiting.insert(turn, bell);
        turn
    }

    fn look(&mut self, turn: Turn, now: Moment) -> Found {
        if self.waiting.first_key_value().is_some_and(|(first, _)| *first != turn) {
            return Found::Behind;
        }
        match self.supply.take(now) {
            Ok(()) => {
                self.reached[turn.rank] = self.reached[turn.rank].max(turn.round.saturating_sub(1));
                Found::Passed
            }
            Err(Some(moment)) => Found::First(moment),
            Err(None) => Found::Behind,
        }
    }

    /// Tells the first to look.
    fn ring(&self) {
        if let Some((_, bell)) = self.waiting.first_key_value() {
            bell.notify_one();
        }
    }
}

impl Supply {
    /// Takes one; else says when there is one, if that is known.
    fn take(&mut self, now: Moment) -> Result<(), Option<Moment>> {
        match self {
            Self::Places(0) => Err(None),
            Self::Places(free) => {
                *free -= 1;
                Ok(())
            }
            Self::Flow(bucket) => bucket.take(now).map_err(Some),
        }
    }
}

/// Somebody in a line, until it has passed or gone.
struct Waiter<'a> {
    line: &'a Line,
    turn: Turn,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut standing = self.line.standing();
        standing.waiting.remove(&self.turn);
        standing.ring();
    }
}

#[derive(Debug)]
struct Bucket {
    rate: Rate,
    held: f64,
    at: Moment,
}

impl Bucket {
    fn full(rate: Rate, now: Moment) -> Self {
        Self { rate, held: rate.at_once, at: now }
    }

    fn take(&mut self, now: Moment) -> Result<(), Moment> {
        let more = now.since(self.at).as_secs_f64() * self.rate.per_second;
        (self.held, self.at) = ((self.held + more).min(self.rate.at_once), now);
        if self.held < 1.0 {
            // Rounded up, or the last bit of the fraction would be waited for over and over.
            let missing = Duration::from_secs_f64((1.0 - self.held) / self.rate.per_second);
            return Err(now.plus(missing + Duration::from_millis(1)));
        }
        self.held -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
