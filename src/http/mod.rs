//! What callers see. Each surface has a file that opens with the wire contract it implements; [`intake`] and [`reply`] are
//! shared by all, [`trail`] is what the audit log is told of a request; [`listen`] and [`serve`] are the sockets below, [`socket_table`]
//! and [`units`] say who is at their other end, and [`load`] how much is answered at once.
//!
//! warp routes. Its rejections are a way to try the next route, not an answer, so nothing here is decided by one: limits,
//! hygiene and the caller are settled before a request reaches a route, and a route that matches answers.

pub mod answered;
pub mod authorize;
pub mod body;
pub mod client;
pub mod credentials;
mod describe;
pub mod exchange;
pub mod gateway;
pub mod health;
pub mod imds;
pub mod intake;
pub mod introspect;
mod life;
pub mod listen;
pub mod load;
pub mod metadata;
mod metrics;
pub mod oauth;
pub mod openapi;
pub mod page;
pub mod proof;
pub mod refusals;
pub mod reloads;
pub mod reply;
pub mod serve;
pub mod socket_table;
pub mod status;
pub mod subject;
pub mod tokens;
pub mod trail;
pub mod units;

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use tower_service::Service as _;
use warp::Filter as _;
use warp::filters::BoxedFilter;

use crate::clock::Clock;
use crate::files::Files;
use crate::ops::audit::Audit;
use crate::ops::log::Losses;
use crate::policy::{Caller, Directory, Grant};
use crate::refresh::Store;
use crate::source::Ask;
use crate::verify::Issuers;
use answered::At;
use body::Body;
use intake::{Peer, Transport};
pub use life::Life;
use load::Load;
use refusals::Refusals;
use reloads::Reloads;
use reply::{Response, Style, Trouble};
use serve::Answers;
use serve::places::Place;
use serve::places::Places;
use status::Fees;
use trail::{Notes, Trail};

/// A request is answered within this; every route is much faster.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// All that a request needs.
#[derive(Debug)]
pub struct Surface {
    /// What is held.
    pub store: Store,
    /// What of it is written to files.
    pub files: Files,
    /// What of it is always kept: each entry and the variation of it.
    pub kept: Vec<(Grant, Ask)>,
    /// Whose inbound tokens are verified.
    pub issuers: Arc<Issuers>,
    /// Who may ask.
    pub callers: Arc<Directory>,
    /// The time.
    pub clock: Clock,
    /// What a token costs that is not asked for, for the status.
    pub fees: Option<Fees>,
    /// Where callers come in, for the status.
    pub listeners: Vec<String>,
    /// The local forward addresses, for the status.
    pub egress: Vec<Arc<dyn status::Row>>,
    /// Where every decision about a credential is written down.
    pub audit: Audit,
    /// What the log loses.
    pub log: Losses,
    /// Which refusals the log has told of.
    pub refusals: Arc<Refusals>,
    /// How the process is doing.
    pub life: Arc<Life>,
    /// Which configuration this is, and what came of others.
    pub reloads: Arc<Reloads>,
    /// Who is connected.
    pub places: Arc<Places>,
    /// How much is being answered.
    pub load: Load,
}

impl Surface {
    /// How many of what is always kept has nothing to serve at the moment.
    pub fn without_value(&self) -> usize {
        self.kept.iter().filter(|(grant, ask)| !self.store.is_usable(grant, ask)).count()
    }

    /// Is what `grant` names configured?
    pub fn has(&self, grant: &Grant) -> bool {
        match grant {
            Grant::Token(name) => self.store.scopes_of(name).is_some(),
            Grant::Credentials(name) => self.store.on_behalf_of(name).is_some(),
            Grant::Issuer(name) => self.issuers.named(name).is_some(),
        }
    }

    /// Is everything that is always kept there to be served, and every file in its place?
    pub fn is_ready(&self) -> bool {
        !self.life.is_draining() && self.without_value() == 0 && self.files_missing() == 0
    }

    /// How many files are not in their places: those of `[files.*]`, and those of callers' tokens that the broker makes.
    pub fn files_missing(&self) -> usize {
        self.files.missing() + self.callers.unwritten()
    }
}

/// A caller that has been identified, as the routes see it, and where it is noted what is decided about its request.
#[derive(Clone, Debug)]
pub struct Asker(pub Arc<Caller>, Notes);

type Routes = BoxedFilter<(Response,)>;

/// Answers requests. Cloning shares it.
#[derive(Clone)]
pub struct Door {
    surface: Arc<Surface>,
    open: Routes,
    guarded: Routes,
}

impl Door {
    /// The routes over `surface`.
    pub fn new(surface: &Arc<Surface>) -> Self {
        // The hot routes first: warp tries them in order.
        let guarded = tokens::route(surface)
            .or(credentials::route(surface))
            .unify()
            .boxed()
            .or(oauth::route(surface))
            .unify()
            .boxed()
            .or(introspect::route(surface))
            .unify()
            .boxed()
            .or(authorize::route(surface))
            .unify()
            .boxed()
            .or(gateway::route(surface))
            .unify()
            .boxed()
            .or(metadata::route())
            .unify()
            .boxed()
            .or(openapi::route())
            .unify()
            .boxed()
            .or(metrics::route(surface))
            .unify()
            .boxed()
            .or(proof::route(surface))
            .unify()
            .boxed()
            .or(status::route(surface))
            .unify()
            .boxed()
            .or(page::route(surface))
            .unify()
            .boxed()
            .or(nowhere())
            .unify()
            .boxed();
        let open = health::route(surface).or(metrics::route(surface)).unify().boxed().or(nowhere()).unify().boxed();
        Self { surface: Arc::clone(surface), open, guarded }
    }

