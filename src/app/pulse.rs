//! What is told to systemd while the daemon runs: how things are, the leases for the next process, and that requests are answered.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Mutex;

use super::handover::Handover;
use crate::http::{Life, Surface};
use crate::ops::systemd::Manager;

/// How often it is looked whether there is news.
const LOOK: Duration = Duration::from_secs(1);
/// The watchdog is fed so often in the time that it waits.
const FEEDS: u32 = 3;
/// How long a listener that has never been reached is waited for.
const FIRST: Duration = Duration::from_secs(1);

/// Tells `systemd` the news of the `current` surface, until it is dropped.
pub async fn tell(current: impl Fn() -> Arc<Surface>, handover: Arc<Mutex<Handover>>, systemd: Manager) {
    let mut said = status(&current());
    loop {
        tokio::time::sleep(LOOK).await;
        // In this order: what an earlier configuration holds is never left as that of the next one.
        let mut handover = handover.lock().await;
        let surface = current();
        handover.leave(&surface).await;
        drop(handover);
        let (now, waits) = (status(&surface), systemd.waits());
        if (waits || now != said) && !surface.life.is_draining() {
            let (told, systemd) = (now.clone(), systemd.clone());
            let tell = move || if waits { systemd.ready_again(&told) } else { systemd.status(&told) };
            drop(tokio::task::spawn_blocking(tell).await);
            said = now;
        }
    }
}

/// One line on how things are.
pub fn status(surface: &Surface) -> String {
    let listeners = surface.listeners.join(", ");
    let (all, missing) = (surface.kept.len(), surface.files_missing());
    let files = if missing == 0 { String::new() } else { format!(", {missing} files missing") };
    let is_refused = surface.reloads.standing().last.is_some_and(|last| !last.problems.is_empty());
    let reload = if is_refused { "; the last reload was refused" } else { "" };
    match all {
        0 => format!("serving on {listeners}{files}{reload}"),
        _ => {
            format!("serving on {listeners}; {} of {all} entries usable{files}{reload}", all - surface.without_value())
        }
    }
}

/// A listener of this process, as its callers see it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Knock {
    /// At this address.
    Tcp(SocketAddr),
    /// At this path.
    Unix(PathBuf),
}

impl Knock {
    /// Where the listener of this `name` is reached; `None` if it is not one of the callers' own.
    fn at(name: &str) -> Option<Self> {
        match name.strip_prefix("unix:") {
            Some(path) => Some(Self::Unix(path.into())),
            None => name.parse().ok().map(Self::Tcp),
        }
    }

    /// Is there an answer to `question`, whatever it is?
    async fn answers(&self, question: &str) -> bool {
        let answered = match self {
            Self::Tcp(address) => match TcpStream::connect(*address).await {
                Ok(stream) => converse(stream, question).await,
                Err(cause) => Err(cause),
            },
            Self::Unix(path) => match UnixStream::connect(path).await {
                Ok(stream) => converse(stream, question).await,
                Err(cause) => Err(cause),
            },
        };
        answered.unwrap_or(false)
    }
}

/// What the daemon asks itself.
fn question(life: &Life) -> String {
    let (name, value) = life.own();
    format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{name}: {value}\r\n\r\n")
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, question: &str) -> std::io::Result<bool> {
    stream.write_all(question.as_bytes()).await?;
    let mut answer = [0; 9];
    stream.read_exact(&mut answer).await?;
    Ok(answer == *b"HTTP/1.1 ")
}

/// Feeds the watchdog of `systemd` as long as each of the `current` listeners answers, a `/healthz` of our own over the real socket, and
/// tasks run. It is about this process alone: an upstream that is down lets nobody starve.
pub async fn feed(limit: Duration, current: impl Fn() -> Arc<Surface>, systemd: Manager) {
    let watch = Arc::new(Mutex::new(Watch::default()));
    let pause = limit / FEEDS;
    let look = || {
        let (watch, surface) = (Arc::clone(&watch), current());
        let knocks: Vec<_> = surface.listeners.iter().filter_map(|name| Knock::at(name)).collect();
        async move {
            let mut watch = watch.lock().await;
            let answered = tokio::time::timeout(pause / 2, watch.is_alive(knocks, &surface.life)).await;
            let tally = surface.places.tally();
            watch.has_settled(tally.moved + tally.turned_away) || answered == Ok(true)
        }
    };
    beat(pause, look, move || systemd.alive()).await;
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
#[derive(Default)]
struct Watch {
    /// The listeners that have answered.
    reached: BTreeSet<Knock>,
    /// Connections that had to make room or were turned away, at the last look.
    settled: u64,
}

impl Watch {
    /// Has a place been decided about since the last look, when there were too few of them? In a flood our own question may find
    /// none, and anybody could have a process killed that does all it can.
    fn has_settled(&mut self, settled: u64) -> bool {
        std::mem::replace(&mut self.settled, settled) != settled
    }

    /// Do tasks run, and does every one of `listeners` answer that has ever been reached from here? One whose path is not to be
    /// seen from inside a sandbox says nothing about the process.
    async fn is_alive(&mut self, listeners: Vec<Knock>, life: &Life) -> bool {
        let mut alive = tokio::spawn(async {}).await.is_ok();
        // A drain has an end of its own.
        if life.is_draining() {
            return alive;
        }
        let question = question(life);
        for knock in listeners {
            let reached = self.reached.contains(&knock);
            let answers = knock.answers(&question);
            let answers =
                if reached { answers.await } else { tokio::time::timeout(FIRST, answers).await.unwrap_or_default() };
            if answers {
                self.reached.insert(knock);
            } else {
                alive &= !reached;
            }
        }
        alive
    }
}

#[cfg(test)]
#[path = "pulse_tests.rs"]
mod tests;
