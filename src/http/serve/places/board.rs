//! The places as they stand, and what becomes of each newcomer: nothing here waits.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Moment;

/// A connection keeps its place for this long although it says nothing: whoever asks does so at once, and what it sends may still
/// be on its way to us. Longer, and a flood of silent connections could hold up the loop, which then accepts no more in this time
/// than there are places.
pub const GRACE: Duration = Duration::from_millis(250);
/// An answer keeps its place for this long although its peer takes nothing of it: there is more on its way to the peer than it
/// reads at a time, so it may be at something else for a while.
pub const UNREAD: Duration = Duration::from_secs(1);

/// Whose connections are counted together: a user, or all of whom none is known.
pub type Holder = Option<u32>;

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
pub enum Claim {
    /// A place, by its number.
    Granted(u64),
    /// Nothing yet; to be asked again when something changes, and at that moment, if there is one.
    Wait(Option<Moment>),
    /// Nothing.
    TurnedAway,
}

/// The places as they stand. Decides, and does nothing but wake whoever has to go.
#[derive(Debug, Default)]
pub struct Board {
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
    /// `most` places, of which one holder may have `share`.
    pub fn new(most: usize, share: usize) -> Self {
        Self { most, share, ..Self::default() }
    }

    /// From now on there are `most` places, of which one holder may have `share`.
    pub fn resize(&mut self, most: usize, share: usize) {
        (self.most, self.share) = (most, share);
    }

    /// What a newcomer of `holder` gets at `now`.
    pub fn claim(&mut self, holder: Holder, now: Moment) -> Claim {
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

    /// Does this holder have its share?
    pub fn is_at_share(&self, holder: Holder) -> bool {
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

    /// A request of it is being answered. Was it to go?
    pub fn begin(&mut self, id: u64) -> bool {
        self.change(id, |standing| standing.answering += 1);
        self.stays(id)
    }

    /// The rest of its request is waited for.
    pub fn wait(&mut self, id: u64) {
        self.change(id, |standing| standing.is_waiting = true);
    }

    /// The rest of its request is there. Was it to go?
    pub fn resume(&mut self, id: u64) -> bool {
        self.change(id, |standing| standing.is_waiting = false);
        self.stays(id)
    }

    fn stays(&mut self, id: u64) -> bool {
        let was_leaving = self.is_leaving(id);
        if was_leaving {
            self.leaving = None;
        }
        was_leaving
    }

    /// That answer is over.
    pub fn finish(&mut self, id: u64, now: Moment) {
        self.change(id, |standing| {
            standing.answering = standing.answering.saturating_sub(1);
            (standing.since, standing.is_reading, standing.has_asked) = (now, false, true);
            standing.is_waiting &= standing.answering > 0;
        });
    }

    /// Something of it came in.
    pub fn hear(&mut self, id: u64, now: Moment) {
        let is_first = self.standings.get(&id).is_some_and(|standing| standing.answering == 0 && !standing.is_reading);
        if is_first {
            self.change(id, |standing| (standing.since, standing.is_reading) = (now, true));
        }
    }

    /// Its peer has to take more of an answer, or has.
    pub fn block(&mut self, id: u64, is_blocked: bool, now: Moment) {
        let since = if is_blocked { now.plus(UNREAD.saturating_sub(GRACE)) } else { now };
        self.change(id, |standing| standing.since = since);
    }

    /// It is gone.
    pub fn release(&mut self, id: u64) {
        self.unlist(id);
        let Some(standing) = self.standings.remove(&id) else { return };
        if self.is_leaving(id) {
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

    /// What wakes it when it has to go.
    pub fn wake(&self, id: u64) -> Option<Arc<Notify>> {
        self.standings.get(&id).map(|standing| Arc::clone(&standing.wake))
    }

    /// Is it the one that has to go?
    pub fn is_leaving(&self, id: u64) -> bool {
        self.leaving == Some(id)
    }

    /// What became of them.
    pub fn tally(&self) -> Tally {
        Tally { open: self.standings.len(), most: self.most, moved: self.moved, turned_away: self.turned_away }
    }
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
