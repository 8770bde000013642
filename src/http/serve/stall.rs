//! A stream that gives up on a peer that does not read.
//!
//! The HTTP library times what it reads, not what it writes: a peer that asks and never reads would hold its connection,
//! and with it one of the places, for ever.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::places::Place;

/// A stream whose writes fail with [`io::ErrorKind::TimedOut`] when the peer takes nothing for `patience`.
#[derive(Debug)]
pub struct Stalling<S> {
    stream: S,
    patience: Duration,
    /// Runs while a write, flush or shutdown waits for the peer.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Is told what goes on.
    place: Option<Arc<Place>>,
}

impl<S> Stalling<S> {
    /// `stream` with a limit of `patience` on each wait of its writing half.
    pub fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, deadline: None, place: None }
    }

    /// The same for a connection that has a place.
    pub fn at(place: Arc<Place>, stream: S, patience: Duration) -> Self {
        Self { place: Some(place), ..Self::new(stream, patience) }
    }

    /// Passes on what the stream said. The deadline starts with the first `Pending` and ends with the first progress.
    fn timed<T>(&mut self, cx: &mut Context<'_>, said: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if said.is_ready() {
            if self.deadline.take().is_some() {
                self.tell(|place| place.blocked(false));
            }
            return said;
        }
        if self.deadline.is_none() {
            self.tell(|place| place.blocked(true));
        }
        let patience = self.patience;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(patience)));
        deadline.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")))
    }

    fn tell(&self, news: impl FnOnce(&Place)) {
        if let Some(place) = &self.place {
            news(place);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let said = Pin::new(&mut self.stream).poll_read(cx, into);
        if into.filled().len() > before {
            self.tell(Place::heard);
        }
        said
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let said = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.timed(cx, said)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let said = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.timed(cx, said)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let said = Pin::new(&mut self.stream).poll_flush(cx);
        self.timed(cx, said)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let said = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.timed(cx, said)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter, DuplexStream, duplex};
    use tokio::time::advance;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A stream that takes four bytes until they are read, and its peer.
    fn narrow() -> (Stalling<DuplexStream>, DuplexStream) {
        let (here, there) = duplex(4);
        (Stalling::new(here, PATIENCE), there)
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_reads_is_given_up_after_the_patience_and_no_earlier() {
        let (mut stream, _there) = narrow();
        let writing = tokio::spawn(async move { stream.write_all(b"12345").await });
        tokio::task::yield_now().await;
        advance(PATIENCE - Duration::from_millis(2)).await;
        tokio::task::yield_now().await;
        assert!(!writing.is_finished(), "it has a little time left");
        advance(Duration::from_millis(4)).await;
        assert_eq!(writing.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_is_served_to_the_end() {
        let (mut stream, mut there) = narrow();
        let writing = tokio::spawn(async move { stream.write_all(&[7; 40]).await });
        let mut piece = [0; 4];
        for _ in 0..10 {
            sleep(PATIENCE - Duration::from_secs(1)).await;
            there.read_exact(&mut piece).await.unwrap();
        }
        writing.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_peer_is_not_stalling() {
        let (mut stream, mut there) = narrow();
        stream.write_all(b"1234").await.unwrap();
        advance(PATIENCE * 3).await;
        there.read_exact(&mut [0; 4]).await.unwrap();
        stream.write_all(b"5678").await.unwrap();
        let reading = tokio::spawn(async move { stream.read_u8().await });
        advance(PATIENCE * 3).await;
        there.write_u8(9).await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), 9, "waiting for a request is timed elsewhere");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_and_a_shutdown_that_wait_are_timed_as_well() {
        for ends in [false, true] {
            let (here, _there) = duplex(4);
            let mut stream = Stalling::new(BufWriter::new(here), PATIENCE);
            stream.write_all(b"12345678").await.unwrap();
            let waited = if ends { stream.shutdown().await } else { stream.flush().await };
            assert_eq!(waited.unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
    }
}
