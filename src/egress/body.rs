//! Bodies on their way through: a piece at a time, never longer without progress than allowed, never ended by anything but
//! their own end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep, timeout};

use super::tally::Forwarding;
use crate::http::reply::Trouble;

/// What can be wrong with a body.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A body waits so long for room among those that are held.
const ROOM: Duration = Duration::from_secs(10);

/// How the body of a request comes along, for whoever waits for the answer to it.
#[derive(Debug, Default)]
pub struct Pulse {
    pieces: AtomicU64,
    waiting: AtomicBool,
    broken: AtomicBool,
}

impl Pulse {
    /// How many pieces have come so far.
    pub fn pieces(&self) -> u64 {
        self.pieces.load(Ordering::Relaxed)
    }

    /// Is it the client that everybody waits for?
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Did it break off?
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

/// A body that fails when nothing of it comes for some time. Trailers end here.
pub struct Paced {
    body: Incoming,
    idle: Duration,
    /// Runs while a piece is waited for.
    deadline: Option<Pin<Box<Sleep>>>,
    side: Side,
}

/// Whose body it is.
enum Side {
    Client(Arc<Pulse>),
    Upstream(Forwarding),
}

impl Paced {
    /// The body of a request, whose progress shows in `pulse`.
    pub fn of_client(body: Incoming, idle: Duration, pulse: Arc<Pulse>) -> Self {
        Self { body, idle, deadline: None, side: Side::Client(pulse) }
    }

    /// The body of an answer; that it breaks off is told to `forwarding`.
    pub fn of_upstream(body: Incoming, idle: Duration, forwarding: Forwarding) -> Self {
        Self { body, idle, deadline: None, side: Side::Upstream(forwarding) }
    }

    fn came(&self) {
        if let Side::Client(pulse) = &self.side {
            pulse.pieces.fetch_add(1, Ordering::Relaxed);
            pulse.waiting.store(false, Ordering::Relaxed);
        }
    }

    fn broke(&self, why: &str) {
        match &self.side {
            Side::Client(pulse) => pulse.broken.store(true, Ordering::Relaxed),
            Side::Upstream(forwarding) => forwarding.broke(why),
        }
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Side::Client(pulse) = &self.side {
            pulse.waiting.store(true, Ordering::Relaxed);
        }
        let idle = self.idle;
        ready!(self.deadline.get_or_insert_with(|| Box::pin(sleep(idle))).as_mut().poll(cx));
        self.broke("nothing more of its answer came");
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing more of the body came").into())))
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else { return self.wait(cx) };
            self.deadline = None;
            self.came();
            match frame {
                Some(Ok(frame)) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
                Some(Ok(_)) => {}
                Some(Err(cause)) => {
                    self.broke("its answer broke off in the middle");
                    return Poll::Ready(Some(Err(cause.into())));
                }
                None => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that was read as a whole. Its room is free when nobody holds its bytes any more, be it the HTTP library's queue.
struct Whole {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a body of at most `most` bytes as a whole, when there is room for it, which is counted in KiB and taken by the bytes.
///
/// # Errors
/// If it is larger, breaks off, or no room becomes free in time.
pub async fn whole(mut body: Paced, most: usize, room: &Arc<Semaphore>) -> Result<Bytes, Trouble> {
    let size = body.size_hint().exact().map_or(most, |size| usize::try_from(size).unwrap_or(usize::MAX));
    if size > most {
        return Err(Trouble::BodyTooLarge(TOO_LARGE));
    }
    let kib = u32::try_from(size.div_ceil(1024)).unwrap_or(u32::MAX);
    let room = timeout(ROOM, Arc::clone(room).acquire_many_owned(kib))
        .await
        .ok()
        .and_then(Result::ok)
        .ok_or(Trouble::TooSlow)?;
    // In one piece that never grows: kept one by one, pieces of a byte would take forty times their room.
    let mut whole = Vec::with_capacity(size);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Trouble::BadRequest("the body broke off, or nothing more of it came"))?;
        let piece = frame.into_data().unwrap_or_default();
        if piece.len() > most - whole.len() {
            return Err(Trouble::BodyTooLarge(TOO_LARGE));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(Bytes::from_owner(Whole { bytes: whole, _room: room }))
}

const TOO_LARGE: &str = "a body that is signed is held as a whole and at most 10 MiB, which is what API Gateway takes; \
                         larger ones go to S3 (service = \"s3\"), which takes them unsigned";
