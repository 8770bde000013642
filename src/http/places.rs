//! Who has a place: the connections that are served at once, and who goes when they are too many.
//!
//! A connection costs its peer nothing, so places are not for whoever came first. When all are taken, or one user holds its share
//! of them, a newcomer gets the place of a connection that is not being answered: one of the user who holds most, first one that
//! never completed a request, then the one that has been silent longest. Nobody loses its place while a request of it is being
//! answered or its answer is being taken, nor before it had [`GRACE`] to ask. A head that comes byte by byte gains nothing by it:
//! what counts is when it began.
//!
//! A user whose requests are all being answered is turned away at its share, so that the rest is there for others and nobody
//! waits behind it in the loop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Clock, Moment};

/// A connection keeps its place for this long although it says nothing: whoever asks does so at once, and what it sends may still
/// be on its way to us. Longer, and a flood of silent connections could hold up the loop, which then accepts no more in this time
/// than there are places.
const GRACE: Duration = Duration::from_millis(100);

/// Whose connections are counted together: a user, or all of whom none is known.
pub type Holder = Option<u32>;

/// The places of some listeners.
#[derive(Debug)]
pub struct Places {
    board: Mutex<Board>,
    /// A place is free, or one that was to be is kept after all.
    changed: Notify,
    clock: Clock,
}

/// A place, free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    id: u64,
    wake: Arc<Notify>,
}

/// A request that is being answered, until its answer has been handed to the connection as a whole.
#[derive(Debug)]
pub struct Answering(Arc<Place>);

/// What became of the places, for the status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections now.
    pub open: usize,
    /// Connections at most.
    pub most: usize,
    /// Closed for a newcomer so far.
    pub moved: u64,
    /// Turned away so far.
    pub turned_away: u64,
}

/// What a newcomer gets.
#[derive(Debug)]
enum Claim {
    /// A place, by its number.
    Granted(u64),
    /// Nothing yet; to be asked again when something changes, and at that moment, if there is one.
    Wait(Option<Moment>),
    /// Nothing.
    TurnedAway,
}

impl Places {
    /// `most` places, of which one user may hold `share`.
    pub fn new(most: usize, share: usize, clock: Clock) -> Arc<Self> {
        let board = Mutex::new(Board { most, share, ..Board::default() });
        Arc::new(Self { board, changed: Notify::new(), clock })
    }

    /// `most` places, of which no user may hold more than three quarters.
    pub fn shared(most: usize, clock: Clock) -> Arc<Self> {
        Self::new(most, (most * 3).div_ceil(4), clock)
    }

