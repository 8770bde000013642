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
    standing: watch::Sender<Standing>,
    graceful: Mutex<Option<GracefulShutdown>>,
    /// Each accept loop holds a sender as long as it runs.
    accepting: Mutex<Option<(mpsc::Sender<Infallible>, mpsc::Receiver<Infallible>)>>,
}

/// How far a gate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Open,
    /// Nobody else comes in but who has connected already.
    Shut,
    /// Its sockets are let go of.
    Left,
}

impl Gate {
    /// An open one.
    pub fn open() -> Arc<Self> {
        Arc::new(Self {
            standing: watch::Sender::new(Standing::Open),
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

    /// Is it to be closed, and are its sockets let go of?
    pub fn is_left(&self) -> bool {
        *self.standing.borrow() == Standing::Left
    }

    /// Returns when it is to be closed.
    pub async fn until_shut(&self) {
        self.until(Standing::Shut).await;
    }

    /// Returns when its sockets are let go of; at once if it is open.
    pub async fn until_left(&self) {
        if *self.standing.borrow() != Standing::Open {
            self.until(Standing::Left).await;
        }
    }

    async fn until(&self, wanted: Standing) {
        let mut standing = self.standing.subscribe();
        let _ = standing.wait_for(|standing| *standing >= wanted).await;
    }

    /// Begins to close it.
    pub fn shut(&self) {
        self.standing.send_modify(|standing| *standing = Standing::Shut.max(*standing));
    }

    /// Lets nobody in any more, and ends every connection after the request it is answering. Returns when the last has ended.
    pub async fn close(&self) {
        self.shut();
        let accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((accepting, mut all_ended)) = accepting {
            drop(accepting);
            // Whoever is accepted last is answered too.
            all_ended.recv().await;
            self.standing.send_replace(Standing::Left);
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
