//! What is told to systemd while the daemon runs: how things are, the leases for the next process, and that requests are answered.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Mutex;

use super::handover::Handover;
use crate::http::listen::Socketed;
use crate::http::{Life, Surface};
use crate::ops::systemd;

/// How often it is looked whether there is news.
const LOOK: Duration = Duration::from_secs(1);
/// The watchdog is fed so often in the time that it waits.
const FEEDS: u32 = 3;
/// How long a listener that has never been reached is waited for.
const FIRST: Duration = Duration::from_secs(1);
/// What the daemon asks itself.
const QUESTION: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Tells the news, until it is dropped.
pub async fn tell(surface: Arc<Surface>, handover: Arc<Mutex<Handover>>) {
    let mut said = status(&surface);
    loop {
        tokio::time::sleep(LOOK).await;
        handover.lock().await.leave(&surface.store).await;
        let now = status(&surface);
        if now != said && !surface.life.is_draining() {
            let told = now.clone();
            drop(tokio::task::spawn_blocking(move || systemd::status(&told)).await);
            said = now;
        }
    }
}

/// One line on how things are.
pub fn status(surface: &Surface) -> String {
    let listeners = surface.listeners.join(", ");
    let (all, missing) = (surface.kept.len(), surface.files_missing());
    let files = if missing == 0 { String::new() } else { format!(", {missing} files missing") };
    match all {
        0 => format!("serving on {listeners}{files}"),
        _ => format!("serving on {listeners}; {} of {all} entries usable{files}", all - surface.without_value()),
    }
}

/// A listener of this process, as its callers see it.
#[derive(Clone, Debug)]
pub enum Knock {
    /// At this address.
    Tcp(SocketAddr),
    /// At this path.
    Unix(PathBuf),
}

impl Knock {
    /// Where `socket` is reached. `None` where it has no name.
    pub fn at(socket: &Socketed) -> Option<Self> {
        match socket {
            Socketed::Tcp(listener, _) => listener.local_addr().ok().map(Self::Tcp),
            Socketed::Unix(_, listener) => {
                listener.local_addr().ok()?.as_pathname().map(|path| Self::Unix(path.to_owned()))
            }
        }
    }

    /// Is there an answer, whatever it is? `Some(true)` if it is one of those that are counted.
    async fn answers(&self) -> Option<bool> {
        match self {
            Self::Tcp(address) => converse(TcpStream::connect(*address).await.ok()?).await,
            Self::Unix(path) => converse(UnixStream::connect(path).await.ok()?).await,
        }
    }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<bool> {
    stream.write_all(QUESTION).await.ok()?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.ok()?;
    answer.starts_with(b"HTTP/1.1 ").then(|| answer.ends_with(b"200"))
}

/// Feeds systemd's watchdog as long as each of `listeners` answers, a `/healthz` of our own over the real socket, and tasks run.
/// It is about this process alone: an upstream that is down lets nobody starve.
pub async fn feed(limit: Duration, listeners: Vec<Knock>, life: Arc<Life>) {
    let watch = Arc::new(Mutex::new(Watch::new(listeners, life)));
    let look = move || {
        let watch = Arc::clone(&watch);
        async move { watch.lock().await.is_alive().await }
    };
    beat(limit / FEEDS, look, systemd::alive).await;
}

/// Looks once in each `pause`, and feeds where the look found life in that time.
async fn beat<L: Future<Output = bool>>(
    pause: Duration,
    look: impl Fn() -> L,
    feed: impl Fn() + Clone + Send + 'static,
) {
    loop {
        if tokio::time::timeout(pause, look()).await == Ok(true) {
            // systemd may be busy, which nobody else waits for.
            drop(tokio::task::spawn_blocking(feed.clone()).await);
        } else {
            tracing::warn!("this process does not answer itself in time; the watchdog is not fed");
        }
        tokio::time::sleep(pause).await;
    }
}

/// What has to go on.
struct Watch {
    listeners: Vec<(Knock, bool)>,
    life: Arc<Life>,
}

impl Watch {
    fn new(listeners: Vec<Knock>, life: Arc<Life>) -> Self {
        Self { listeners: listeners.into_iter().map(|knock| (knock, false)).collect(), life }
    }

    /// Do tasks run, and does every listener answer that has ever been reached from here? One whose path is not to be seen from
    /// inside a sandbox says nothing about the process.
    async fn is_alive(&mut self) -> bool {
        let runs = tokio::spawn(async {}).await.is_ok();
        // A drain has an end of its own.
        if self.life.is_draining() {
            return runs;
        }
        let mut alive = runs;
        for (knock, reached) in &mut self.listeners {
            let answer = if *reached {
                knock.answers().await
            } else {
                tokio::time::timeout(FIRST, knock.answers()).await.unwrap_or_default()
            };
            if answer == Some(true) {
                self.life.forget_one();
            }
            alive &= answer.is_some() || !*reached;
            *reached |= answer.is_some();
        }
        alive
    }
}

#[cfg(test)]
#[path = "pulse_tests.rs"]
mod tests;
