//! A gate before the emulator: requests that name something are held and never reach it, all others pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// The gate. It stays as long as the test's runtime.
pub struct Gate {
    pub url: String,
    held: Arc<Notify>,
}

impl Gate {
    /// Holds what names `named` in its head, before `upstream`, but for the first `passing`.
    #[expect(clippy::disallowed_methods, reason = "one process connects here, so the backlog is of no matter")]
    pub async fn before(upstream: &str, named: &'static str, passing: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (held, upstream) = (Arc::new(Notify::new()), upstream.trim_start_matches("http://").to_owned());
        let gate = Self { url, held: Arc::clone(&held) };
        let passing = Arc::new(AtomicUsize::new(passing));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, upstream.clone(), named, Arc::clone(&passing), Arc::clone(&held)));
            }
        });
        gate
    }

    /// Waits until a request is held.
    pub async fn holds(&self) {
        self.held.notified().await;
    }
}

/// Lets one request pass, on a connection that then ends, so that each request has its own.
async fn pass(
    mut client: TcpStream,
    upstream: String,
    named: &str,
    passing: Arc<AtomicUsize>,
    held: Arc<Notify>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        if client.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let less = |passing: usize| passing.checked_sub(1);
    let is_named = String::from_utf8_lossy(&request).contains(named);
    if is_named && passing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err() {
        held.notify_one();
        return std::future::pending().await;
    }
    let line = request.windows(2).position(|bytes| bytes == b"\r\n").unwrap();
    request.splice(line..line, *b"\r\nconnection: close");
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(&request).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
