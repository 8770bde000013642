//! The way to an upstream, which can be shut: whoever comes then is refused, and what was under way is cut off.

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::daemon::{free_port, holds};
use crate::waiting::until;

pub struct Gate {
    port: u16,
    to: String,
    open: Option<JoinHandle<()>>,
}

impl Gate {
    /// One that is open, before the upstream at `url`.
    pub async fn before(url: &str) -> Self {
        let mut gate = Self { port: free_port(), to: url.trim_start_matches("http://").to_owned(), open: None };
        gate.open().await;
        gate
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub async fn open(&mut self) {
        let listener = until("the port of the gate", Duration::from_secs(10), async || self.listen().ok()).await;
        let to = self.to.clone();
        self.open = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => drop(connections.spawn(forward(stream, to.clone()))),
                    Some(_) = connections.join_next() => {}
                }
            }
        }));
    }

    pub async fn shut(&mut self) {
        if let Some(open) = self.open.take() {
            open.abort();
            // It was aborted, and that is all it tells.
            let _ = open.await;
        }
    }

    fn listen(&self) -> std::io::Result<TcpListener> {
        let listener = holds("127.0.0.1", self.port)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(open) = &self.open {
            open.abort();
        }
    }
}

async fn forward(mut stream: TcpStream, to: String) {
    if let Ok(mut upstream) = TcpStream::connect(to).await {
        // However it ends, both ends are closed.
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
    }
}
