//! A small HTTP client that sends what a test says and nothing else.

use std::path::PathBuf;
use std::time::Duration;

use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use url::form_urlencoded;

use crate::waiting::Stopwatch;

/// No answer takes longer; one that does is a test that fails.
const PATIENCE: Duration = Duration::from_secs(12);
/// No answer is larger, in bytes.
const LARGEST: usize = 1024 * 1024;

/// The way to the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    V4(u16),
    V6(u16),
    Unix(PathBuf),
}

/// A request to be made.
#[derive(Clone, Debug)]
pub struct Ask {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// A connection that is kept from one request to the next, and made anew when the daemon has closed it.
pub struct Line {
    way: Way,
    host: String,
    sender: http1::SendRequest<Full<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub text: String,
    headers: http::HeaderMap,
}

impl Ask {
    pub fn get(path: &str) -> Self {
        Self::of(Method::GET, path)
    }

    pub fn of(method: Method, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    /// Posts a form.
    pub fn form(path: &str, fields: &[(&str, &str)]) -> Self {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self::of(Method::POST, path).body("application/x-www-form-urlencoded", form)
    }

    /// Posts JSON.
    pub fn json(path: &str, body: &Value) -> Self {
        Self::of(Method::POST, path).body("application/json", body.to_string())
    }

    fn body(self, kind: &str, body: String) -> Self {
        Self { body: body.into(), ..self.header("content-type", kind) }
    }

    /// As HTTP clients of people send it.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Without the query.
    pub fn path(&self) -> &str {
        self.path.split('?').next().unwrap()
    }

    /// Makes the request on a connection of its own.
    pub async fn over(&self, way: &Way) -> std::io::Result<Answer> {
        let exchange = async { Line::open(way).await?.exchange(self).await };
        tokio::time::timeout(PATIENCE, exchange).await.map_err(std::io::Error::other)?
    }

    /// The same, made again while the answer is that the fetch takes longer than callers wait, as the first one can on a busy machine.
    pub async fn answered(&self, way: &Way) -> std::io::Result<Answer> {
        let watch = Stopwatch::start();
        loop {
            let answer = self.over(way).await?;
            if !answer.is_pending() || watch.elapsed() > PATIENCE {
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn request(&self, host: &str) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(self.method.clone()).uri(&self.path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", host);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.clone())).unwrap()
    }
}

impl Line {
    pub async fn open(way: &Way) -> std::io::Result<Self> {
        match way {
            Way::V4(port) => {
                Self::on(way, TcpStream::connect(("127.0.0.1", *port)).await?, &format!("127.0.0.1:{port}")).await
            }
            Way::V6(port) => Self::on(way, TcpStream::connect(("::1", *port)).await?, &format!("[::1]:{port}")).await,
            Way::Unix(path) => Self::on(way, UnixStream::connect(path).await?, "localhost").await,
        }
    }

    async fn on<S>(way: &Way, stream: S, host: &str) -> std::io::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
        Ok(Self { way: way.clone(), host: host.to_owned(), sender, connection: tokio::spawn(connection) })
    }

    /// Makes the request, on the connection of the one before if the daemon keeps it.
    pub async fn ask(&mut self, ask: &Ask) -> std::io::Result<Answer> {
        if self.sender.ready().await.is_err() {
            *self = Self::open(&self.way).await?;
        }
        tokio::time::timeout(PATIENCE, self.exchange(ask)).await.map_err(std::io::Error::other)?
    }

    async fn exchange(&mut self, ask: &Ask) -> std::io::Result<Answer> {
        let response = self.sender.send_request(ask.request(&self.host)).await.map_err(std::io::Error::other)?;
        let (parts, body) = response.into_parts();
        #[expect(clippy::disallowed_methods, reason = "the body is limited")]
        let body = Limited::new(body, LARGEST).collect().await.map_err(std::io::Error::other)?.to_bytes();
        let text = String::from_utf8(body.to_vec()).map_err(std::io::Error::other)?;
        Ok(Answer { status: parts.status.as_u16(), text, headers: parts.headers })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The names of its headers.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.headers.keys().map(http::HeaderName::as_str)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.text))
    }

    /// The members of a JSON answer, sorted.
    pub fn members(&self) -> Vec<String> {
        let mut members: Vec<String> = self.json().as_object().unwrap().keys().cloned().collect();
        members.sort();
        members
    }

    /// Does it say that what was asked for is still being fetched?
    pub fn is_pending(&self) -> bool {
        self.status == 503 && self.text.contains("takes longer than a second; ask again")
    }

    /// The value of `Credbroker-Cache`.
    pub fn cache(&self) -> &str {
        self.header("credbroker-cache").unwrap_or_default()
    }

    /// The token of a `/v1/tokens` answer.
    pub fn token(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// `Retry-After` in seconds.
    pub fn retry_after(&self) -> u64 {
        let value =
            self.header("retry-after").unwrap_or_else(|| panic!("no Retry-After: {} {}", self.status, self.text));
        value.parse().unwrap()
    }

    /// What a caller is told was wrong, in either spelling.
    pub fn complaint(&self) -> String {
        let body = self.json();
        let said = body["error_description"].as_str().or_else(|| body["message"].as_str());
        said.unwrap_or_else(|| panic!("no complaint: {}", self.text)).to_owned()
    }
}

/// Sends bytes as they are over TCP and reads what comes back until the daemon closes.
pub async fn raw(port: u16, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // The daemon may answer and close before everything is sent.
    let _ = stream.write_all(bytes.as_ref()).await;
    read_to_end(&mut stream).await
}

/// Reads until the other side closes or resets.
pub async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        all.extend_from_slice(&piece[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}
