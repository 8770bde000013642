//! The way in by one listener: open, until it is closed for those who come and for those who are there.

use std::sync::{Arc, Mutex, PoisonError};

use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::sync::watch;

/// The way in by one listener.
#[derive(Debug)]
pub struct Gate {
    closed: watch::Sender<bool>,
    graceful: Mutex<Option<GracefulShutdown>>,
}

impl Gate {
    /// An open one.
    pub fn open() -> Arc<Self> {
        Arc::new(Self { closed: watch::Sender::new(false), graceful: Mutex::new(Some(GracefulShutdown::new())) })
    }

    /// By which a connection is told to end; `None` once it is closed.
    pub fn watcher(&self) -> Option<Watcher> {
        self.graceful.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(GracefulShutdown::watcher)
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
        let graceful = self.graceful.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(graceful) = graceful {
            graceful.shutdown().await;
        }
    }
}
