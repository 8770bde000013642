//! What is decided about one request for a credential, gathered on its way and written to the audit log as one line when it is
//! answered, or when whoever asked is gone.
//!
//! Of what a request holds nothing is written but the names of what is configured: a confused client may put its token where a
//! name belongs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Response;

use super::intake::{Peer, Transport};
use super::reply::Refusal;
use super::{Asker, Surface};
use crate::clock::Moment;
use crate::lease::{Lease, RequestId};
use crate::ops::audit::{Event, Fingerprint, Known, Outcome, Record};
use crate::policy::{Caller, Factors, Grant, Permit};
use crate::refresh::CacheState;
use crate::source::{AwsCredentials, BearerToken};
use crate::verify::{Refused, Verified};

/// One request for a credential.
pub struct Trail {
    surface: Arc<Surface>,
    peer: Peer,
    event: Event,
    via: Option<Arc<str>>,
    notes: Notes,
    is_told: bool,
}

/// What has been noted of it so far. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    caller: Option<Arc<Caller>>,
    known_by: Factors,
    /// What was asked for, be it configured or not.
    asked: Option<Grant>,
    decided: Option<Decided>,
}

#[derive(Clone, Debug)]
struct Decided {
    outcome: Outcome,
    reason: Option<&'static str>,
    scope: Option<String>,
    cache: Option<CacheState>,
    fingerprint: Option<Fingerprint>,
    end: Option<Moment>,
    request_id: Option<RequestId>,
}

impl Trail {
    /// That of a request at a listener of callers; `None` where nothing is decided about a credential.
    pub fn at_door(surface: &Arc<Surface>, peer: &Peer, path: &str) -> Option<Self> {
        door(path).map(|(event, asked)| Self::of(surface, peer, event, None, asked))
    }

    /// That of a request for `grant` by way of `via`.
    pub fn through(surface: &Arc<Surface>, peer: &Peer, event: Event, via: Option<&str>, grant: Grant) -> Self {
        Self::of(surface, peer, event, via, Some(grant))
    }

    fn of(surface: &Arc<Surface>, peer: &Peer, event: Event, via: Option<&str>, asked: Option<Grant>) -> Self {
        let notes = Notes(Arc::new(Mutex::new(Noted { asked, ..Noted::default() })));
        let (surface, peer, via) = (Arc::clone(surface), peer.clone(), via.map(Arc::from));
        Self { surface, peer, event, via, notes, is_told: false }
    }

    /// Where it is noted what is decided on the way of `trail`, if there is one.
    pub fn notes(trail: Option<&Self>) -> Notes {
        trail.map(|trail| trail.notes.clone()).unwrap_or_default()
    }

    /// The request is answered.
    pub fn end<B>(trail: Option<Self>, answer: &Response<B>) {
        if let Some(trail) = trail {
            trail.ends_with(answer);
        }
    }

    fn ends_with<B>(mut self, answer: &Response<B>) {
        self.is_told = true;
        let refusal = answer.extensions().get::<Refusal>();
        let status = answer.status();
        let mut decided = self.notes.noted().decided.take();
        if let Some(refusal) = refusal {
            // That a token was not good enough says more than the refusal that comes of it.
            let by_failure = if status.is_server_error() { Outcome::Failed } else { Outcome::Refused };
            let said = decided.get_or_insert_with(|| Decided::nothing(by_failure));
            if said.outcome != Outcome::Denied {
                (said.outcome, said.reason) = (by_failure, Some(refusal.reason));
            }
            said.request_id = said.request_id.take().or_else(|| refusal.request_id.clone());
        }
        if let Some(decided) = decided {
            self.write(&decided, Some(status.as_u16()));
        }
    }

    fn write(&self, decided: &Decided, status: Option<u16>) {
        let surface = &self.surface;
        let noted = self.notes.noted();
        let name = noted.asked.as_ref().filter(|grant| surface.has(grant)).map(ToString::to_string);
        surface.audit.write(&Record {
            status,
            reason: decided.reason,
            caller: noted.caller.as_ref().map(|caller| &*caller.name),
            known_by: Known(noted.known_by),
            transport: Some(match self.peer.transport {
                Transport::Tcp => "tcp",
                Transport::Unix => "unix",
                Transport::Admin => "admin",
            }),
            name: name.as_deref(),
            via: self.via.as_deref(),
            scope: decided.scope.as_deref(),
            cache: decided.cache.map(CacheState::as_str),
            fingerprint: decided.fingerprint,
            expires_at: decided.end.map(|end| surface.clock.wall_at(end)),
            upstream_request_id: decided.request_id.as_ref().map(RequestId::as_str),
            ..Record::of(self.event, decided.outcome).by_process(&self.peer.process)
        });
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if !self.is_told {
            let decided = self.notes.noted().decided.take();
            let decided = decided.unwrap_or_else(|| Decided::nothing(Outcome::HungUp));
            self.write(&Decided { outcome: Outcome::HungUp, ..decided }, None);
        }
    }
}

