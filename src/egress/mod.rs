//! `[egress.NAME]`: a local forward address that adds the credential, for programs that cannot.
//!
//! A program that knows of no token sends its requests to the listener as if it were the service. Each is forwarded to the one
//! configured upstream with a bearer token added, or signed for AWS, and the answer comes back as it is:
//!
//! - Method, path, query and end-to-end headers go on as they came, repeated ones repeated; `Host` is the upstream's. What is of
//!   one connection only (RFC 9110 section 7.6.1) ends here, in both directions, trailers too; so does `Expect`, which this side
//!   answers. An `Authorization` that came in never goes on.
//! - Bodies stream both ways, a piece at a time, and what one side does not take the other is not asked for. Only to sign for a
//!   service other than S3 a body is held as a whole, at most [`LARGEST_SIGNED`], since its hash stands in the signature.
//! - A redirect is an answer like any other. Nothing is sent twice, and never to another host.
//! - A body that breaks off on one side breaks the connection on the other: no end is ever made up.
//! - What is ours to say is JSON with the header `Credbroker-Error`, which no upstream's answer has: 403 for another process,
//!   400 and 501 for what cannot be forwarded, 413, 502 and 504 for an upstream that cannot be reached or does not answer,
//!   and for a credential that cannot be had what `/v1/tokens` says of it.
//!
//! Who asks is known by the uid of its process, as the kernel tells it, and by nothing that it sends: every request of that user
//! carries the credential. So a browser of that user must not be able to ask: see [`intake`].
//!
//! HTTP/1.1 is spoken on both sides. The TLS is that of every upstream, the client hyper's, since the SDK's connector, behind
//! which all else goes out, takes no header that is not text and times a whole exchange.

mod body;
mod headers;
mod intake;
mod renewal;
mod sign;
mod tally;
mod way;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;
use url::Url;

use crate::http::Surface;
use crate::http::answered::At;
use crate::http::intake::Peer;
use crate::http::reply::{self, Style, Trouble};
use crate::http::serve::held::Held;
use crate::http::serve::{Answers, Body, Limits};
use crate::http::trail::{Notes, Trail};
use crate::lease::Lease;
use crate::ops::audit::Event;
use crate::policy::{Caller, Factors, Grant, Permit};
use crate::refresh::{Served, Unserved};
use crate::source::aws::AWS;
use crate::source::upstream::Upstream;
use crate::source::{AwsCredentials, BearerToken};
use body::{Paced, Pulse};
use renewal::Renewal;
pub use sign::Signature;
use tally::Forwarding;
pub use tally::Tally;
use way::Way;

/// Connections to one forward address at once; each needs a second one upstream.
pub const PLACES: usize = 128;
/// A head is no larger than this, in bytes: cookies and signed URLs are long.
const LARGEST_HEAD: usize = 64 * 1024;
/// A head has no more fields than this.
const MOST_FIELDS: usize = 128;
/// A request's head is complete, and an idle connection used again, within this.
const HEAD_DEADLINE: Duration = Duration::from_secs(15);
/// No body that has to be held to be signed is larger, in bytes: what API Gateway takes.
pub const LARGEST_SIGNED: usize = 10 * 1024 * 1024;
/// All bodies that are held at one forward address together, in KiB.
const HELD_BODIES: usize = 64 * 1024;
/// How often a credential that is being fetched is asked for, each time for [`crate::refresh::PATIENCE`]: about ten seconds.
const FETCH_LOOKS: usize = 12;

/// What no upstream's answer has.
const ERROR: HeaderName = HeaderName::from_static("credbroker-error");

/// One forward address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The NAME of `egress.NAME`.
    pub name: String,
    /// Where its requests go.
    pub upstream: Url,
    /// What is added to them.
    pub added: Added,
    /// The `callers.NAME` it serves.
    pub caller: String,
    /// A request is given up when nothing of it or of its answer has moved for so long.
    pub idle: Duration,
}

/// What is added to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// `tokens.NAME`.
    Bearer(String),
    /// A signature.
    Signature(Signature),
}

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer(token) => write!(f, "the bearer token tokens.{token}"),
            Self::Signature(signature) => write!(f, "{signature}"),
        }
    }
}

/// Answers at one forward address. Cloning shares it.
#[derive(Clone)]
pub struct Egress(Arc<Shared>);

struct Shared {
    config: Config,
    surface: Arc<Surface>,
    tally: Arc<Tally>,
    way: Arc<Way>,
    renewal: Arc<Renewal>,
    held_bodies: Arc<Semaphore>,
}

impl Egress {
    /// What answers at the address that `config` describes, with the credentials of `surface`; `tally` is its row there.
    pub fn new(config: Config, surface: Arc<Surface>, tally: Arc<Tally>, upstream: &Upstream) -> Self {
        let way = Arc::new(Way::new(upstream.clone(), &config.upstream, config.idle));
        let renewal = Arc::new(Renewal::new(surface.clock.clone()));
        let held_bodies = Arc::new(Semaphore::new(HELD_BODIES));
        Self(Arc::new(Shared { config, surface, tally, way, renewal, held_bodies }))
    }

