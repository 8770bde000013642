//! The way in by one listener: open, until it is closed for those who come and for those who are there.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::sync::{mpsc, watch};

/// Those who have connected ask within this, or are not answered when the gate is closed.
const LAST_REQUESTS: Duration = Duration::from_millis(250);
/// How often it is looked whether they have been answered.
const LOOK: Duration = Duration::from_millis(5);

/// The way in by one listener.
#[derive(Debug)]
pub struct Gate {
    closed: watch::Sender<bool>,
    graceful: Mutex<Option<GracefulShutdown>>,
    /// Each accept loop holds a sender as long as it runs.
    accepting: Mutex<Option<(mpsc::Sender<Infallible>, mpsc::Receiver<Infallible>)>>,
}

impl Gate {
    /// An open one.
    pub fn open() -> Arc<Self> {
        Arc::new(Self {
            closed: watch::Sender::new(false),
            graceful: Mutex::new(Some(GracefulShutdown::new())),
            accepting: Mutex::new(Some(mpsc::channel(1))),
        })
    }

    /// What an accept loop holds while it runs.
    pub fn accepting(&self) -> mpsc::Sender<Infallible> {
        let accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner);
        accepting.as_ref().map_or_else(|| mpsc::channel(1).0, |(accepting, _)| accepting.clone())
    }

    /// By which a connection is told to end; `None` once it is closed.
    pub fn watcher(&self) -> Option<Watcher> {
        self.graceful().as_ref().map(GracefulShutdown::watcher)
    }

    /// Has it been closed?
    pub fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Returns when it has been closed.
    pub async fn until_closed(&self) {
        let mut closed = self.closed.subscribe();
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// Lets nobody in any more, and ends every connection after the request it is answering. Returns when the last has ended.
    pub async fn close(&self) {
        self.closed.send_replace(true);
        let accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((accepting, mut all_ended)) = accepting {
            drop(accepting);
            // Whoever is accepted last is answered too.
            all_ended.recv().await;
        }
        // Whoever has connected and not asked yet is about to: the library would end his connection without an answer.
        let _ = tokio::time::timeout(LAST_REQUESTS, self.all_answered()).await;
        let graceful = self.graceful().take();
        if let Some(graceful) = graceful {
            graceful.shutdown().await;
        }
    }

    /// Returns when there are no connections any more.
    async fn all_answered(&self) {
        while self.graceful().as_ref().map_or(0, GracefulShutdown::count) > 0 {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn graceful(&self) -> MutexGuard<'_, Option<GracefulShutdown>> {
        self.graceful.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
