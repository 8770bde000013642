//! Serving connections: the sockets that are accepted from, in a task for each, and what all of those share.
//!
//! HTTP/1.1 only. A connection is served when it has a place; a head must be complete in time, its size is bounded, an answer must be
//! taken, and after some requests the place is given to others. How long an answer takes is for what answers to bound. [`places`]
//! decides who gets a place where there are too few, [`away`] answers whoever gets none, and [`stall`] ends a peer that takes nothing.
//!
//! The admin listener has places of its own, so that callers cannot shut health checks out, and so has every forward address, whose
//! connections last as long as what they forward. Another user cannot take those: whom a listener is not for has few of its own.
//! There are no more places than file descriptors for them; where the machine has none left all the same, the loop waits instead of
//! spinning.

mod accept;
mod away;
mod complaints;
mod connection;
mod descriptors;
mod gate;
pub mod held;
pub mod places;
pub mod stall;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Request;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Incoming};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::intake::{Peer, Transport};
use super::listen::Socketed;
use super::socket_table::SocketTable;
use super::units::Units;
use crate::clock::Clock;
use crate::current::Current;
use accept::Accepting;
use complaints::Complaints;
pub use gate::Gate;
use places::Places;

/// What is expected of those who ask the broker itself.
const OF_CALLERS: Limits =
    Limits { head: Duration::from_secs(5), stall: Duration::from_secs(10), largest_head: 16 * 1024, most_fields: 64 };
/// Connections to the admin listener at once.
const ADMIN_PLACES: usize = 16;
/// Connections at once of those whom a listener is not for, at all listeners together.
const STRANGERS: usize = 8;
/// At least so many connections at once have some time to ask before they are told that there is no place.
const TURNED_AWAY: usize = 8;
/// At most so many, where there are descriptors for them.
const MOST_TURNED_AWAY: usize = 256;
/// An address is free again after this, when its gate is closed.
const LEAVING: Duration = Duration::from_secs(1);
/// At least so many connections at once wait for a place beside the loop.
const IN_LINE: usize = 8;
/// At most so many, where there are descriptors for them: as many as the backlog holds.
const MOST_IN_LINE: usize = 4096;

/// What answers the requests that come in by a listener. Cloning shares it.
pub trait Answers: Clone + Send + Sync + 'static {
    /// Answers one request of `peer`, in time. The connection ends after the last one.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        is_last: bool,
    ) -> impl Future<Output = http::Response<Body>> + Send;

    /// May this peer be answered anything but a refusal?
    fn is_for(&self, _peer: &Peer) -> bool {
        true
    }

    /// What is expected of connections that come in.
    fn limits(&self) -> Limits {
        OF_CALLERS
    }
}

/// The body of an answer, read as it is sent.
pub type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// What is expected of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A request's head is complete, and an idle connection used again, within this.
    pub head: Duration,
    /// The peer takes more of its answer within this.
    pub stall: Duration,
    /// A head is no larger than this, in bytes.
    pub largest_head: usize,
    /// A head has no more fields than this.
    pub most_fields: usize,
}

/// What the accept loops share.
pub struct Server {
    places: Arc<Places>,
    strangers: Arc<Places>,
    turned_away: Arc<Semaphore>,
    in_line: Arc<Semaphore>,
    complaints: Arc<Complaints>,
    gates: Mutex<Vec<Arc<Gate>>>,
    units: Current<Option<Arc<Units>>>,
    clock: Clock,
}

impl Server {
    /// Serves at most `most` connections of callers at once, or as many as there are file descriptors for, of which `aside` are
    /// for others.
    pub fn new(most: usize, aside: u64, clock: Clock) -> Self {
        let descriptors = descriptors::descriptors().saturating_sub(aside);
        let served = descriptors::places(most, descriptors);
        Self {
            units: Current::default(),
            places: Places::shared(served, clock.clone()),
            strangers: Places::new(STRANGERS, STRANGERS, clock.clone()),
            turned_away: Arc::new(Semaphore::new(
                descriptors::spare(descriptors, served).clamp(TURNED_AWAY, MOST_TURNED_AWAY),
            )),
            in_line: Arc::new(Semaphore::new(
                descriptors::spare(descriptors, served.saturating_add(MOST_TURNED_AWAY)).clamp(IN_LINE, MOST_IN_LINE),
            )),
            complaints: Arc::new(Complaints::new(clock.clone())),
            gates: Mutex::default(),
            clock,
        }
    }

