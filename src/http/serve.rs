//! The accept loop: one for TCP, unix and inherited sockets.
//!
//! HTTP/1.1 only. A connection is served when it has a place; a head must be complete in time, its size is bounded,
//! an answer must be taken, and after some requests the place is given to others. How long an answer takes is for what
//! answers to bound.
//! Who gets a place where there are too few is decided in [`places`](super::places).
//! The admin listener has places of its own, so that callers cannot shut health checks out, and so has every forward address, whose
//! connections last as long as what they forward. Another user cannot take those: whom a listener is not for has few of its own. There are no more places than
//! file descriptors for them; where the machine has none left all the same, the loop waits instead of spinning.

use std::cell::Cell;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Request;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Semaphore, watch};

use super::away::{turn_away, turn_away_at_once};
use super::held::Held;
use super::intake::{Peer, Transport};
use super::listen::Socketed;
use super::places::{Place, Places};
use super::socket_table::SocketTable;
use super::stall::Stalling;
use super::units::Units;
use crate::clock::{Clock, Moment};
use crate::policy::Process;

/// What is expected of those who ask the broker itself.
const OF_CALLERS: Limits =
    Limits { head: Duration::from_secs(5), stall: Duration::from_secs(10), largest_head: 16 * 1024, most_fields: 64 };
/// A connection is closed after this many answers.
const MOST_REQUESTS: u32 = 100;
/// Connections to the admin listener at once.
const ADMIN_PLACES: usize = 16;
/// Connections at once of those whom a listener is not for, at all listeners together.
const STRANGERS: usize = 8;
/// At least so many connections at once have some time to ask before they are told that there is no place.
const TURNED_AWAY: usize = 8;
/// At most so many, where there are descriptors for them.
const MOST_TURNED_AWAY: usize = 256;
/// The time they have.
const TO_ASK: Duration = Duration::from_millis(250);
/// At least so many connections at once wait for a place beside the loop.
const IN_LINE: usize = 8;
/// At most so many, where there are descriptors for them: as many as the backlog holds.
const MOST_IN_LINE: usize = 4096;
/// File descriptors that are for other things: listeners, upstream and admin connections, files, the runtime itself.
const OTHER_DESCRIPTORS: u64 = 64;
/// How long the loop rests when the machine has no descriptors left.
const REST: Duration = Duration::from_millis(100);
/// How often the log says so.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

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
}

impl Server {
    /// Serves at most `most` connections of callers at once, or as many as there are file descriptors for, of which `aside` are
    /// for others, until `stop` turns true. Their processes are looked for in `units`.
    pub fn new(most: usize, aside: u64, units: Option<Arc<Units>>, clock: Clock, stop: watch::Receiver<bool>) -> Self {
        let descriptors = descriptors().saturating_sub(aside);
        let served = places(most, descriptors);
        Self {
            units,
            places: Places::shared(served, clock.clone()),
            strangers: Places::new(STRANGERS, STRANGERS, clock.clone()),
            turned_away: Arc::new(Semaphore::new(spare(descriptors, served).clamp(TURNED_AWAY, MOST_TURNED_AWAY))),
            in_line: Arc::new(Semaphore::new(
                spare(descriptors, served.saturating_add(MOST_TURNED_AWAY)).clamp(IN_LINE, MOST_IN_LINE),
            )),
            complaints: Arc::new(Complaints::new(clock.clone())),
            graceful: Arc::new(Mutex::new(Some(GracefulShutdown::new()))),
            clock,
            stop,
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
        tokio::spawn(Arc::new(accepting).run());
    }

    /// Ends every connection after the request it is answering; waits for them, but not longer than `patience`.
    pub async fn finish(self, patience: Duration) {
        let graceful = self.graceful.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(graceful) = graceful {
            let _ = tokio::time::timeout(patience, graceful.shutdown()).await;
        }
    }
}

/// The file descriptors that this process may have, after raising its limit as far as it may.
fn descriptors() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return u64::MAX };
    // The soft limit is low for the sake of programs that use select(2); this one may raise it to the hard one.
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

/// How many `descriptors` are left beside `used` ones and those for other things.
fn spare(descriptors: u64, used: usize) -> usize {
    usize::try_from(descriptors.saturating_sub(OTHER_DESCRIPTORS)).unwrap_or(usize::MAX).saturating_sub(used)
}

