//! How client commands find the daemon, say who they are, and ask.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::request::Builder;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use url::Url;
use zeroize::Zeroizing;

use super::{Exit, output};
use crate::app::Outside;
use crate::config::is_loopback;
use crate::policy::generated::fresh;
use crate::policy::proof::Prover;
use crate::secret;

const DEFAULT_URL: &str = "http://127.0.0.1:2778";
/// The daemon answers within a second whatever happens.
const DEADLINE: Duration = Duration::from_secs(5);
/// No answer of the daemon is larger than this, in bytes.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;

/// Where the daemon is.
#[derive(Clone, Debug, Args)]
pub struct Where {
    /// The daemon: http://127.0.0.1:PORT or unix:/PATH
    #[arg(long, value_name = "URL", env = "CREDBROKER_URL", default_value = DEFAULT_URL)]
    url: String,
}

/// A way to ask the daemon.
#[derive(Debug)]
pub struct Client {
    place: Place,
    token: Option<SecretString>,
    manner: Manner,
    /// The caller as whom it checks the daemon first, on the connection on which it then shows its token.
    checks_as: Option<String>,
}

/// A connection to what answers there.
struct Line {
    sender: http1::SendRequest<Full<Bytes>>,
    host: String,
    /// The address that it came to, over TCP.
    at: Option<SocketAddr>,
}

/// How a request looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// As this program's.
    Own,
    /// As an AWS SDK's: the token has no scheme, and there is no header of ours.
    Sdk,
}

#[derive(Clone, Debug)]
enum Place {
    Tcp { address: String },
    Unix(PathBuf),
}

/// What the daemon answered. No Debug: the body may be a secret.
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body; cleared when dropped.
    pub body: Zeroizing<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The daemon cannot be reached.
    #[error("the daemon cannot be reached at {place}: {fault}")]
    NotReachable {
        /// Where it was looked for.
        place: String,
        /// What the system said.
        fault: String,
    },
    /// It is not known to be the daemon that answers.
    #[error(
        "what answers at {place} does not prove that it knows the token of callers.{caller} ({why}): it may not be the daemon, so \
         it was not shown the token. It is no proof against the daemon if that knows the caller by another name, by another token, \
         by a SHA-256, or by a token of fewer than 32 characters"
    )]
    NotProven {
        /// Where it was looked for.
        place: String,
        /// As whom.
        caller: String,
        /// What came instead of a proof.
        why: String,
    },
    /// The command line or the environment is wrong.
    #[error("{0}")]
    Usage(String),
}