    /// A place for a connection of `holder`, as soon as there is one; `None` if it is turned away.
    pub async fn take(self: &Arc<Self>, holder: Holder) -> Option<Arc<Place>> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            let claim = self.board().claim(holder, self.clock.now());
            match claim {
                Claim::Granted(id) => return Some(self.place(id)),
                Claim::TurnedAway => return None,
                Claim::Wait(None) => changed.await,
                Claim::Wait(Some(moment)) => tokio::select! {
                    () = changed => {},
                    () = self.clock.sleep_until(moment) => {},
                },
            }
        }
    }

    /// A place for a connection of `holder`, if there is one now. Otherwise one may be there for the next.
    pub fn take_now(self: &Arc<Self>, holder: Holder) -> Option<Arc<Place>> {
        let claim = self.board().claim(holder, self.clock.now());
        if let Claim::Granted(id) = claim { Some(self.place(id)) } else { None }
    }

    /// What became of them.
    pub fn tally(&self) -> Tally {
        let board = self.board();
        Tally { open: board.standings.len(), ..board.tally() }
    }

    fn place(self: &Arc<Self>, id: u64) -> Arc<Place> {
        let wake = self.board().standings.get(&id).map(|standing| Arc::clone(&standing.wake));
        Arc::new(Place { places: Arc::clone(self), id, wake: wake.unwrap_or_default() })
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A request of it is answered from now on, until what is returned is dropped. If it was to go, it stays.
    pub fn answering(self: &Arc<Self>) -> Answering {
        if self.places.board().begin(self.id) {
            self.places.changed.notify_waiters();
        }
        Answering(Arc::clone(self))
    }

    /// Something came in.
    pub fn heard(&self) {
        self.places.board().hear(self.id, self.places.clock.now());
    }

    /// Its peer has to take more of an answer before that is done; or has done so.
    pub fn blocked(&self, is_blocked: bool) {
        self.places.board().block(self.id, is_blocked, self.places.clock.now());
    }

    /// Returns when the connection has to go.
    pub async fn told(&self) {
        loop {
            self.wake.notified().await;
            if self.places.board().leaving == Some(self.id) {
                return;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.board().release(self.id);
        self.places.changed.notify_waiters();
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let place = &self.0;
        place.places.board().finish(place.id, place.places.clock.now());
    }
}

/// The places as they stand. Decides, and does nothing but wake whoever has to go.
#[derive(Debug, Default)]
struct Board {
    most: usize,
    share: usize,
    standings: HashMap<u64, Standing>,
    held: HashMap<Holder, usize>,
    /// The one that has to go. There is never a second one, so each newcomer has one moved for it.
    leaving: Option<u64>,
    next: u64,
    moved: u64,
    turned_away: u64,
}

/// How one connection stands.
#[derive(Debug)]
struct Standing {
    holder: Holder,
    /// When it was accepted, its last answer ended, or a head began behind that.
    since: Moment,
    is_reading: bool,
    answering: usize,
    is_blocked: bool,
    has_asked: bool,
    wake: Arc<Notify>,
}

impl Standing {
    fn is_busy(&self) -> bool {
        self.answering > 0 || self.is_blocked
    }
}

impl Board {
    fn claim(&mut self, holder: Holder, now: Moment) -> Claim {
        let is_at_share = self.held_by(holder) >= self.share;
        if !is_at_share && self.standings.len() < self.most {
            return Claim::Granted(self.insert(holder, now));
        }
        if self.leaving.is_some() {
            return Claim::Wait(None);
        }
        let quiet = || self.standings.iter().filter(|(_, one)| !one.is_busy() && (!is_at_share || one.holder == holder));
        let movable = quiet().filter(|(_, one)| now.since(one.since) >= GRACE);
        let first = movable.max_by_key(|(_, one)| (self.held_by(one.holder), !one.has_asked, now.since(one.since)));
        if let Some((id, standing)) = first {
            standing.wake.notify_one();
            self.leaving = Some(*id);
            return Claim::Wait(None);
        }
        // Few of its own are silent: to wait for one of them would hold up everybody behind it.
        if is_at_share && quiet().count() * 2 < self.share {
            self.turned_away += 1;
            return Claim::TurnedAway;
        }
        let earliest = quiet().map(|(_, one)| one.since).min().unwrap_or(now);
        Claim::Wait(Some(earliest.plus(GRACE)))
    }

    fn held_by(&self, holder: Holder) -> usize {
        self.held.get(&holder).copied().unwrap_or_default()
    }

    fn insert(&mut self, holder: Holder, now: Moment) -> u64 {
        let id = self.next;
        self.next += 1;
        *self.held.entry(holder).or_default() += 1;
        let standing = Standing {
            holder,
            since: now,
            is_reading: false,
            answering: 0,
            is_blocked: false,
            has_asked: false,
            wake: Arc::default(),
        };
        self.standings.insert(id, standing);
        id
    }

    /// Was it to go?
    fn begin(&mut self, id: u64) -> bool {
        if let Some(standing) = self.standings.get_mut(&id) {
            standing.answering += 1;
        }
        let was_leaving = self.leaving == Some(id);
        if was_leaving {
            self.leaving = None;
        }
        was_leaving
    }

    fn finish(&mut self, id: u64, now: Moment) {
        if let Some(standing) = self.standings.get_mut(&id) {
            standing.answering = standing.answering.saturating_sub(1);
            (standing.since, standing.is_reading, standing.has_asked) = (now, false, true);
        }
    }

    fn hear(&mut self, id: u64, now: Moment) {
        let first = self.standings.get_mut(&id).filter(|standing| standing.answering == 0 && !standing.is_reading);
        if let Some(standing) = first {
            (standing.since, standing.is_reading) = (now, true);
        }
    }

    fn block(&mut self, id: u64, is_blocked: bool, now: Moment) {
        if let Some(standing) = self.standings.get_mut(&id) {
            (standing.since, standing.is_blocked) = (now, is_blocked);
        }
    }

    fn release(&mut self, id: u64) {
        let Some(standing) = self.standings.remove(&id) else { return };
        if self.leaving == Some(id) {
            self.leaving = None;
            self.moved += 1;
        }
        if let Some(held) = self.held.get_mut(&standing.holder) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&standing.holder);
            }
        }
    }

    fn tally(&self) -> Tally {
        Tally { open: self.standings.len(), most: self.most, moved: self.moved, turned_away: self.turned_away }
    }
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
