//! The way to the one upstream of a forward address: where a request goes, and connections that are kept.
//!
//! A connection is made within [`CONNECT`]; a peer that takes nothing is given up; the answer begins within the idle time
//! after the last piece of the request. What a kept connection never began to take is sent on a new one; nothing else is sent
//! twice.

use std::error::Error as StdError;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tower_service::Service;
use url::Url;

use super::body::Pulse;
use crate::http::intake::is_coded;
use crate::http::reply::Trouble;
use crate::http::serve::Body;
use crate::http::serve::stall::Stalling;
use crate::source::upstream::{Upstream, innermost};

/// A connection is made within this, TLS and proxy included.
const CONNECT: Duration = Duration::from_secs(10);
/// A kept connection is used again within this: less than servers keep theirs as a rule.
const KEPT: Duration = Duration::from_secs(15);
/// So many connections are kept.
const MOST_KEPT: usize = 16;
/// An answer's head has no more fields than this.
const MOST_FIELDS: usize = 256;
/// An answer's head is no larger than this, in bytes, and no more is read at once: who floods must not keep a thread to itself.
const LARGEST_HEAD: usize = 64 * 1024;
/// So many interim answers (RFC 9110 section 15.2) may come before the one that counts.
const MOST_INTERIM: usize = 100;

type BoxError = Box<dyn StdError + Send + Sync>;
type Pooled = Client<Hasty, Body>;

/// The way to one upstream.
pub struct Way {
    scheme: Scheme,
    authority: Option<Authority>,
    /// What is put in front of each path, without a slash at its end.
    base: String,
    what: String,
    upstream: Upstream,
    idle: Duration,
    client: OnceLock<Result<Pooled, String>>,
}

impl Way {
    /// The way to `url`.
    pub fn new(upstream: Upstream, url: &Url, idle: Duration) -> Self {
        let scheme = if url.scheme() == "https" { Scheme::HTTPS } else { Scheme::HTTP };
        // The default port is not in it, nor in the Host header of a client that asks there itself.
        let authority = url.as_str().parse().ok().and_then(|uri: Uri| uri.authority().cloned());
        let base = url.path().trim_end_matches('/').to_owned();
        Self { scheme, authority, base, what: url.to_string(), upstream, idle, client: OnceLock::new() }
    }

    /// The `Host` of the upstream.
    pub fn host(&self) -> HeaderValue {
        let host = self.authority.as_ref().map_or("", Authority::as_str);
        HeaderValue::from_str(host).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Where a request for `asked` goes: path and query as they came, behind the upstream's own path.
    ///
    /// # Errors
    /// If it would climb out of that path.
    pub fn target(&self, asked: &Uri) -> Result<Uri, Trouble> {
        let cannot = |_| Trouble::BadRequest("the request target cannot be forwarded");
        let path = asked.path_and_query().map_or("/", PathAndQuery::as_str);
        if !self.base.is_empty() && climbs(asked.path()) {
            return Err(Trouble::BadRequest(
                "the path has dot segments, which could lead out of the upstream's own path",
            ));
        }
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority.clone_from(&self.authority);
        parts.path_and_query = Some(format!("{}{path}", self.base).parse().map_err(cannot)?);
        Uri::from_parts(parts).map_err(|_| Trouble::BadRequest("the request target cannot be forwarded"))
    }

    /// Sends a request, whose body shows its progress in `pulse`, and waits for the head of the answer.
    ///
    /// # Errors
    /// 502 or 504 in the words of the network, 400 if the body broke off.
    pub async fn send(&self, mut request: Request<Body>, pulse: &Pulse) -> Result<Response<Incoming>, Trouble> {
        let failed = |why: String, timed_out| Trouble::NotForwarded { why: format!("{}: {why}", self.what), timed_out };
        let client = self.client.get_or_init(|| self.client()).as_ref().map_err(|why| failed(why.clone(), false))?;
        let flood = of_interim_answers(&mut request);
        let mut answer = pin!(client.request(request));
        let outcome = loop {
            let before = pulse.pieces();
            let outcome = tokio::select! {
                outcome = tokio::time::timeout(self.idle, &mut answer) => outcome,
                () = flood.notified() => return Err(failed("it sends interim answers without end".to_owned(), false)),
            };
            match outcome {
                Ok(outcome) => break outcome,
                Err(_) if pulse.pieces() != before => {}
                Err(_) if pulse.is_waiting() => return Err(Trouble::BadRequest("nothing more of the body came")),
                Err(_) => return Err(failed(format!("no answer within {:?}", self.idle), true)),
            }
        };
        match outcome {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Err(failed("it changed the protocol, which nobody asked for".to_owned(), false))
            }
            Ok(response) if is_coded(response.headers()) => {
                Err(failed("its answer has a Transfer-Encoding other than chunked".to_owned(), false))
            }
            Ok(response) => Ok(response),
            Err(_) if pulse.is_broken() => Err(Trouble::BadRequest("the body broke off, or nothing more of it came")),
            Err(cause) => Err(failed(format!("it cannot be reached: {}", innermost(&cause)), is_timeout(&cause))),
        }
    }

