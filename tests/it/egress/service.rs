//! The service behind a forward address: it reads requests as they are on the wire, notes them, and answers what a test says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::waiting::until;

/// What an answer is made of.
type Answers = Arc<dyn Fn(&Seen) -> String + Send + Sync>;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub line: String,
    /// Name, in lower case, and value of every field in order.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Did it come to its end?
    pub whole: bool,
}

impl Seen {
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(own, _)| own == name).map(|(_, value)| &**value).collect()
    }

    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }
}

pub struct Service {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<Mutex<usize>>,
    accepting: JoinHandle<()>,
}

impl Service {
    /// A service that says `ok` to everything.
    pub async fn open() -> Self {
        Self::answering(|_| ok("ok")).await
    }

    /// The answer is sent as it is; the connection closes after an empty one, or one that says so.
    pub async fn answering(answer: impl Fn(&Seen) -> String + Send + Sync + 'static) -> Self {
        let (listener, _) = listener().await;
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let connections: Arc<Mutex<usize>> = Arc::default();
        let answer: Answers = Arc::new(answer);
        let (noted, counted) = (Arc::clone(&seen), Arc::clone(&connections));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *counted.lock().unwrap() += 1;
                tokio::spawn(serve(stream, Arc::clone(&noted), Arc::clone(&answer)));
            }
        });
        Self { port, seen, connections, accepting }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What has arrived, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// The one request that has arrived.
    pub fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }

    /// Waits until `count` requests have arrived, whole or not.
    pub async fn has_seen(&self, count: usize) -> Vec<Seen> {
        let what = format!("{count} requests at the service");
        until(&what, Duration::from_secs(15), async || Some(self.seen()).filter(|seen| seen.len() >= count)).await
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A listener for a service that a test plays itself, and its URL.
#[expect(clippy::disallowed_methods, reason = "a test's upstream has few clients")]
pub async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// An answer with a length.
pub fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

async fn serve(stream: TcpStream, seen: Arc<Mutex<Vec<Seen>>>, answer: Answers) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        seen.lock().unwrap().push(request.clone());
        let answer = answer(&request);
        if stream.write_all(answer.as_bytes()).await.is_err() || answer.is_empty() || answer.contains("X-Close: yes") {
            return;
        }
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.ok()?);
    }
    line.truncate(line.len() - 2);
    Some(String::from_utf8_lossy(&line).into_owned())
}

/// The next request on a connection.
pub async fn read(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut request = Seen { line: line(stream).await?, fields: Vec::new(), body: Vec::new(), whole: false };
    loop {
        let field = line(stream).await?;
        let Some((name, value)) = field.split_once(':') else { break };
        request.fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = request.all("content-length").first().map(|length| length.parse().unwrap());
    request.whole = if request.all("transfer-encoding") == ["chunked"] {
        chunks(stream, &mut request.body).await.is_some()
    } else {
        exactly(stream, length.unwrap_or(0), &mut request.body).await.is_some()
    };
    Some(request)
}

async fn chunks(stream: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> Option<()> {
    loop {
        let size = usize::from_str_radix(&line(stream).await?, 16).unwrap();
        exactly(stream, size, body).await?;
        line(stream).await?;
        if size == 0 {
            return Some(());
        }
    }
}

async fn exactly(stream: &mut BufReader<TcpStream>, count: usize, body: &mut Vec<u8>) -> Option<()> {
    let before = body.len();
    let mut piece = [0; 16 * 1024];
    while body.len() < before + count {
        let most = piece.len().min(before + count - body.len());
        match stream.read(&mut piece[..most]).await {
            Ok(read @ 1..) => body.extend_from_slice(&piece[..read]),
            _ => return None,
        }
    }
    Some(())
}
