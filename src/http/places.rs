//! Who has a place: the connections that are served at once, and who goes when they are too many.
//!
//! A connection costs its peer nothing, so places are not for whoever came first. When all are taken, or one user holds its share
//! of them, a newcomer gets the place of a connection that is not being answered: one of the user who holds most, first one that
//! never completed a request, then the one that has been silent longest. Nobody loses its place while a request of it is being
//! answered or its answer is being taken, nor before it had [`GRACE`] to ask. A head that comes byte by byte gains nothing by it:
//! what counts is when it began. The same goes for a body that does not come, and an answer of which nothing is taken for
//! [`UNREAD`] is not being taken.
//!
//! Who waits at the share of its user waits beside the accept loop, and where most of its user's requests are being answered it is
//! turned away: so the rest is there for others, and they do not wait behind it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Clock, Moment};

/// A connection keeps its place for this long although it says nothing: whoever asks does so at once, and what it sends may still
/// be on its way to us. Longer, and a flood of silent connections could hold up the loop, which then accepts no more in this time
/// than there are places.
const GRACE: Duration = Duration::from_millis(250);
/// An answer keeps its place for this long although its peer takes nothing of it: there is more on its way to the peer than it
/// reads at a time, so it may be at something else for a while.
const UNREAD: Duration = Duration::from_secs(1);

/// Whose connections are counted together: a user, or all of whom none is known.
pub type Holder = Option<u32>;

/// The places of some listeners.
#[derive(Debug)]
pub struct Places {
    board: Mutex<Board>,
    /// A place is free, or one that was to be is kept after all.
    changed: Notify,
    /// Who waits because its user is at its share, one after the other.
    line: tokio::sync::Mutex<()>,
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
        Arc::new(Self { board, changed: Notify::new(), line: tokio::sync::Mutex::default(), clock })
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

    /// The same for one whose user is at its share: it waits behind others of that user. No two users can be at their shares.
    pub async fn take_in_line(self: &Arc<Self>, holder: Holder) -> Option<Arc<Place>> {
        let _first = self.line.lock().await;
        self.take(holder).await
    }

    /// Does this user hold its share?
    pub fn is_at_share(&self, holder: Holder) -> bool {
        self.board().is_at_share(holder)
    }

    /// A place for a connection of `holder`, if there is one now. Otherwise one may be there for the next.
    pub fn take_now(self: &Arc<Self>, holder: Holder) -> Option<Arc<Place>> {
        let claim = self.board().claim(holder, self.clock.now());
        if let Claim::Granted(id) = claim { Some(self.place(id)) } else { None }
    }

