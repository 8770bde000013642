//! A look-alike of the EC2 instance metadata service, version 2, for programs that know nothing else: a listener of its own,
//! which hands one set of credentials to one caller. SDKs find it by `AWS_EC2_METADATA_SERVICE_ENDPOINT`.
//!
//! - `PUT /latest/api/token` with `X-aws-ec2-metadata-token-ttl-seconds: 1..21600` opens a session: 200, its token as the
//!   body, and the header `X-Aws-Ec2-Metadata-Token-Ttl-Seconds` with the same number. Another number or none: 400. At
//!   another version than `latest`: 403.
//! - `GET` or `HEAD` of a category with `X-aws-ec2-metadata-token: TOKEN`: 200 ([`categories`]), or 404. Without the header,
//!   which is version 1, and with a token that is not known or has ended: 401. Other methods: 405.
//! - `X-Forwarded-For`, whatever else a proxy or a browser adds, and a `Host` that is not a loopback name: 403.
//! - A process that is not the caller's: 403, to each request. Botocore and the SDK for JavaScript then try version 1, and
//!   fail; the Rust SDK fails at once. No SDK asks again and again.
//! - Credentials that cannot be had: 502, 503 with `Retry-After`, or 504, never a 200 with a `Code` of failure, which botocore
//!   takes for an instance without a role.
//!
//! Bodies are `text/plain` with no newline at their end: clients append the role's name to the path as it is. There are no
//! redirects and no directory listings. Every request is held against the caller, who is known by the kernel's word for its uid;
//! the session is the proof that the request is meant, since neither a browser nor a naive forged request can PUT with a header.
//!
//! Botocore calls credentials with less than 15 minutes left, and up to 10 more by chance, good for longer than they are: so
//! they are handed out with 26 minutes left ([`ENOUGH`]).

mod categories;
mod sessions;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::SERVER;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use secrecy::ExposeSecret as _;

use super::answered::At;
use super::intake::{self, Peer};
use super::reply::{self, Response, Style, Trouble};
use super::serve::{self, Answers};
use super::trail::{Notes, Trail};
use super::{Asker, Routes, Surface, allowed, in_time, route};
use crate::ops::audit::Event;
use crate::policy::{Caller, Grant};
use sessions::Sessions;

/// Credentials are handed out with this much life left wherever their lifetime allows it.
pub const ENOUGH: Duration = Duration::from_secs(26 * 60);

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const SESSION: &str = "x-aws-ec2-metadata-token";
/// The seconds that a session may last.
const TTLS: std::ops::RangeInclusive<u64> = 1..=21_600;
/// Where sessions are opened.
const SESSIONS: &str = "/latest/api/token";
const OPENING: &[&str] = &["PUT"];
const READING: &[&str] = &["GET", "HEAD"];

/// `[imds]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it listens; a loopback address.
    pub listen: SocketAddr,
    /// The `credentials.NAME` that it hands out. NAME is its role's name too.
    pub credentials: String,
    /// The caller that it is for.
    pub caller: String,
}

/// Answers the requests of one such listener. Cloning shares it.
#[derive(Clone)]
pub struct Imds {
    surface: Arc<Surface>,
    caller: Arc<str>,
    grant: Grant,
    sessions: Arc<Sessions>,
    categories: Routes,
}

impl Imds {
    /// The same service as configured by `config` over another `surface`. Sessions stay open, since they prove nothing of who asks.
    pub fn over(&self, surface: &Arc<Surface>, config: &Config, region: Option<&str>) -> Self {
        Self { sessions: Arc::clone(&self.sessions), ..Self::new(surface, config, region) }
    }

    /// The service of `config` over `surface`, in `region` where that is known.
    pub fn new(surface: &Arc<Surface>, config: &Config, region: Option<&str>) -> Self {
        Self {
            surface: Arc::clone(surface),
            caller: config.caller.as_str().into(),
            grant: Grant::Credentials(config.credentials.clone()),
            sessions: Arc::new(Sessions::new(surface.clock.clone())),
            categories: categories::routes(surface, &config.credentials, region),
        }
    }