    async fn admit(&self, request: Request<Incoming>, peer: &Peer, notes: Notes) -> Result<Response, Trouble> {
        intake::check(&request, peer.transport)?;
        if peer.transport == Transport::Admin || health::is_open(request.uri().path()) {
            return route(&self.open, request.map(|_| Empty::new())).await;
        }
        let mut counted = self.surface.load.request()?;
        let path = request.uri().path();
        if metadata::is_open(path) || openapi::is_open(path) || metrics::is_open(path) {
            return route(&self.guarded, request.map(|_| Empty::new())).await;
        }
        if proof::is_open(request.uri().path()) {
            let mut request = request.map(|_| Empty::new());
            request.extensions_mut().insert(peer.clone());
            return route(&self.guarded, request).await;
        }
        let (mut head, incoming) = request.into_parts();
        let callers = self.surface.callers.current();
        let (caller, body, _share) = if client::is_for_clients(head.uri.path()) {
            // Whoever has not sent a form yet is nobody, and is not being answered.
            drop(counted);
            let place = head.extensions.remove();
            let (caller, body) = arrived(place, client::identified(&callers, &head, incoming, peer)).await?;
            counted = self.surface.load.request()?;
            notes.caller(&caller, caller.factors());
            let share = self.surface.load.of(&caller)?;
            (caller, body, share)
        } else {
            let presented = intake::presented(&head.headers, peer)?;
            let caller = callers.identify(&presented).ok_or(Trouble::UnknownCaller)?;
            notes.caller(caller, caller.factors());
            intake::means_it(caller, &head.headers, peer)?;
            let share = self.surface.load.of(caller)?;
            (Arc::clone(caller), Body::read(incoming).await?, share)
        };
        head.extensions.insert(Asker(caller, notes));
        head.extensions.insert(body);
        let answer = route(&self.guarded, Request::from_parts(head, Empty::new())).await;
        drop(counted);
        answer
    }
}

/// What has come in when `rest` is done. Its connection is not being answered meanwhile.
async fn arrived<T>(place: Option<Arc<Place>>, rest: impl Future<Output = T>) -> T {
    match place {
        Some(place) => place.awaiting(rest).await,
        None => rest.await,
    }
}

impl Answers for Door {
    async fn answer(&self, request: Request<Incoming>, peer: &Peer, is_last: bool) -> http::Response<serve::Body> {
        let is_own = self.surface.life.is_own(request.headers());
        let at = if is_own { None } else { Some(At::of(request.uri().path())) };
        let style = Style::of(request.uri().path());
        let trail = Trail::at_door(&self.surface, peer, request.uri().path());
        let admitted = self.admit(request, peer, Trail::notes(trail.as_ref()));
        let response = in_time(&self.surface, peer, is_last, (at, style), admitted).await;
        Trail::end(trail, &response);
        response.map(|body| body.map_err(Into::into).boxed_unsync())
    }
}

/// What every request goes through that is answered here, at its door: it is counted unless it comes from none, answered in time, told of where it is refused
/// (in `style`), and its answer has the headers of every answer.
async fn in_time(
    surface: &Surface,
    peer: &Peer,
    is_last: bool,
    (at, style): (Option<At>, Style),
    admitted: impl Future<Output = Result<Response, Trouble>>,
) -> Response {
    let life = &surface.life;
    let when_ready = async {
        let _in_flight = life.answering(at.is_some());
        let mut response = admitted.await.unwrap_or_else(|trouble| {
            surface.refusals.tell(&trouble, peer);
            reply::refusal(&trouble, style)
        });
        reply::harden(&mut response, life.is_draining());
        response
    };
    let answer = tokio::time::timeout(REQUEST_DEADLINE, when_ready).await;
    let is_late = answer.is_err();
    let mut response = answer.unwrap_or_else(|_| reply::refusal(&Trouble::TooSlow, style));
    if is_late || is_last {
        reply::harden(&mut response, true);
    }
    at.into_iter().for_each(|at| life.answered.count(at, response.status()));
    response
}

async fn route(routes: &Routes, request: Request<Empty<Bytes>>) -> Result<Response, Trouble> {
    // The error type of a warp service has no values.
    let Ok(response) = warp::service(routes.clone()).call(request).await;
    Ok(response)
}

/// The last route: whatever no other one knows.
fn nowhere() -> Routes {
    warp::path::full()
        .map(|path: warp::path::FullPath| reply::refusal(&Trouble::NoSuchPath, Style::of(path.as_str())))
        .boxed()
}

/// The method of a request, after a path has matched.
fn allowed(method: &http::Method, allow: &'static [&'static str]) -> Result<(), Trouble> {
    if allow.contains(&method.as_str()) { Ok(()) } else { Err(Trouble::MethodNotAllowed(allow)) }
}

/// Hands `surface` to a route.
fn with(
    surface: &Arc<Surface>,
) -> impl warp::Filter<Extract = (Arc<Surface>,), Error = std::convert::Infallible> + Clone + use<> {
    let surface = Arc::clone(surface);
    warp::any().map(move || Arc::clone(&surface))
}

/// What a route is handed whose requests bring a body.
fn posted(
    surface: &Arc<Surface>,
) -> impl warp::Filter<Extract = (http::Method, http::HeaderMap, Body, Asker, Arc<Surface>), Error = warp::Rejection>
+ Clone
+ use<> {
    warp::method()
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Body>())
        .and(warp::ext::get::<Asker>())
        .and(with(surface))
}

/// The query of a request, empty if there is none.
fn query() -> impl warp::Filter<Extract = (String,), Error = std::convert::Infallible> + Clone {
    warp::query::raw().or(warp::any().map(String::new)).unify()
}