impl Unanswered {
    /// Complains, and gives the exit code.
    pub fn end(&self) -> Exit {
        output::complain(&self.to_string());
        match self {
            Self::NotReachable { .. } => Exit::NotReachable,
            Self::NotProven { .. } => Exit::Failed,
            Self::Usage(_) => Exit::Usage,
        }
    }
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl Where {
    /// The server that `url` is on.
    pub fn origin_of(url: &Url) -> Self {
        Self { url: url.origin().ascii_serialization() }
    }

    /// Is it where the daemon is if nobody says anything else?
    pub fn is_default(&self) -> bool {
        self.url == DEFAULT_URL
    }

    /// A client that shows the caller's token, if the environment names one: `CREDBROKER_TOKEN_FILE`, then `CREDBROKER_TOKEN`. Where
    /// it names the caller too (`CREDBROKER_CALLER`), the daemon first has to prove that it knows the token.
    pub fn client(&self, outside: &Outside) -> Result<Client, Unanswered> {
        let token = match outside.environment.var("CREDBROKER_TOKEN_FILE") {
            Some(path) => {
                let read = secret::read_file(path.as_ref());
                Some(read.map_err(|cause| Unanswered::Usage(format!("CREDBROKER_TOKEN_FILE: {cause}")))?)
            }
            None => outside.environment.secret("CREDBROKER_TOKEN"),
        };
        let checks_as = outside.environment.var("CREDBROKER_CALLER").map(ToOwned::to_owned);
        if checks_as.is_some() && token.is_none() {
            return Err(no_token());
        }
        Ok(Client { place: self.place()?, token, manner: Manner::Own, checks_as })
    }

    /// A client that shows nothing: for what anybody may ask.
    pub fn nobody(&self) -> Result<Client, Unanswered> {
        Ok(Client { place: self.place()?, token: None, manner: Manner::Own, checks_as: None })
    }

    fn place(&self) -> Result<Place, Unanswered> {
        if let Some(path) = self.url.strip_prefix("unix:") {
            return Ok(Place::Unix(path.trim_start_matches("//").into()));
        }
        let bad = || Unanswered::Usage(format!("{}: expected http://127.0.0.1:PORT or unix:/PATH", self.url));
        let url = Url::parse(&self.url).map_err(|_| bad())?;
        // The token goes to this machine only.
        if url.scheme() != "http" || !is_loopback(&url) || !matches!(url.path(), "" | "/") {
            return Err(bad());
        }
        let host = url.host_str().ok_or_else(bad)?;
        Ok(Place::Tcp { address: format!("{host}:{}", url.port_or_known_default().unwrap_or(80)) })
    }
}

impl Client {
    /// The same as an AWS SDK that shows `authorization` would be, at `address` or, where there is none, at the client's own; the
    /// daemon is checked as before. None for a unix socket, which SDKs cannot use.
    pub fn like_an_sdk(&self, address: Option<SocketAddr>, authorization: Option<SecretString>) -> Option<Self> {
        let place = match (address, &self.place) {
            (Some(address), _) => Place::Tcp { address: address.to_string() },
            (None, Place::Tcp { .. }) => self.place.clone(),
            (None, Place::Unix(_)) => return None,
        };
        Some(Self { place, token: authorization, manner: Manner::Sdk, checks_as: self.checks_as.clone() })
    }

    /// The token that is shown.
    pub fn token(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }

    /// The URL of `path`; on a unix socket one of no use to anybody else.
    pub fn url(&self, path: &str) -> String {
        match &self.place {
            Place::Tcp { address } => format!("http://{address}{path}"),
            Place::Unix(socket) => format!("unix:{}{path}", socket.display()),
        }
    }

    /// Asks for `path`.
    pub async fn get(&self, path: &str) -> Result<Answer, Unanswered> {
        self.get_within(path, DEADLINE).await
    }

    /// Asks for `path`, and gives up after `limit` or [`DEADLINE`].
    pub async fn get_within(&self, path: &str, limit: Duration) -> Result<Answer, Unanswered> {
        self.exchange_within(Request::get(path), Bytes::new(), limit.min(DEADLINE)).await
    }

    /// Posts a form to `path`. It is wiped when it has been sent.
    pub async fn post(&self, path: &str, form: Zeroizing<Vec<u8>>) -> Result<Answer, Unanswered> {
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        self.exchange_within(request, Bytes::from_owner(form), DEADLINE).await
    }

    /// Has the daemon prove that it knows the token, as that of `caller`. The token is not shown.
    pub async fn prove(&self, caller: &str) -> Result<(), Unanswered> {
        let proving = async { self.check(&mut self.open().await?, caller).await };
        self.within(DEADLINE, proving).await
    }

    async fn exchange_within(&self, request: Builder, body: Bytes, limit: Duration) -> Result<Answer, Unanswered> {
        self.within(limit, self.exchange(request, body)).await
    }

    async fn within<T>(
        &self,
        limit: Duration,
        asking: impl Future<Output = Result<T, Unanswered>>,
    ) -> Result<T, Unanswered> {
        tokio::time::timeout(limit, asking)
            .await
            .unwrap_or_else(|_| Err(self.unreachable(&format!("no answer within {limit:?}"))))
    }

