//! One accept loop: who connected, whether there is a place for it, and what is answered where there is none.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Semaphore, mpsc};

use super::Answers;
use super::away::{turn_away, turn_away_at_once};
use super::complaints::Complaints;
use super::connection::connection;
use super::gate::Gate;
use super::places::{Place, Places};
use crate::current::Current;
use crate::http::intake::{Peer, Transport};
use crate::http::listen::Socketed;
use crate::http::socket_table::SocketTable;
use crate::http::units::Units;
use crate::policy::Process;

/// The time they have.
const TO_ASK: Duration = Duration::from_millis(250);
/// When nobody has come for so long at the end, nobody is waiting.
const NOBODY: Duration = Duration::from_millis(10);
/// Those who wait at the end are accepted for no longer than this.
const LAST_ACCEPTS: Duration = Duration::from_millis(250);
/// How many may still be waiting when those have been accepted.
const MOST_LAST: usize = 1_024;
/// How long the loop rests when the machine has no descriptors left.
const REST: Duration = Duration::from_millis(100);

/// What the loop of a listener works with, and shares with the others.
pub struct Accepting<A> {
    pub transport: Option<Transport>,
    pub answers: A,
    pub table: Option<SocketTable>,
    pub places: Arc<Places>,
    pub strangers: Arc<Places>,
    pub turned_away: Arc<Semaphore>,
    pub in_line: Arc<Semaphore>,
    pub complaints: Arc<Complaints>,
    pub gate: Arc<Gate>,
    pub units: Current<Option<Arc<Units>>>,
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
    /// Accepts from `socket` until its gate is closed, and then whoever is waiting already, if there is nobody after us to do so.
    /// Whoever waits for a place beside the loop does not keep it open.
    pub async fn run(self: Arc<Self>, _until_let_go: mpsc::Sender<Infallible>, socket: Arc<Socketed>) {
        self.until_shut(&socket).await;
        if socket.outlives_us() {
            return;
        }
        let _ = tokio::time::timeout(LAST_ACCEPTS, self.those_who_wait(&socket)).await;
        let last: Vec<_> = Arc::into_inner(socket).map(|socket| self.last_of(socket)).unwrap_or_default();
        let settled = async {
            for accepted in last {
                self.settle(accepted).await;
            }
        };
        let _ = tokio::time::timeout(LAST_ACCEPTS, settled).await;
    }

    /// Closes `socket` in the moment in which nobody waits any more; who has waited.
    fn last_of(&self, socket: Socketed) -> Vec<Accepted> {
        // What is known of readiness may be older than whoever has come last, so the kernel is asked.
        match socket {
            Socketed::Tcp(listener, _) => {
                let waiting = listener.into_std().map_or_else(|_| Vec::new(), |listener| all_of(|| listener.accept()));
                let accepted = waiting.into_iter().filter_map(|(stream, address)| {
                    stream.set_nonblocking(true).ok()?;
                    Some(self.over_tcp(TcpStream::from_std(stream).ok()?, address))
                });
                accepted.collect()
            }
            Socketed::Unix(file, listener) => {
                drop(file);
                let waiting = listener.into_std().map_or_else(|_| Vec::new(), |listener| all_of(|| listener.accept()));
                let accepted = waiting.into_iter().filter_map(|(stream, _)| {
                    stream.set_nonblocking(true).ok()?;
                    Some(self.over_unix(UnixStream::from_std(stream).ok()?))
                });
                accepted.collect()
            }
        }
    }

    async fn those_who_wait(self: &Arc<Self>, socket: &Socketed) {
        while let Ok(accepted) = tokio::time::timeout(NOBODY, self.accept(socket)).await {
            match accepted {
                Ok(accepted) => self.settle(accepted).await,
                Err(_) => tokio::time::sleep(NOBODY).await,
            }
        }
    }

    async fn until_shut(self: &Arc<Self>, socket: &Socketed) {
        let mut closed = std::pin::pin!(self.gate.until_shut());
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(socket) => accepted,
                () = &mut closed => return,
            };
            match accepted {
                // Whoever has been accepted is answered also then, where there is soon a place.
                Ok(accepted) => tokio::select! {
                    () = self.settle(accepted) => {},
                    () = self.some_time_after_shutting() => return,
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

    async fn some_time_after_shutting(&self) {
        self.gate.until_shut().await;
        tokio::time::sleep(LAST_ACCEPTS).await;
    }

    async fn accept(&self, socket: &Socketed) -> io::Result<Accepted> {
        Ok(match socket {
            Socketed::Tcp(listener, _) => {
                let (stream, address) = listener.accept().await?;
                self.over_tcp(stream, address)
            }
            Socketed::Unix(_, listener) => self.over_unix(listener.accept().await?.0),
        })
    }

    fn over_tcp(&self, stream: TcpStream, address: SocketAddr) -> Accepted {
        let transport = self.transport.unwrap_or(Transport::Tcp);
        if transport == Transport::Tcp && !address.ip().is_loopback() {
            return Accepted::Stranger;
        }
        // Without it answers only become slower.
        let _ = stream.set_nodelay(true);
        let process = self.table.map(|table| table.process_of_peer(&stream, (*self.units.get()).as_deref()));
        let (process, at) = (process.unwrap_or_default(), stream.local_addr().ok());
        Accepted::Tcp(stream, Peer { transport, process, at })
    }

    fn over_unix(&self, stream: UnixStream) -> Accepted {
        let unit = (*self.units.get()).as_ref().and_then(|units| units.of_peer(&stream));
        let process = stream.peer_cred().map_or_else(|_| Process::default(), known_by_kernel);
        let process = Process { unit, ..process };
        Accepted::Unix(stream, Peer { transport: Transport::Unix, process, at: None })
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
            let asks = tokio::time::timeout(this.answers.limits().head, accepted.readable()).await;
            if !matches!(asks, Ok(Ok(()))) {
                return;
            }
            let place = this.places.take_in_line(holder).await;
            drop(seat);
            this.answer(accepted, place);
        }));
    }

    fn answer(&self, accepted: Accepted, place: Option<Arc<Place>>) {
        // Without the one or the other it is told so.
        match (place.zip(self.gate.watcher()), accepted) {
            (Some((place, watcher)), Accepted::Tcp(stream, peer)) => self.serve(stream, peer, place, watcher),
            (Some((place, watcher)), Accepted::Unix(stream, peer)) => self.serve(stream, peer, place, watcher),
            (None, Accepted::Tcp(stream, _)) => self.send_away(stream, TcpStream::into_std),
            (None, Accepted::Unix(stream, _)) => self.send_away(stream, UnixStream::into_std),
            (_, Accepted::Stranger) => {}
        }
    }

    fn serve<S>(&self, stream: S, peer: Peer, place: Arc<Place>, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits = self.answers.limits();
        drop(tokio::spawn(connection(stream, peer, limits, self.answers.clone(), watcher, place)));
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

/// What `accept` gives until nobody waits, but not for ever.
fn all_of<T>(accept: impl FnMut() -> io::Result<T>) -> Vec<T> {
    let accepted = std::iter::repeat_with(accept).take(MOST_LAST);
    let until_nobody_waits = accepted.take_while(|accepted| accepted.as_ref().err().is_none_or(is_of_one_connection));
    until_nobody_waits.filter_map(io::Result::ok).collect()
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
