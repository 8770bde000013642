//! The one way out: a trust store and proxy setting for all, and a connection pool shared by the AWS SDK and the token endpoint.
//! Egress streams through connections of its own, of the same [`Upstream::tls`] and [`Upstream::proxy`].
//!
//! Every answer is cut off at [`LARGEST_ANSWER`], every exchange has a deadline as a whole (a read timeout alone is reset by
//! each byte that drips in), redirects are never followed, and nothing is decompressed.

mod kept;

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use aws_smithy_http_client::{Connector, proxy::ProxyConfig, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;
use http::Uri;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper_rustls::ConfigBuilderExt as _;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};
use zeroize::Zeroizing;

use self::kept::Kept;
use super::{Failure, FailureKind};
use crate::environment::Environment;
use crate::lease::RequestId;

/// No token or set of credentials is larger than this, in bytes.
pub const LARGEST_ANSWER: usize = 64 * 1024;
/// A connection is made within this, or the upstream counts as unavailable.
const CONNECT: Duration = Duration::from_secs(3);
/// One exchange, from the first byte sent to the last one read, takes at most this.
pub const EXCHANGE: Duration = Duration::from_secs(10);

/// An idle connection is closed after this: its buffers hold what was said on it last.
const IDLE: Duration = Duration::from_secs(20);

/// How AWS, Cognito's hosted endpoint and others say what they call a request.
const REQUEST_IDS: [&str; 4] = ["x-amzn-requestid", "x-amz-request-id", "x-amz-cognito-request-id", "x-request-id"];

const USER_AGENT: &str = concat!("credbroker/", env!("CARGO_PKG_VERSION"));

/// The way to every upstream. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Upstream {
    connector: SharedHttpConnector,
    kept: Arc<Kept>,
    roots: Arc<Option<Vec<u8>>>,
    proxies: Proxies,
}

/// What the environment says of proxies. Their addresses may hold passwords, so Debug names none.
#[derive(Clone)]
struct Proxies(Arc<Matcher>);

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxies")
    }
}