    /// How many connections of callers could be served at once, as [`Self::new`] says.
    pub fn room(&self, most: usize, aside: u64) -> usize {
        descriptors::places(most, descriptors::descriptors().saturating_sub(aside))
    }

    /// From now on so many are. Of those that are there none is closed for it.
    pub fn resize(&self, room: usize) {
        if room != self.places.tally().most {
            self.places.resize(room);
        }
    }

    /// The places of callers.
    pub fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// Where the processes of connections to come are looked for.
    pub fn units(&self) -> &Current<Option<Arc<Units>>> {
        &self.units
    }

    /// Accepts callers from `sockets`, in a task for each, until the gate is closed.
    pub fn accept_callers(&self, sockets: &[Arc<Socketed>], answers: &impl Answers) -> Arc<Gate> {
        self.accept_from(sockets, None, &self.places, answers)
    }

    /// The same; they have `most` places of their own together.
    pub fn accept_apart(&self, sockets: &[Arc<Socketed>], most: usize, answers: &impl Answers) -> Arc<Gate> {
        self.accept_from(sockets, None, &Places::new(most, most, self.clock.clone()), answers)
    }

    /// The same for the admin listener.
    pub fn accept_admin(&self, sockets: &[Arc<Socketed>], answers: &impl Answers) -> Arc<Gate> {
        let places = Places::new(ADMIN_PLACES, ADMIN_PLACES, self.clock.clone());
        self.accept_from(sockets, Some(Transport::Admin), &places, answers)
    }

    /// `transport` overrides what the sockets say.
    fn accept_from(
        &self,
        sockets: &[Arc<Socketed>],
        transport: Option<Transport>,
        places: &Arc<Places>,
        answers: &impl Answers,
    ) -> Arc<Gate> {
        let gate = Gate::open();
        for socket in sockets {
            let accepting = Accepting {
                // On the admin listener nobody needs to be known.
                table: if transport == Some(Transport::Admin) { None } else { SocketTable::seeing(socket) },
                transport,
                answers: answers.clone(),
                places: Arc::clone(places),
                strangers: Arc::clone(&self.strangers),
                turned_away: Arc::clone(&self.turned_away),
                in_line: Arc::clone(&self.in_line),
                complaints: Arc::clone(&self.complaints),
                gate: Arc::clone(&gate),
                units: self.units.clone(),
            };
            tokio::spawn(Arc::new(accepting).run(gate.accepting(), Arc::clone(socket)));
        }
        let mut gates = self.gates();
        gates.retain(|gate| !gate.is_left());
        gates.push(Arc::clone(&gate));
        gate
    }

    /// Ends every connection after the request it is answering; waits for them, but not longer than `patience`.
    pub async fn finish(self, patience: Duration) {
        let gates = std::mem::take(&mut *self.gates());
        let closing: JoinSet<()> = gates.into_iter().map(|gate| async move { gate.close().await }).collect();
        let _ = tokio::time::timeout(patience, closing.join_all()).await;
    }

    /// Returns when the addresses of gates that are being closed are free again, or should be.
    pub async fn settled(&self) {
        let gates = self.gates().clone();
        let leaving: JoinSet<()> = gates.into_iter().map(|gate| async move { gate.until_left().await }).collect();
        let _ = tokio::time::timeout(LEAVING, leaving.join_all()).await;
    }

    fn gates(&self) -> MutexGuard<'_, Vec<Arc<Gate>>> {
        // Nothing panics between two halves of a change.
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Answers> Answers for Current<A> {
    async fn answer(&self, request: Request<Incoming>, peer: &Peer, is_last: bool) -> http::Response<Body> {
        // A request that has begun ends with what stood then.
        self.get().answer(request, peer, is_last).await
    }

    fn is_for(&self, peer: &Peer) -> bool {
        self.get().is_for(peer)
    }

    fn limits(&self) -> Limits {
        self.get().limits()
    }
}
