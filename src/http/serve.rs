//! The accept loop: one for TCP, unix and inherited sockets.
//!
//! HTTP/1.1 only. A connection is served when a place for it is free; a head must be complete in time, its size is bounded,
//! a request has a deadline as a whole. At the limit of file descriptors the loop waits instead of spinning.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::Door;
use super::intake::{Peer, Transport};
use super::listen::Socketed;
use super::reply::{self, Style, Trouble};

/// A request's head is complete, and an idle connection used again, within this.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// A head is no larger than this, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;
/// A head has no more fields than this.
const MOST_FIELDS: usize = 64;
/// A request is answered within this; every route is much faster.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// How long the loop rests when the machine has no descriptors left.
const REST: Duration = Duration::from_millis(100);

/// What the accept loops share.
pub struct Server {
    door: Door,
    places: Arc<Semaphore>,
    graceful: Arc<Mutex<Option<GracefulShutdown>>>,
    stop: watch::Receiver<bool>,
}

impl Server {
    /// Serves `door` to at most `most` connections at once, until `stop` turns true.
    pub fn new(door: Door, most: usize, stop: watch::Receiver<bool>) -> Self {
        Self {
            door,
            places: Arc::new(Semaphore::new(most)),
            graceful: Arc::new(Mutex::new(Some(GracefulShutdown::new()))),
            stop,
        }
    }

    /// Accepts from `socket` in a task of its own. `transport` overrides what the socket says, for the admin listener.
    pub fn accept_from(&self, socket: Socketed, transport: Option<Transport>) {
        let accepting = Accepting {
            socket,
            transport,
            door: self.door.clone(),
            places: Arc::clone(&self.places),
            graceful: Arc::clone(&self.graceful),
            stop: self.stop.clone(),
        };
        tokio::spawn(accepting.run());
    }

    /// Ends every connection after the request it is answering; waits for them, but not longer than `patience`.
    pub async fn finish(self, patience: Duration) {
        let graceful = self.graceful.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(graceful) = graceful {
            let _ = tokio::time::timeout(patience, graceful.shutdown()).await;
        }
    }
}

struct Accepting {
    socket: Socketed,
    transport: Option<Transport>,
    door: Door,
    places: Arc<Semaphore>,
    graceful: Arc<Mutex<Option<GracefulShutdown>>>,
    stop: watch::Receiver<bool>,
}

/// A connection that has been accepted, with its other end.
enum Accepted {
    Tcp(TcpStream, Peer),
    Unix(UnixStream, Peer),
    /// It did not come over the loopback interface.
    Stranger,
}

impl Accepting {
    /// `None` once the server is finishing.
    fn watcher(&self) -> Option<Watcher> {
        self.graceful.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(GracefulShutdown::watcher)
    }

    async fn run(mut self) {
        let mut stop = self.stop.clone();
        loop {
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match accepted {
                // When all places are taken this one waits in the loop, and those behind it in the backlog.
                Ok(accepted) => tokio::select! {
                    place = Arc::clone(&self.places).acquire_owned() => match place {
                        Ok(place) => self.serve(accepted, place),
                        Err(_) => return,
                    },
                    _ = stop.wait_for(|stop| *stop) => return,
                },
                Err(cause) if is_of_one_connection(&cause) => {}
                Err(cause) => {
                    tracing::error!(%cause, "connections cannot be accepted; waiting for descriptors");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    async fn accept(&mut self) -> io::Result<Accepted> {
        match &self.socket {
            Socketed::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                let transport = self.transport.unwrap_or(Transport::Tcp);
                if transport == Transport::Tcp && !address.ip().is_loopback() {
                    return Ok(Accepted::Stranger);
                }
                // Without it answers only become slower.
                let _ = stream.set_nodelay(true);
                Ok(Accepted::Tcp(stream, Peer { transport, uid: None }))
            }
            Socketed::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred().ok().map(|peer| peer.uid());
                Ok(Accepted::Unix(stream, Peer { transport: Transport::Unix, uid }))
            }
        }
    }

    fn serve(&self, accepted: Accepted, place: OwnedSemaphorePermit) {
        let Some(watcher) = self.watcher() else { return };
        let door = self.door.clone();
        match accepted {
            Accepted::Tcp(stream, peer) => drop(tokio::spawn(connection(stream, peer, door, watcher, place))),
            Accepted::Unix(stream, peer) => drop(tokio::spawn(connection(stream, peer, door, watcher, place))),
            Accepted::Stranger => tracing::warn!("a connection that did not come over loopback was dropped"),
        }
    }
}

/// The peer went away before it was accepted; the next one is not concerned.
fn is_of_one_connection(cause: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(cause.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Serves one connection; its place is free again when it ends.
async fn connection<S>(stream: S, peer: Peer, door: Door, watcher: Watcher, place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: http::Request<Incoming>| {
        let door = door.clone();
        async move {
            let style = Style::of(request.uri().path());
            let answer = tokio::time::timeout(REQUEST_DEADLINE, door.answer(request, &peer)).await;
            Ok::<_, std::convert::Infallible>(answer.unwrap_or_else(|_| {
                let mut response = reply::refusal(&Trouble::TooSlow, style);
                reply::harden(&mut response, true);
                response
            }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_header_size(LARGEST_HEAD)
        .max_headers(MOST_FIELDS)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(cause) = watcher.watch(connection).await {
        tracing::trace!(%cause, "a connection ended");
    }
    drop(place);
}