/// At which door a path is, and what it names there.
fn door(path: &str) -> Option<(Event, Option<Grant>)> {
    let named = |event, grant: fn(String) -> Grant, name: &str| Some((event, Some(grant(name.to_owned()))));
    match path {
        super::oauth::PATH => return Some((Event::Oauth2, None)),
        super::introspect::PATH => return Some((Event::Introspect, None)),
        _ => {}
    }
    if let Some(name) = path.strip_prefix("/v1/tokens/") {
        return named(Event::Token, Grant::Token, name);
    }
    if let Some(name) = path.strip_prefix("/v1/credentials/") {
        return named(Event::Credentials, Grant::Credentials, name);
    }
    let rest = path.strip_prefix("/v1/authorize/")?;
    match rest.strip_suffix("/policy") {
        Some(name) => named(Event::Authorizer, Grant::Issuer, name),
        None => named(Event::Authorize, Grant::Issuer, rest),
    }
}

impl Decided {
    fn nothing(outcome: Outcome) -> Self {
        Self { outcome, reason: None, scope: None, cache: None, fingerprint: None, end: None, request_id: None }
    }

    fn issued<T>(lease: &Lease<T>, cache: CacheState, fingerprint: Option<Fingerprint>) -> Self {
        let (end, request_id) = (Some(lease.expiry), lease.request_id.clone());
        Self { cache: Some(cache), fingerprint, end, request_id, ..Self::nothing(Outcome::Issued) }
    }
}

impl Notes {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        // Nothing panics between two halves of a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who asks, and by what they are known.
    pub fn caller(&self, caller: &Arc<Caller>, known_by: Factors) {
        let mut noted = self.noted();
        (noted.caller, noted.known_by) = (Some(Arc::clone(caller)), known_by);
    }

    /// What is asked for.
    pub fn asked(&self, grant: &Grant) {
        self.noted().asked = Some(grant.clone());
    }

    /// A token is handed out.
    pub fn token(&self, surface: &Surface, lease: &Lease<BearerToken>, cache: CacheState) {
        let fingerprint = surface.audit.fingerprint(|key| key.of_token(&lease.value.token));
        let scope = lease.value.scope.clone();
        self.noted().decided = Some(Decided { scope, ..Decided::issued(lease, cache, fingerprint) });
    }

    /// Credentials are handed out.
    pub fn credentials(&self, surface: &Surface, lease: &Lease<AwsCredentials>, cache: CacheState) {
        let fingerprint = surface.audit.fingerprint(|key| key.of(&lease.value.access_key_id));
        self.noted().decided = Some(Decided::issued(lease, cache, fingerprint));
    }

    /// A token that somebody showed was verified, or not.
    pub fn verified(&self, surface: &Surface, token: &str, outcome: &Result<Verified, Refused>) {
        let fingerprint = surface.audit.fingerprint(|key| key.of(token));
        let decided = match outcome {
            Ok(verified) => Decided { end: Some(verified.expiry), ..Decided::nothing(Outcome::Accepted) },
            Err(refused) => {
                let is_known = !matches!(refused, Refused::KeysUnavailable(_));
                let outcome = if is_known { Outcome::Denied } else { Outcome::Failed };
                Decided { reason: Some(refused.as_str()), ..Decided::nothing(outcome) }
            }
        };
        self.noted().decided = Some(Decided { fingerprint, ..decided });
    }

    /// Nobody showed a token that could be verified.
    pub fn denied(&self, reason: &'static str) {
        self.noted().decided = Some(Decided { reason: Some(reason), ..Decided::nothing(Outcome::Denied) });
    }
}

impl Asker {
    /// The proof that this caller may have `grant`, if it may.
    pub fn permit(&self, grant: Grant) -> Option<Permit> {
        self.1.asked(&grant);
        self.0.permit(grant)
    }

    /// Where it is noted what is decided.
    pub fn notes(&self) -> &Notes {
        &self.1
    }
}
