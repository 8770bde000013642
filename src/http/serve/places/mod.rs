//! Who has a place: the connections that are served at once, and who goes when they are too many.
//!
//! A connection costs its peer nothing, so places are not for whoever came first. When all are taken, or one user holds its share
//! of them, a newcomer gets the place of a connection that is not being answered: one of the user who holds most, first one that
//! never completed a request, then the one that has been silent longest. Nobody loses its place while a request of it is being
//! answered or its answer is being taken, nor before it had a moment to ask. A head that comes byte by byte gains nothing by it:
//! what counts is when it began. The same goes for a body that does not come, and an answer of which nothing is taken for
//! [`UNREAD`] is not being taken.
//!
//! Who waits at the share of its user waits beside the accept loop, and where most of its user's requests are being answered it is
//! turned away: so the rest is there for others, and they do not wait behind it.

mod board;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::clock::Clock;
use board::{Board, Claim};
pub use board::{Holder, Tally};

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

impl Places {
    /// `most` places, of which one user may hold `share`.
    pub fn new(most: usize, share: usize, clock: Clock) -> Arc<Self> {
        let board = Mutex::new(Board::new(most, share));
        Arc::new(Self { board, changed: Notify::new(), line: tokio::sync::Mutex::default(), clock })
    }

    /// `most` places, of which no user may hold more than three quarters.
    pub fn shared(most: usize, clock: Clock) -> Arc<Self> {
        Self::new(most, share_of(most), clock)
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

    /// As [`Self::shared`], from now on. Whoever has a place keeps it.
    pub fn resize(&self, most: usize) {
        self.board().resize(most, share_of(most));
        self.changed.notify_waiters();
    }

    /// What became of them.
    pub fn tally(&self) -> Tally {
        self.board().tally()
    }

    fn place(self: &Arc<Self>, id: u64) -> Arc<Place> {
        let wake = self.board().wake(id);
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
            if self.places.board().is_leaving(self.id) {
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

/// What one user may hold of `most` places.
fn share_of(most: usize) -> usize {
    (most * 3).div_ceil(4)
}

#[cfg(test)]
mod tests;