    /// Made at the first request, as the system's certificates are read for it.
    fn client(&self) -> Result<Pooled, String> {
        let mut tcp = HttpConnector::new();
        // The scheme is looked at by the layer above.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        let road = Road { tcp, upstream: self.upstream.clone(), idle: self.idle };
        let connector = Hasty(HttpsConnector::from((road, self.upstream.tls()?)));
        Ok(Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT)
            .pool_max_idle_per_host(MOST_KEPT)
            .http1_max_headers(MOST_FIELDS)
            .http1_max_buf_size(LARGEST_HEAD)
            .set_host(false)
            .build(connector))
    }
}

/// Told when more interim answers to `request` come than are waited for.
fn of_interim_answers(request: &mut Request<Body>) -> Arc<Notify> {
    let (flood, come) = (Arc::new(Notify::new()), AtomicUsize::new(0));
    let told = Arc::clone(&flood);
    hyper::ext::on_informational(request, move |_| {
        if come.fetch_add(1, Ordering::Relaxed) == MOST_INTERIM {
            told.notify_one();
        }
    });
    flood
}

/// Is there a segment that a server may resolve to the one above?
fn climbs(path: &str) -> bool {
    let plain =
        path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace('\\', "/");
    plain.split('/').any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

fn is_timeout(cause: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(cause);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Makes connections in time.
#[derive(Clone)]
struct Hasty(HttpsConnector<Road>);

type Stream = TokioIo<Stalling<TcpStream>>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

impl Service<Uri> for Hasty {
    type Response = MaybeHttpsStream<Stream>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = self.0.call(to);
        Box::pin(async move {
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {CONNECT:?}"));
            tokio::time::timeout(CONNECT, connecting).await.map_err(late)?
        })
    }
}

/// TCP to the upstream, through a proxy where the environment names one.
#[derive(Clone)]
struct Road {
    tcp: HttpConnector,
    upstream: Upstream,
    idle: Duration,
}

impl Service<Uri> for Road {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting<Stream>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let (mut tcp, idle) = (self.tcp.clone(), self.idle);
        let stalling = move |stream: TokioIo<TcpStream>| TokioIo::new(Stalling::new(stream.into_inner(), idle));
        let Some(proxy) = self.upstream.proxy(&to) else {
            return Box::pin(async move { Ok(stalling(tcp.call(to).await?)) });
        };
        if proxy.uri().scheme_str() != Some("http") {
            // It would be sent its password, and CONNECT, unencrypted.
            let why = "HTTPS_PROXY (or ALL_PROXY) names a proxy that is not spoken to over http, which is all that is spoken here";
            return Box::pin(async move { Err(io::Error::other(why).into()) });
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), tcp);
        if let Some(password) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(password.clone());
        }
        Box::pin(async move { Ok(stalling(tunnel.call(to).await?)) })
    }
}

impl Connection for Stalling<TcpStream> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    fn way(url: &str) -> Way {
        let upstream = Upstream::new(&Environment::default()).unwrap();
        Way::new(upstream, &url.parse().unwrap(), Duration::from_secs(1))
    }

    #[test]
    fn path_and_query_go_on_as_they_came() {
        let plain = way("https://billing.example.com");
        for target in ["/", "/a//b/../%2e%2E/%c3%bc;x=1?a=b+c&&d=%20?", "/?", "/ü?ü"] {
            let asked: Uri = target.parse().unwrap();
            assert_eq!(plain.target(&asked).unwrap().to_string(), format!("https://billing.example.com{target}"));
        }
        assert_eq!(plain.host(), "billing.example.com");
        let deep = way("http://127.0.0.1:8080/prod/");
        assert_eq!(deep.target(&"/a?b".parse().unwrap()).unwrap(), "http://127.0.0.1:8080/prod/a?b");
        assert_eq!(deep.host(), "127.0.0.1:8080");
        assert_eq!(way("https://billing.example.com:443/").host(), "billing.example.com");
        assert_eq!(way("http://[::1]:81").host(), "[::1]:81");
    }

    #[test]
    fn nothing_climbs_out_of_the_upstreams_own_path() {
        let deep = way("https://billing.example.com/prod");
        for path in ["/../x", "/a/%2e%2E/../x", "/.%2e", "/..;a=1/x", "/..%2fx", "/..%5Cx", "/a/./b"] {
            assert!(deep.target(&path.parse().unwrap()).is_err(), "{path}");
        }
        for path in ["/...", "/a..b/.well-known/x", "/x?../.."] {
            assert!(deep.target(&path.parse().unwrap()).is_ok(), "{path}");
        }
    }
}