    async fn exchange(&self, mut request: Builder, body: Bytes) -> Result<Answer, Unanswered> {
        let mut line = self.open().await?;
        if let Some(caller) = &self.checks_as {
            self.check(&mut line, caller).await?;
        }
        if self.manner == Manner::Own {
            request = request.header("credbroker-request", "true");
        }
        if let Some(token) = &self.token {
            let scheme = if self.manner == Manner::Own { "Bearer " } else { "" };
            #[expect(clippy::disallowed_methods, reason = "the token goes to the daemon it was made for")]
            let value = Zeroizing::new(format!("{scheme}{}", token.expose_secret()));
            request = request.header("authorization", value.as_str());
        }
        self.send(&mut line, request, body).await
    }

    async fn open(&self) -> Result<Line, Unanswered> {
        let fail = |cause: std::io::Error| self.unreachable(&cause.to_string());
        match &self.place {
            Place::Tcp { address } => {
                let stream = TcpStream::connect(address).await.map_err(fail)?;
                let at = stream.peer_addr().map_err(fail)?;
                self.over(stream, address, Some(at)).await
            }
            Place::Unix(socket) => {
                let stream = UnixStream::connect(socket).await.map_err(fail)?;
                self.over(stream, "localhost", None).await
            }
        }
    }

    async fn over<S>(&self, stream: S, host: &str, at: Option<SocketAddr>) -> Result<Line, Unanswered>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|cause| self.unreachable(&cause.to_string()))?;
        tokio::spawn(connection);
        Ok(Line { sender, host: host.to_owned(), at })
    }

    async fn send(&self, line: &mut Line, request: Builder, body: Bytes) -> Result<Answer, Unanswered> {
        let fail = |cause: hyper::Error| self.unreachable(&cause.to_string());
        let request = request.header("host", &line.host).body(Full::new(body)).map_err(|_| {
            Unanswered::Usage("the caller's token or the name holds a character that no request may carry".to_owned())
        })?;
        line.sender.ready().await.map_err(fail)?;
        let response = line.sender.send_request(request).await.map_err(fail)?;
        let status = response.status();
        #[expect(clippy::disallowed_methods, reason = "the body is limited")]
        let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
        let body = body.map_err(|cause| self.unreachable(&cause.to_string()))?.to_bytes();
        Ok(Answer { status, body: Zeroizing::new(body.to_vec()) })
    }

    /// Asks on `line` for a proof, and compares it.
    async fn check(&self, line: &mut Line, caller: &str) -> Result<(), Unanswered> {
        let token = self.token.as_ref().ok_or_else(no_token)?;
        let nonce = fresh().ok_or_else(|| Unanswered::Usage("the system has no random numbers".to_owned()))?;
        #[expect(clippy::disallowed_methods, reason = "a nonce is no secret")]
        let nonce = nonce.expose_secret();
        let address = line.at.map(|at| at.to_string());
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("nonce", nonce).append_pair("caller", caller);
        query.extend_pairs(address.iter().map(|address| ("address", address)));
        let path = format!("/v1/proof?{}", query.finish());
        let answer = self.send(line, Request::get(path), Bytes::new()).await?;
        let expected = Prover::of(token).prove(nonce, address.as_deref());
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let is_proof = answer.status.is_success()
            && ["proof", "previous_proof"].iter().any(|member| said[*member].as_str() == Some(&expected));
        let why = || match (answer.status.is_success(), said["error_description"].as_str()) {
            (true, _) => "what it says is another".to_owned(),
            (false, None) => format!("it answered with status {}", answer.status),
            (false, Some(words)) => format!("it says: {words}"),
        };
        if is_proof {
            return Ok(());
        }
        Err(Unanswered::NotProven { place: self.place_name(), caller: caller.to_owned(), why: why() })
    }

    fn place_name(&self) -> String {
        match &self.place {
            Place::Tcp { address } => address.clone(),
            Place::Unix(path) => path.display().to_string(),
        }
    }

    fn unreachable(&self, fault: &str) -> Unanswered {
        Unanswered::NotReachable { place: self.place_name(), fault: fault.to_owned() }
    }
}

fn no_token() -> Unanswered {
    Unanswered::Usage(
        "set CREDBROKER_TOKEN_FILE or CREDBROKER_TOKEN: the daemon is to prove that it knows that token".to_owned(),
    )
}