    async fn admit<B>(&self, request: Request<B>, peer: &Peer, notes: Notes) -> Result<Response, Trouble> {
        let _counted = self.surface.load.request()?;
        intake::check_up_to_slash(&request, peer.transport)?;
        let caller = self.caller(peer)?;
        notes.caller(&caller, caller.factors());
        let _share = self.surface.load.of(&caller)?;
        let (mut head, _) = request.into_parts();
        match head.uri.path().split('/').collect::<Vec<_>>()[..] {
            ["", "latest", "api", "token"] => return self.open(&head.method, &head.headers),
            ["", _, "api", "token"] => return Err(Trouble::OtherVersion),
            _ => {}
        }
        allowed(&head.method, READING)?;
        self.in_session(&head.headers)?;
        if !categories::is_plain(head.uri.path()) {
            return Err(Trouble::NoSuchPath);
        }
        head.extensions.insert(Asker(caller, notes));
        route(&self.categories, Request::from_parts(head, Empty::new())).await
    }

    /// What is decided about the credentials, and about the sessions in which they are read.
    fn trail(&self, path: &str, peer: &Peer) -> Option<Trail> {
        let is_about_them = path == SESSIONS || path.starts_with(categories::ROLES);
        is_about_them.then(|| Trail::through(&self.surface, peer, Event::Imds, None, self.grant.clone()))
    }

    /// Who asks, if it is the one caller that may. It has nothing to show but what the kernel says of it.
    fn caller(&self, peer: &Peer) -> Result<Arc<Caller>, Trouble> {
        let shown = intake::presented(&HeaderMap::new(), peer)?;
        let callers = self.surface.callers.current();
        let caller = callers.identify(&shown).filter(|caller| *caller.name == *self.caller);
        caller.cloned().ok_or(Trouble::NotTheCaller)
    }

    fn open(&self, method: &Method, headers: &HeaderMap) -> Result<Response, Trouble> {
        allowed(method, OPENING)?;
        let ttl = ttl(headers).ok_or(Trouble::BadRequest(
            "X-aws-ec2-metadata-token-ttl-seconds says once how long the session lasts, 1 to 21600",
        ))?;
        let token = self.sessions.open(Duration::from_secs(ttl)).ok_or(Trouble::TooSlow)?;
        #[expect(clippy::disallowed_methods, reason = "this is the answer to the caller that opened the session")]
        let mut response = reply::with_type(StatusCode::OK, "text/plain", token.expose_secret().to_owned());
        response.headers_mut().insert(TTL, HeaderValue::from(ttl));
        Ok(response)
    }

    fn in_session(&self, headers: &HeaderMap) -> Result<(), Trouble> {
        let token = only(headers, SESSION).ok_or(Trouble::NoSession)?;
        if self.sessions.is_open(token) { Ok(()) } else { Err(Trouble::SessionOver) }
    }
}

impl Answers for Imds {
    async fn answer(&self, request: Request<Incoming>, peer: &Peer, is_last: bool) -> http::Response<serve::Body> {
        let trail = self.trail(request.uri().path(), peer);
        let admitted = self.admit(request, peer, Trail::notes(trail.as_ref()));
        let mut response = in_time(&self.surface, peer, is_last, (Some(At::Imds), Style::Text), admitted).await;
        Trail::end(trail, &response);
        response.headers_mut().insert(SERVER, HeaderValue::from_static("EC2ws"));
        response.map(|body| body.map_err(Into::into).boxed_unsync())
    }

    fn is_for(&self, peer: &Peer) -> bool {
        self.caller(peer).is_ok()
    }
}

/// The one value of a header; `None` if there is none, or more than one.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let (value, more) = (all.next()?, all.next());
    value.to_str().ok().filter(|_| more.is_none())
}

fn ttl(headers: &HeaderMap) -> Option<u64> {
    let text = only(headers, TTL)?;
    let ttl = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    TTLS.contains(&ttl).then_some(ttl)
}

#[cfg(test)]
mod tests;