    /// Its row in the status.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.0.tally
    }

    /// The same address with the credentials of another `surface`: its connections to the upstream, and what it knows of it, stay.
    pub fn over(&self, surface: Arc<Surface>) -> Self {
        let Shared { config, tally, way, renewal, held_bodies, surface: _ } = &*self.0;
        Self(Arc::new(Shared {
            config: config.clone(),
            surface,
            tally: Arc::clone(tally),
            way: Arc::clone(way),
            renewal: Arc::clone(renewal),
            held_bodies: Arc::clone(held_bodies),
        }))
    }
}

impl Answers for Egress {
    async fn answer(&self, request: Request<Incoming>, peer: &Peer, is_last: bool) -> Response<Body> {
        let shared = &self.0;
        let held = (shared.surface.life.answering(true), Tally::forwarding(&shared.tally));
        let trail = shared.trail(peer);
        let notes = Trail::notes(Some(&trail));
        let mut response = match shared.forward(request, peer, &held.1, &notes).await {
            Ok(response) => response.map(|body| Held::new(body, held).boxed_unsync()),
            Err(trouble) => shared.refuse(&trouble, peer),
        };
        Trail::end(Some(trail), &response);
        shared.surface.life.answered.count(At::Egress, response.status());
        let is_refused = response.headers().contains_key(ERROR);
        // Behind what was refused may be more of it.
        if is_refused || is_last || shared.surface.life.is_draining() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn is_for(&self, peer: &Peer) -> bool {
        self.0.surface.callers.current().known_to_kernel(&self.0.config.caller, &peer.process).is_some()
    }

    fn limits(&self) -> Limits {
        let stall = self.0.config.idle;
        Limits { head: HEAD_DEADLINE, stall, largest_head: LARGEST_HEAD, most_fields: MOST_FIELDS }
    }
}

impl Shared {
    fn trail(&self, peer: &Peer) -> Trail {
        let grant = match &self.config.added {
            Added::Bearer(token) => Grant::Token(token.clone()),
            Added::Signature(signature) => Grant::Credentials(signature.credentials.clone()),
        };
        let via = format!("egress.{}", self.config.name);
        Trail::through(&self.surface, peer, Event::Egress, Some(&via), grant)
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        forwarding: &Forwarding,
        notes: &Notes,
    ) -> Result<Response<Paced>, Trouble> {
        intake::check(&request, peer.transport)?;
        let callers = self.surface.callers.current();
        let caller = callers.known_to_kernel(&self.config.caller, &peer.process);
        let caller = caller.ok_or(Trouble::NotTheCaller)?;
        notes.caller(caller, Factors { token: false, ..caller.factors() });
        self.surface.load.of_elsewhere(caller)?;
        let (mut head, incoming) = request.into_parts();
        head.uri = self.way.target(&head.uri)?;
        headers::end_request_hop(&mut head.headers);
        head.headers.insert(HOST, self.way.host());
        let pulse = Arc::new(Pulse::default());
        let incoming = Paced::of_client(incoming, self.config.idle, Arc::clone(&pulse));
        let (body, lease) = match &self.config.added {
            Added::Bearer(token) => {
                let Served { lease, cache } = self.token(token, caller).await?;
                notes.token(&self.surface, &lease, cache);
                head.headers.insert(AUTHORIZATION, bearer(&lease.value)?);
                (incoming.boxed_unsync(), Some(lease))
            }
            Added::Signature(signature) => (self.signed(signature, &mut head, incoming, caller, notes).await?, None),
        };
        let response = self.way.send(Request::from_parts(outbound(head), body), &pulse).await?;
        if let Some(lease) = lease {
            self.look_at(response.status(), caller, lease);
        }
        self.tally.answered();
        let (mut head, body) = response.into_parts();
        headers::end_answer_hop(&mut head.headers, !body.is_end_stream());
        Ok(Response::from_parts(inbound(head), Paced::of_upstream(body, self.config.idle, forwarding.clone())))
    }

    async fn token(&self, name: &str, caller: &Caller) -> Result<Served<BearerToken>, Trouble> {
        let permit = permit(caller, Grant::Token(name.to_owned()))?;
        settled(&permit, || self.surface.store.token(&permit, None)).await
    }

    async fn credentials(&self, name: &str, caller: &Caller) -> Result<Served<AwsCredentials>, Trouble> {
        let permit = permit(caller, Grant::Credentials(name.to_owned()))?;
        settled(&permit, || self.surface.store.credentials(&permit, None, Duration::ZERO)).await
    }

