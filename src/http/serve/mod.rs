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
mod connection;
mod descriptors;
pub mod held;
pub mod places;
pub mod stall;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Request;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Incoming};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::sync::{Semaphore, mpsc, watch};

use super::intake::{Peer, Transport};
use super::listen::Socketed;
use super::socket_table::SocketTable;
use super::units::Units;
use crate::clock::Clock;
use accept::{Accepting, Complaints};
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
/// Those who have connected ask within this, or are not answered when the server ends.
const LAST_REQUESTS: Duration = Duration::from_millis(250);
/// How often it is looked whether they have been answered.
const LOOK: Duration = Duration::from_millis(5);
/// At least so many connections at once wait for a place beside the loop.
const IN_LINE: usize = 8;
/// At most so many, where there are descriptors for them: as many as the backlog holds.
const MOST_IN_LINE: usize = 4096;

/// Returns when there are no connections any more.
async fn all_answered(graceful: &Mutex<Option<GracefulShutdown>>) {
    let left = || graceful.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, GracefulShutdown::count);
    while left() > 0 {
        tokio::time::sleep(LOOK).await;
    }
}

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
    graceful: Arc<Mutex<Option<GracefulShutdown>>>,
    units: Option<Arc<Units>>,
    clock: Clock,
    stop: watch::Receiver<bool>,
    /// Each accept loop holds a sender as long as it runs.
    accepting: (mpsc::Sender<Infallible>, mpsc::Receiver<Infallible>),
}

impl Server {
    /// Serves at most `most` connections of callers at once, or as many as there are file descriptors for, of which `aside` are
    /// for others, until `stop` turns true. Their processes are looked for in `units`.
    pub fn new(most: usize, aside: u64, units: Option<Arc<Units>>, clock: Clock, stop: watch::Receiver<bool>) -> Self {
        let descriptors = descriptors::descriptors().saturating_sub(aside);
        let served = descriptors::places(most, descriptors);
        Self {
            units,
            places: Places::shared(served, clock.clone()),
            strangers: Places::new(STRANGERS, STRANGERS, clock.clone()),
            turned_away: Arc::new(Semaphore::new(
                descriptors::spare(descriptors, served).clamp(TURNED_AWAY, MOST_TURNED_AWAY),
            )),
            in_line: Arc::new(Semaphore::new(
                descriptors::spare(descriptors, served.saturating_add(MOST_TURNED_AWAY)).clamp(IN_LINE, MOST_IN_LINE),
            )),
            complaints: Arc::new(Complaints::new(clock.clone())),
            graceful: Arc::new(Mutex::new(Some(GracefulShutdown::new()))),
            clock,
            stop,
            accepting: mpsc::channel(1),
        }
    }

    /// The places of callers.
    pub fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// Accepts callers from `socket` in a task of its own.
    pub fn accept_callers(&self, socket: Socketed, answers: impl Answers) {
        self.accept_from(socket, None, Arc::clone(&self.places), OF_CALLERS, answers);
    }

    /// Accepts from `sockets` in a task for each; they have `most` places of their own together.
    pub fn accept_apart(&self, sockets: Vec<Socketed>, most: usize, limits: Limits, answers: &impl Answers) {
        let places = Places::new(most, most, self.clock.clone());
        for socket in sockets {
            self.accept_from(socket, None, Arc::clone(&places), limits, answers.clone());
        }
    }

    /// Accepts from the admin listener in a task of its own.
    pub fn accept_admin(&self, socket: Socketed, answers: impl Answers) {
        let places = Places::new(ADMIN_PLACES, ADMIN_PLACES, self.clock.clone());
        self.accept_from(socket, Some(Transport::Admin), places, OF_CALLERS, answers);
    }

    /// `transport` overrides what the socket says.
    fn accept_from(
        &self,
        socket: Socketed,
        transport: Option<Transport>,
        places: Arc<Places>,
        limits: Limits,
        answers: impl Answers,
    ) {
        let accepting = Accepting {
            // On the admin listener nobody needs to be known.
            table: if transport == Some(Transport::Admin) { None } else { SocketTable::seeing(&socket) },
            socket,
            transport,
            answers,
            places,
            strangers: Arc::clone(&self.strangers),
            turned_away: Arc::clone(&self.turned_away),
            in_line: Arc::clone(&self.in_line),
            limits,
            complaints: Arc::clone(&self.complaints),
            graceful: Arc::clone(&self.graceful),
            units: self.units.clone(),
            stop: self.stop.clone(),
        };
        tokio::spawn(Arc::new(accepting).run(self.accepting.0.clone()));
    }

    /// Ends every connection after the request it is answering; waits for them, but not longer than `patience`.
    pub async fn finish(self, patience: Duration) {
        let (accepting, mut all_ended) = self.accepting;
        drop(accepting);
        let graceful = self.graceful;
        let last = async {
            // Whoever is accepted last is answered too.
            all_ended.recv().await;
            // Whoever has connected and not asked yet is about to: the library would end his connection without an answer.
            let _ = tokio::time::timeout(LAST_REQUESTS, all_answered(&graceful)).await;
            let graceful = graceful.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(graceful) = graceful {
                graceful.shutdown().await;
            }
        };
        let _ = tokio::time::timeout(patience, last).await;
    }
}