    /// What became of them.
    pub fn tally(&self) -> Tally {
        self.board().tally()
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

    /// What follows waits for its peer to send the rest of the request, and for nothing else: meanwhile nothing is being answered.
    pub async fn awaiting<T>(&self, rest: impl Future<Output = T>) -> T {
        self.places.board().wait(self.id);
        let rest = rest.await;
        if self.places.board().resume(self.id) {
            self.places.changed.notify_waiters();
        }
        rest
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
    holdings: HashMap<Holder, Holding>,
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
    /// The rest of the request that is to be answered has not come.
    is_waiting: bool,
    has_asked: bool,
    wake: Arc<Notify>,
}

impl Standing {
    fn is_quiet(&self) -> bool {
        self.answering == 0 || self.is_waiting
    }
}

/// The connections of one holder.
#[derive(Debug, Default)]
struct Holding {
    count: usize,
    /// Those that are not being answered, the one that is silent longest first: that never asked anything, and the others.
    never_asked: BTreeSet<(Moment, u64)>,
    idle: BTreeSet<(Moment, u64)>,
}

impl Holding {
    fn quiet(&self) -> usize {
        self.never_asked.len() + self.idle.len()
    }

    /// The first that may be moved, and whether it never asked anything.
    fn movable(&self, now: Moment) -> Option<(bool, (Moment, u64))> {
        let first =
            |quiet: &BTreeSet<(Moment, u64)>| quiet.first().copied().filter(|(since, _)| now.since(*since) >= GRACE);
        let never_asked = first(&self.never_asked).map(|one| (true, one));
        never_asked.or_else(|| first(&self.idle).map(|one| (false, one)))
    }

    fn earliest(&self) -> Option<Moment> {
        self.never_asked.first().into_iter().chain(self.idle.first()).map(|(since, _)| *since).min()
    }

    fn quiet_ones(&mut self, has_asked: bool) -> &mut BTreeSet<(Moment, u64)> {
        if has_asked { &mut self.idle } else { &mut self.never_asked }
    }
}

impl Board {
    fn claim(&mut self, holder: Holder, now: Moment) -> Claim {
        let is_at_share = self.is_at_share(holder);
        if !is_at_share && self.standings.len() < self.most {
            return Claim::Granted(self.insert(holder, now));
        }
        if self.leaving.is_some() {
            return Claim::Wait(None);
        }
        let concerned =
            || self.holdings.iter().filter(|(whose, _)| !is_at_share || **whose == holder).map(|(_, of)| of);
        let movable = concerned().filter_map(|of| of.movable(now).map(|one| (of.count, one)));
        let first = movable.max_by_key(|(count, (never_asked, since))| (*count, *never_asked, Reverse(*since)));
        if let Some((_, (_, (_, id)))) = first {
            self.leaving = Some(id);
            if let Some(standing) = self.standings.get(&id) {
                standing.wake.notify_one();
            }
            return Claim::Wait(None);
        }
        // Few of its own are silent: to wait for one of them would hold up everybody behind it.
        if is_at_share && concerned().map(Holding::quiet).sum::<usize>() * 2 < self.share {
            self.turned_away += 1;
            return Claim::TurnedAway;
        }
        let earliest = concerned().filter_map(Holding::earliest).min().unwrap_or(now);
        Claim::Wait(Some(earliest.plus(GRACE)))
    }

    fn is_at_share(&self, holder: Holder) -> bool {
        self.holdings.get(&holder).is_some_and(|holding| holding.count >= self.share)
    }

    fn insert(&mut self, holder: Holder, now: Moment) -> u64 {
        let id = self.next;
        self.next += 1;
        let standing = Standing {
            holder,
            since: now,
            is_reading: false,
            answering: 0,
            is_waiting: false,
            has_asked: false,
            wake: Arc::default(),
        };
        self.holdings.entry(holder).or_default().count += 1;
        self.standings.insert(id, standing);
        self.list(id);
        id
    }

    /// Lists it among the quiet ones, if it is one.
    fn list(&mut self, id: u64) {
        let Some(standing) = self.standings.get(&id) else { return };
        let is_quiet = standing.is_quiet();
        if let Some(holding) = self.holdings.get_mut(&standing.holder).filter(|_| is_quiet) {
            holding.quiet_ones(standing.has_asked).insert((standing.since, id));
        }
    }

    fn unlist(&mut self, id: u64) {
        let Some(standing) = self.standings.get(&id) else { return };
        if let Some(holding) = self.holdings.get_mut(&standing.holder) {
            holding.quiet_ones(standing.has_asked).remove(&(standing.since, id));
        }
    }

    fn change(&mut self, id: u64, change: impl FnOnce(&mut Standing)) {
        self.unlist(id);
        if let Some(standing) = self.standings.get_mut(&id) {
            change(standing);
        }
        self.list(id);
    }

    /// Was it to go?
    fn begin(&mut self, id: u64) -> bool {
        self.change(id, |standing| standing.answering += 1);
        self.stays(id)
    }

    fn wait(&mut self, id: u64) {
        self.change(id, |standing| standing.is_waiting = true);
    }

    /// Was it to go?
    fn resume(&mut self, id: u64) -> bool {
        self.change(id, |standing| standing.is_waiting = false);
        self.stays(id)
    }

    fn stays(&mut self, id: u64) -> bool {
        let was_leaving = self.leaving == Some(id);
        if was_leaving {
            self.leaving = None;
        }
        was_leaving
    }

    fn finish(&mut self, id: u64, now: Moment) {
        self.change(id, |standing| {
            standing.answering = standing.answering.saturating_sub(1);
            (standing.since, standing.is_reading, standing.has_asked) = (now, false, true);
            standing.is_waiting &= standing.answering > 0;
        });
    }

    fn hear(&mut self, id: u64, now: Moment) {
        let is_first = self.standings.get(&id).is_some_and(|standing| standing.answering == 0 && !standing.is_reading);
        if is_first {
            self.change(id, |standing| (standing.since, standing.is_reading) = (now, true));
        }
    }

    fn block(&mut self, id: u64, is_blocked: bool, now: Moment) {
        let since = if is_blocked { now.plus(UNREAD.saturating_sub(GRACE)) } else { now };
        self.change(id, |standing| standing.since = since);
    }

    fn release(&mut self, id: u64) {
        self.unlist(id);
        let Some(standing) = self.standings.remove(&id) else { return };
        if self.leaving == Some(id) {
            self.leaving = None;
            self.moved += 1;
        }
        if let Some(holding) = self.holdings.get_mut(&standing.holder) {
            holding.count -= 1;
            if holding.count == 0 {
                self.holdings.remove(&standing.holder);
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