/// What a token endpoint answered.
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After` in seconds, where sent in that form.
    pub retry_after: Option<Duration>,
    /// What the upstream calls the request in its own records.
    pub request_id: Option<RequestId>,
    /// What time it was at the upstream.
    pub date: Option<SystemTime>,
    /// The body; cleared when dropped, because it may hold a token.
    pub body: Zeroizing<Vec<u8>>,
}

/// The CA bundle cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("AWS_CA_BUNDLE: {path}: {fault}")]
pub struct BadBundle {
    path: String,
    fault: String,
}

impl Upstream {
    /// Reads `AWS_CA_BUNDLE` (its certificates then replace the system's) and the proxy variables. Connections are made later.
    ///
    /// # Errors
    /// [`BadBundle`] if the file cannot be read or holds something else than certificates.
    pub fn new(environment: &Environment) -> Result<Self, BadBundle> {
        let roots = Arc::new(environment.var("AWS_CA_BUNDLE").map(read_bundle).transpose()?);
        let proxied = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
            .iter()
            .any(|name| environment.var(name).is_some());
        let connector = Bounded(Arc::new(Lazy {
            roots: Arc::clone(&roots),
            proxied,
            direct: OnceLock::new(),
            over_proxy: OnceLock::new(),
        }));
        let (connector, kept) = (SharedHttpConnector::new(connector), Arc::default());
        Ok(Self { connector, kept, roots, proxies: Proxies::of(environment) })
    }

    /// The way over a `connector` that is at hand, to which proxies and certificates are of no concern. Answers are cut off all
    /// the same.
    pub fn over(connector: SharedHttpConnector) -> Self {
        let roots = Arc::new(None);
        let direct = OnceLock::from(Some(connector));
        let lazy = Lazy { roots: Arc::clone(&roots), proxied: false, direct, over_proxy: OnceLock::new() };
        let connector = SharedHttpConnector::new(Bounded(Arc::new(lazy)));
        Self { connector, kept: Arc::default(), roots, proxies: Proxies::of(&Environment::default()) }
    }

    /// TLS as every upstream is spoken to, by HTTP/1.1. Reads the system's certificates, unless a bundle replaces them.
    ///
    /// # Errors
    /// What is wrong with the certificates.
    pub fn tls(&self) -> Result<ClientConfig, String> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|cause| cause.to_string())?;
        let builder = match &*self.roots {
            Some(pem) => builder.with_root_certificates(trusted(pem)?),
            None => builder.with_native_roots().map_err(|cause| format!("the system's root certificates: {cause}"))?,
        };
        Ok(builder.with_no_client_auth())
    }

    /// The proxy on the way to `to`, if the environment names one. Plain http never goes over a proxy.
    pub fn proxy(&self, to: &Uri) -> Option<Intercept> {
        self.proxies.0.intercept(to).filter(|_| to.scheme_str() == Some("https"))
    }

    /// The same way out, for an SDK client.
    pub fn connector(&self) -> SharedHttpConnector {
        self.connector.clone()
    }

    /// Posts a form, of which only the HTTP library's copy is not wiped, and reads the answer. `what` names the upstream in failures.
    ///
    /// # Errors
    /// `Unavailable` if the upstream cannot be reached or is too slow, `Malformed` if its answer is too large or cut off.
    pub async fn post_form(
        &self,
        what: &str,
        url: &str,
        authorization: Option<&str>,
        form: Zeroizing<String>,
    ) -> Result<Reply, Failure> {
        let invalid = |_| Failure::new(FailureKind::Misconfigured, format!("{what}: the request cannot be written"));
        let mut request = HttpRequest::new(SdkBody::from(form.as_bytes()));
        request.set_method("POST").map_err(invalid)?;
        request
            .set_uri(url)
            .map_err(|_| Failure::new(FailureKind::Misconfigured, format!("{what}: {url} is not a URL")))?;
        let headers = request.headers_mut();
        headers.insert("content-type", "application/x-www-form-urlencoded");
        headers.insert("accept", "application/json");
        headers.insert("user-agent", USER_AGENT);
        if let Some(authorization) = authorization {
            headers.try_insert("authorization", authorization.to_owned()).map_err(invalid)?;
        }
        self.within_limit(what, request).await
    }

    /// Gets a document. `what` names the upstream in failures.
    ///
    /// # Errors
    /// As [`Self::post_form`].
    pub async fn get(&self, what: &str, url: &str) -> Result<Reply, Failure> {
        let mut request = HttpRequest::new(SdkBody::empty());
        request
            .set_uri(url)
            .map_err(|_| Failure::new(FailureKind::Misconfigured, format!("{what}: {url} is not a URL")))?;
        request.headers_mut().insert("accept", "application/json");
        request.headers_mut().insert("user-agent", USER_AGENT);
        self.within_limit(what, request).await
    }

    /// What time it is at `url`, by the `Date` of an answer, whatever that is. Nothing is shown there.
    ///
    /// # Errors
    /// Why it is not known, in words.
    pub async fn date(&self, url: &str) -> Result<SystemTime, String> {
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_uri(url).map_err(|_| format!("{url} is not a URL"))?;
        request.headers_mut().insert("user-agent", USER_AGENT);
        let answer = tokio::time::timeout(CONNECT, self.connector.call(request)).await;
        let answer = answer
            .map_err(|_| format!("{url} does not answer within {CONNECT:?}"))?
            .map_err(|cause| format!("{url} cannot be reached: {}", innermost(&cause)))?;
        date_of(&answer).ok_or_else(|| format!("{url} does not say what time it is"))
    }

    async fn within_limit(&self, what: &str, request: HttpRequest) -> Result<Reply, Failure> {
        tokio::time::timeout(EXCHANGE, self.exchange(what, request))
            .await
            .unwrap_or_else(|_| Err(Failure::timed_out(what, EXCHANGE)))
    }

    async fn exchange(&self, what: &str, request: HttpRequest) -> Result<Reply, Failure> {
        let response = self.kept.call(&self.connector, request).await.map_err(|cause| unreachable(what, &cause))?;
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get("retry-after").and_then(|v| v.trim().parse().ok()).map(Duration::from_secs);
        let header = |name| response.headers().get(name).and_then(RequestId::of);
        let (request_id, date) = (REQUEST_IDS.into_iter().find_map(header), date_of(&response));
        let body = read(response.into_body()).await.map_err(|fault| {
            Failure::new(FailureKind::Malformed, format!("{what} sent an answer that {fault}; it is asked again"))
        })?;
        Ok(Reply { status, retry_after, request_id, date, body })
    }
}

/// When an upstream wrote an answer, by its own clock. What a cache kept says when it was kept.
pub fn date_of(answer: &HttpResponse) -> Option<SystemTime> {
    let date = answer.headers().get("date").filter(|_| answer.headers().get("age").is_none())?;
    SystemTime::try_from(DateTime::from_str(date, Format::HttpDate).ok()?).ok()
}

async fn read(mut body: SdkBody) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let mut whole = Zeroizing::new(Vec::with_capacity(4096));
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => whole.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
            Err(cause) if innermost(cause.as_ref()).is::<LengthLimitError>() => return Err("is larger than 64 KiB"),
            Err(_) => return Err("breaks off in the middle"),
        }
    }
    Ok(whole)
}

/// The upstream could not be asked: the network's own words, without the request.
pub fn unreachable(what: &str, cause: &ConnectorError) -> Failure {
    if cause.is_timeout() {
        let message = format!("{what} does not answer in time; it is asked again");
        return Failure { timed_out: true, ..Failure::new(FailureKind::Unavailable, message) };
    }
    let message = format!("{what} cannot be reached: {}; it is asked again", innermost(cause));
    Failure::new(FailureKind::Unavailable, message)
}

/// The cause at the bottom of a chain: what the system or the TLS library said.
pub fn innermost<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause
}

fn read_bundle(path: &str) -> Result<Vec<u8>, BadBundle> {
    let bad = |fault: String| BadBundle { path: path.to_owned(), fault };
    let pem = std::fs::read(path).map_err(|cause| bad(format!("cannot be read: {cause}")))?;
    trusted(&pem).map(|_| ()).map_err(bad)?;
    Ok(pem)
}

/// The certificates of a bundle; the error is what is wrong with it.
fn trusted(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "is not a PEM file".to_owned())?;
        roots.add(certificate).map_err(|cause| format!("holds a certificate that cannot be used: {cause}"))?;
    }
    if roots.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(roots) }
}

impl Proxies {
    fn of(environment: &Environment) -> Self {
        let any = |names: [&str; 2]| names.iter().find_map(|name| environment.var(name)).unwrap_or_default().to_owned();
        let matcher = Matcher::builder()
            .all(any(["ALL_PROXY", "all_proxy"]))
            .https(any(["HTTPS_PROXY", "https_proxy"]))
            .no(any(["NO_PROXY", "no_proxy"]))
            .build();
        Self(Arc::new(matcher))
    }
}

/// Is it a name or address of the loopback interface?
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// https anywhere, plain http on loopback only.
pub fn is_secure(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

/// Builds the connector at the first request, so that reading the system's certificates does not delay the start.
#[derive(Debug)]
struct Lazy {
    roots: Arc<Option<Vec<u8>>>,
    proxied: bool,
    direct: OnceLock<Option<SharedHttpConnector>>,
    over_proxy: OnceLock<Option<SharedHttpConnector>>,
}

impl Lazy {
    /// Plain http goes to this machine and to the metadata services of the host only, and never over a proxy: what they answer
    /// are credentials.
    fn connector(&self, url: &str) -> Result<&SharedHttpConnector, ConnectorError> {
        let built = if self.proxied && url.starts_with("https:") {
            self.over_proxy.get_or_init(|| self.build(true))
        } else {
            self.direct.get_or_init(|| self.build(false))
        };
        built.as_ref().ok_or_else(|| ConnectorError::user("no TLS can be spoken with these root certificates".into()))
    }

    /// `None` rather than a fall back on other root certificates.
    fn build(&self, over_proxy: bool) -> Option<SharedHttpConnector> {
        let store = match &*self.roots {
            Some(pem) => tls::TrustStore::empty().with_pem_certificate(pem.clone()),
            None => tls::TrustStore::default(),
        };
        let settings = aws_smithy_runtime_api::client::http::HttpConnectorSettings::builder()
            .connect_timeout(CONNECT)
            .read_timeout(EXCHANGE)
            .build();
        let mut builder = Connector::builder().connector_settings(settings).pool_idle_timeout(IDLE);
        if over_proxy {
            builder = builder.proxy_config(ProxyConfig::from_env());
        }
        let builder = builder.tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring));
        let context = tls::TlsContext::builder().with_trust_store(store).build().ok()?;
        Some(SharedHttpConnector::new(builder.tls_context(context).build()))
    }
}

/// Cuts every answer off at [`LARGEST_ANSWER`].
#[derive(Debug)]
struct Bounded(Arc<Lazy>);

impl HttpConnector for Bounded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let lazy = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let response = lazy.connector(request.uri())?.call(request).await?;
            Ok(response.map(|body| SdkBody::from_body_1_x(Limited::new(body, LARGEST_ANSWER))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_that_is_no_bundle_is_refused_at_the_start() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        for (content, fault) in [
            ("hello", "holds no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be used"),
            ("-----BEGIN CERTIFICATE-----\n!!\n", "not a PEM file"),
        ] {
            std::fs::write(path, content).unwrap();
            let error = Upstream::new(&Environment::from([("AWS_CA_BUNDLE", path)])).unwrap_err().to_string();
            assert!(error.contains(fault) && error.contains(path), "{error}");
        }
    }
}