/// How many connections are served at once: `most`, or what `descriptors` leave for them, but one in any case.
fn places(most: usize, descriptors: u64) -> usize {
    let served = most.min(spare(descriptors, 0)).max(1);
    if served < most {
        tracing::warn!(
            max_connections = most,
            served,
            descriptors,
            "fewer connections are served at once than configured: the limit of open files (RLIMIT_NOFILE) is too low"
        );
    }
    served
}

/// What the accept loops complain about, which would fill the log if each failure were a line.
struct Complaints {
    clock: Clock,
    last: Mutex<Option<Moment>>,
}

impl Complaints {
    fn new(clock: Clock) -> Self {
        Self { clock, last: Mutex::new(None) }
    }

    /// Is the last line long enough ago for another one?
    fn is_due(&self) -> bool {
        let now = self.clock.now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.since(last) >= COMPLAINT_INTERVAL);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

struct Accepting<A> {
    socket: Socketed,
    transport: Option<Transport>,
    answers: A,
    table: Option<SocketTable>,
    places: Arc<Places>,
    strangers: Arc<Places>,
    turned_away: Arc<Semaphore>,
    in_line: Arc<Semaphore>,
    limits: Limits,
    complaints: Arc<Complaints>,
    graceful: Arc<Mutex<Option<GracefulShutdown>>>,
    units: Option<Arc<Units>>,
    stop: watch::Receiver<bool>,
}

/// A connection that has been accepted, with its other end.
enum Accepted {
    Tcp(TcpStream, Peer),
    Unix(UnixStream, Peer),
    /// It did not come over the loopback interface.
    Stranger,
}

impl Accepted {
    /// Returns when its peer has sent something.
    async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream, _) => stream.readable().await,
            Self::Unix(stream, _) => stream.readable().await,
            Self::Stranger => Ok(()),
        }
    }

    fn peer(&self) -> Option<&Peer> {
        match self {
            Self::Tcp(_, peer) | Self::Unix(_, peer) => Some(peer),
            Self::Stranger => None,
        }
    }
}

impl<A: Answers> Accepting<A> {
    /// `None` once the server is finishing.
    fn watcher(&self) -> Option<Watcher> {
        self.graceful.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(GracefulShutdown::watcher)
    }