    /// Signs `head`; what is returned is the body to send with it. The credentials are asked for when the body is there, since
    /// that may take longer than they live.
    async fn signed(
        &self,
        signature: &Signature,
        head: &mut Parts,
        incoming: Paced,
        caller: &Caller,
        notes: &Notes,
    ) -> Result<Body, Trouble> {
        sign::spell_plus(&mut head.uri)?;
        sign::is_signable(&head.uri)?;
        let (payload, body) = if signature.is_for_s3() {
            (sign::announced(&head.headers)?, incoming.boxed_unsync())
        } else if incoming.is_end_stream() {
            (sign::hash(b""), incoming.boxed_unsync())
        } else {
            let whole = body::whole(incoming, LARGEST_SIGNED, &self.held_bodies).await?;
            // Its end is known now, so it is sent with its length whatever way it came.
            head.headers.remove(CONTENT_LENGTH);
            let payload = sign::hash(&whole);
            (payload, Full::new(whole).map_err(|never| match never {}).boxed_unsync())
        };
        let Served { lease, cache } = self.credentials(&signature.credentials, caller).await?;
        notes.credentials(&self.surface, &lease, cache);
        signature.sign(
            head,
            &payload,
            &lease.value,
            self.surface.clock.reading_of(AWS).wall_at(self.surface.clock.now()),
        )?;
        Ok(body)
    }

    /// A token that the upstream has taken and takes no longer was revoked: another one is asked for, for the requests to come.
    fn look_at(&self, status: StatusCode, caller: &Caller, lease: Arc<Lease<BearerToken>>) {
        let Added::Bearer(token) = &self.config.added else { return };
        if self.renewal.is_due(status, lease.issued_at)
            && let Some(permit) = caller.permit(Grant::Token(token.clone()))
        {
            tracing::warn!(
                egress = self.config.name,
                "the upstream refuses a token that it took before; asking for another"
            );
            self.surface.store.renew_token(&permit, lease);
        }
    }

    fn refuse(&self, trouble: &Trouble, peer: &Peer) -> Response<Body> {
        let (status, why) = (trouble.status(), trouble.code());
        let egress = &*self.config.name;
        if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
            let is_news = self.tally.failed(&trouble.to_string());
            // What is said of a credential is in the log already.
            if is_news && matches!(trouble, Trouble::NotForwarded { .. }) {
                tracing::warn!(egress, status = status.as_u16(), reason = %trouble, "not forwarded");
            } else {
                tracing::debug!(egress, status = status.as_u16(), why, "not forwarded");
            }
        } else {
            self.tally.refused.fetch_add(1, Ordering::Relaxed);
            match self.surface.refusals.untold(why) {
                Some(more) => {
                    let (status, uid) = (status.as_u16(), peer.process.uid);
                    tracing::info!(egress, status, why, transport = ?peer.transport, ?uid, more, "refused");
                }
                None => tracing::debug!(egress, status = status.as_u16(), why, "refused"),
            }
        }
        let mut response = reply::refusal(trouble, Style::OAuth);
        reply::harden(&mut response, false);
        response.headers_mut().insert(ERROR, HeaderValue::from_static(why));
        response.map(|body| body.map_err(Into::into).boxed_unsync())
    }
}

fn permit(caller: &Caller, grant: Grant) -> Result<Permit, Trouble> {
    let name = grant.to_string();
    caller.permit(grant).ok_or(Trouble::NotAllowed(name))
}

/// What `ask` gives when a fetch under way is over: a program that knows of no credential does not know that it may ask again.
async fn settled<T, F>(permit: &Permit, ask: impl Fn() -> F) -> Result<Served<T>, Trouble>
where
    F: Future<Output = Option<Result<Served<T>, Unserved>>>,
{
    let name = permit.grant().to_string();
    let mut looks = 1..;
    loop {
        match ask().await {
            None => return Err(Trouble::NoSuchName(name)),
            Some(Ok(served)) => return Ok(served),
            Some(Err(Unserved::Pending)) if looks.next() < Some(FETCH_LOOKS) => {}
            Some(Err(unserved)) => return Err(Trouble::unserved(&name, unserved)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it goes to the upstream it was got for")]
fn bearer(token: &BearerToken) -> Result<HeaderValue, Trouble> {
    let text = format!("Bearer {}", token.token.expose_secret());
    let mut value = HeaderValue::from_str(&text).map_err(|_| Trouble::NotForwarded {
        why: "the token holds what no header can; the source of it is at fault".to_owned(),
        timed_out: false,
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The head of a request without what the server side has noted in it.
fn outbound(head: Parts) -> Parts {
    let mut fresh = Request::new(()).into_parts().0;
    (fresh.method, fresh.uri, fresh.headers) = (head.method, head.uri, head.headers);
    fresh
}

/// The head of an answer without what the client side has noted in it.
fn inbound(head: http::response::Parts) -> http::response::Parts {
    let mut fresh = Response::new(()).into_parts().0;
    (fresh.status, fresh.headers) = (head.status, head.headers);
    fresh
}
