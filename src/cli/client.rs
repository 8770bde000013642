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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use url::Url;
use zeroize::Zeroizing;

use super::{Exit, output};
use crate::app::Outside;
use crate::config::is_loopback;
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

    /// A client that shows the caller's token, if the environment names one: `CREDBROKER_TOKEN_FILE`, then `CREDBROKER_TOKEN`.
    pub fn client(&self, outside: &Outside) -> Result<Client, Unanswered> {
        let token = match outside.environment.var("CREDBROKER_TOKEN_FILE") {
            Some(path) => {
                let read = secret::read_file(path.as_ref());
                Some(read.map_err(|cause| Unanswered::Usage(format!("CREDBROKER_TOKEN_FILE: {cause}")))?)
            }
            None => outside.environment.secret("CREDBROKER_TOKEN"),
        };
        Ok(Client { place: self.place()?, token, manner: Manner::Own })
    }

    /// A client that shows nothing: for what anybody may ask.
    pub fn nobody(&self) -> Result<Client, Unanswered> {
        Ok(Client { place: self.place()?, token: None, manner: Manner::Own })
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
    /// The same as an AWS SDK that shows `authorization` would be, at `address` or, where there is none, at the client's own. None for a
    /// unix socket, which SDKs cannot use.
    pub fn like_an_sdk(&self, address: Option<SocketAddr>, authorization: Option<SecretString>) -> Option<Self> {
        let place = match (address, &self.place) {
            (Some(address), _) => Place::Tcp { address: address.to_string() },
            (None, Place::Tcp { .. }) => self.place.clone(),
            (None, Place::Unix(_)) => return None,
        };
        Some(Self { place, token: authorization, manner: Manner::Sdk })
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

    async fn exchange_within(&self, request: Builder, body: Bytes, limit: Duration) -> Result<Answer, Unanswered> {
        tokio::time::timeout(limit, self.exchange(request, body))
            .await
            .unwrap_or_else(|_| Err(self.unreachable(&format!("no answer within {limit:?}"))))
    }

    async fn exchange(&self, request: Builder, body: Bytes) -> Result<Answer, Unanswered> {
        match &self.place {
            Place::Tcp { address } => {
                let stream = TcpStream::connect(address).await.map_err(|cause| self.unreachable(&cause.to_string()))?;
                self.over(stream, request, body, address).await
            }
            Place::Unix(socket) => {
                let stream = UnixStream::connect(socket).await.map_err(|cause| self.unreachable(&cause.to_string()))?;
                self.over(stream, request, body, "localhost").await
            }
        }
    }

    async fn over<S>(&self, stream: S, request: Builder, body: Bytes, host: &str) -> Result<Answer, Unanswered>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let fail = |cause: hyper::Error| self.unreachable(&cause.to_string());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(fail)?;
        tokio::spawn(connection);
        let mut request = request.header("host", host);
        if self.manner == Manner::Own {
            request = request.header("credbroker-request", "true");
        }
        if let Some(token) = &self.token {
            let scheme = if self.manner == Manner::Own { "Bearer " } else { "" };
            #[expect(clippy::disallowed_methods, reason = "the token goes to the daemon it was made for")]
            let value = Zeroizing::new(format!("{scheme}{}", token.expose_secret()));
            request = request.header("authorization", value.as_str());
        }
        let request = request.body(Full::new(body)).map_err(|_| {
            Unanswered::Usage("the caller's token or the name holds a character that no request may carry".to_owned())
        })?;
        let response = sender.send_request(request).await.map_err(fail)?;
        let status = response.status();
        #[expect(clippy::disallowed_methods, reason = "the body is limited")]
        let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
        let body = body.map_err(|cause| self.unreachable(&cause.to_string()))?.to_bytes();
        Ok(Answer { status, body: Zeroizing::new(body.to_vec()) })
    }

    fn unreachable(&self, fault: &str) -> Unanswered {
        let place = match &self.place {
            Place::Tcp { address } => address.clone(),
            Place::Unix(path) => path.display().to_string(),
        };
        Unanswered::NotReachable { place, fault: fault.to_owned() }
    }
}