    async fn run(self: Arc<Self>) {
        let mut stop = self.stop.clone();
        loop {
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match accepted {
                Ok(accepted) => tokio::select! {
                    () = self.settle(accepted) => {},
                    _ = stop.wait_for(|stop| *stop) => return,
                },
                Err(cause) if is_of_one_connection(&cause) => {}
                Err(cause) => {
                    if self.complaints.is_due() {
                        tracing::error!(%cause, "connections cannot be accepted; waiting for descriptors");
                    }
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<Accepted> {
        match &self.socket {
            Socketed::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                let transport = self.transport.unwrap_or(Transport::Tcp);
                if transport == Transport::Tcp && !address.ip().is_loopback() {
                    return Ok(Accepted::Stranger);
                }
                // Without it answers only become slower.
                let _ = stream.set_nodelay(true);
                let process = self.table.map(|table| table.process_of_peer(&stream, self.units.as_deref()));
                let (process, at) = (process.unwrap_or_default(), stream.local_addr().ok());
                Ok(Accepted::Tcp(stream, Peer { transport, process, at }))
            }
            Socketed::Unix(_, listener) => {
                let (stream, _) = listener.accept().await?;
                let unit = self.units.as_ref().and_then(|units| units.of_peer(&stream));
                let process = stream.peer_cred().map_or_else(|_| Process::default(), known_by_kernel);
                let process = Process { unit, ..process };
                Ok(Accepted::Unix(stream, Peer { transport: Transport::Unix, process, at: None }))
            }
        }
    }

    /// Gives it a place, or says that there is none for it.
    async fn settle(self: &Arc<Self>, accepted: Accepted) {
        let Some(peer) = accepted.peer() else {
            tracing::warn!("a connection that did not come over loopback was dropped");
            return;
        };
        let holder = peer.process.uid;
        if !self.answers.is_for(peer) {
            // They are refused in words where there is room for it, and nobody waits behind them.
            if let Some(place) = self.strangers.take_now(holder) {
                self.answer(accepted, Some(place));
            }
            return;
        }
        let seat =
            if self.places.is_at_share(holder) { Arc::clone(&self.in_line).try_acquire_owned().ok() } else { None };
        let Some(seat) = seat else {
            // Those behind it wait in the backlog.
            let place = self.places.take(holder).await;
            return self.answer(accepted, place);
        };
        let this = Arc::clone(self);
        drop(tokio::spawn(async move {
            // Whoever says nothing does not even stand in line.
            let asks = tokio::time::timeout(this.limits.head, accepted.readable()).await;
            if !matches!(asks, Ok(Ok(()))) {
                return;
            }
            let place = this.places.take_in_line(holder).await;
            drop(seat);
            this.answer(accepted, place);
        }));
    }

    fn answer(&self, accepted: Accepted, place: Option<Arc<Place>>) {
        match (place, accepted) {
            (Some(place), Accepted::Tcp(stream, peer)) => self.serve(stream, peer, place),
            (Some(place), Accepted::Unix(stream, peer)) => self.serve(stream, peer, place),
            (None, Accepted::Tcp(stream, _)) => self.send_away(stream, TcpStream::into_std),
            (None, Accepted::Unix(stream, _)) => self.send_away(stream, UnixStream::into_std),
            (_, Accepted::Stranger) => {}
        }
    }

    fn serve<S>(&self, stream: S, peer: Peer, place: Arc<Place>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Some(watcher) = self.watcher() else { return };
        drop(tokio::spawn(connection(stream, peer, self.limits, self.answers.clone(), watcher, place)));
    }

    /// Nobody waits behind those either: when too many of them have yet to ask, the next are told at once.
    fn send_away<S, B>(&self, stream: S, bare: impl FnOnce(S) -> io::Result<B>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        B: io::Read + io::Write,
    {
        match Arc::clone(&self.turned_away).try_acquire_owned() {
            Ok(room) => drop(tokio::spawn(async move {
                turn_away(stream, TO_ASK).await;
                drop(room);
            })),
            Err(_) => bare(stream).into_iter().for_each(turn_away_at_once),
        }
    }
}

/// Who connected to a unix socket (SO_PEERCRED), as he was then.
fn known_by_kernel(peer: tokio::net::unix::UCred) -> Process {
    let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok());
    Process { uid: Some(peer.uid()), gid: Some(peer.gid()), pid, unit: None }
}

/// The peer went away before it was accepted; the next one is not concerned.
fn is_of_one_connection(cause: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(cause.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Serves one connection, to its end or until its place is for another one.
async fn connection<S, A>(stream: S, peer: Peer, limits: Limits, answers: A, watcher: Watcher, place: Arc<Place>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Answers,
{
    let asked = Cell::new(0);
    let stream = Stalling::at(Arc::clone(&place), stream, limits.stall);
    let place_of_all = Arc::clone(&place);
    let service = service_fn(move |mut request: Request<Incoming>| {
        asked.set(asked.get() + 1);
        let (answers, peer, is_last) = (answers.clone(), peer.clone(), asked.get() >= MOST_REQUESTS);
        // Before the first await, and so before anybody can be told to go.
        let answering = place_of_all.answering();
        request.extensions_mut().insert(Arc::clone(&place_of_all));
        async move {
            let answer = answers.answer(request, &peer, is_last).await;
            Ok::<_, std::convert::Infallible>(answer.map(|body| Held::new(body, answering)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_header_size(limits.largest_head)
        // Else 400 KiB for each connection that sends or takes a large body.
        .max_buf_size(2 * limits.largest_head)
        .max_headers(limits.most_fields)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // First, since a request that is there by now is answered.
        biased;
        ended = watcher.watch(connection) => if let Err(cause) = ended {
            tracing::trace!(%cause, "a connection ended");
        },
        () = place.told() => tracing::trace!("a connection made room"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn there_are_as_many_places_as_descriptors_for_them() {
        for (most, descriptors, expected) in
            [(1024, 65_536, 1024), (1024, 1024, 960), (1024, 64, 1), (1024, 10, 1), (1, 1024, 1), (2, u64::MAX, 2)]
        {
            assert_eq!(places(most, descriptors), expected, "{most} of {descriptors}");
        }
    }

    #[test]
    fn this_process_has_a_limit_of_descriptors() {
        assert!(descriptors() > OTHER_DESCRIPTORS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_accept_is_one_line_in_ten_seconds() {
        let complaints = Complaints::new(Clock::tokio(SystemTime::UNIX_EPOCH));
        assert!(complaints.is_due());
        tokio::time::advance(COMPLAINT_INTERVAL - Duration::from_millis(1)).await;
        assert!(!complaints.is_due());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(complaints.is_due());
        assert!(!complaints.is_due());
    }
}
