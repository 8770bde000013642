//! `GET /v1/status`: every token, credentials, issuer, file and listener; for callers only. Never a secret, never a token.
//!
//! Instants are given twice: as RFC 3339 on the wall clock, and in seconds from now. A caller without `allow` for an entry
//! sees it all the same: names and states are no secrets among callers.
//!
//! The page ([`super::page`]) and `credbroker status` show people the same document, by way of [`outline`].

mod clock;
mod described;
mod fees;
pub mod outline;
mod quotas;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use warp::Filter as _;

pub use described::described;
pub use fees::Fees;

use super::reply::{self, Style};
use super::{Asker, Routes, Surface, allowed, with};
use crate::clock::{Moment, rfc3339};
use crate::files;
use crate::refresh::counts::Counts;
use crate::refresh::report::Snapshot;
use crate::refresh::schedule::Keep;
use crate::refresh::{Crowd, Report};
use crate::source::{Ask, FailureKind};
use crate::verify::Keys;

const METHODS: &[&str] = &["GET", "HEAD"];

/// What has a row of its own in the status.
pub trait Row: fmt::Debug + Send + Sync {
    /// The row. Never a secret.
    fn row(&self) -> Value;
}

/// The route.
pub fn route(surface: &Arc<Surface>) -> Routes {
    warp::path!("v1" / "status")
        .and(warp::method())
        .and(warp::ext::get::<Asker>())
        .and(with(surface))
        .map(|method: Method, _: Asker, surface: Arc<Surface>| match allowed(&method, METHODS) {
            Ok(()) => reply::json(StatusCode::OK, &document(&surface)),
            Err(trouble) => reply::refusal(&trouble, Style::OAuth),
        })
        .boxed()
}

/// The whole document. What is shown to people is read out of it, so a member that is new here is shown there too.
pub fn document(surface: &Surface) -> Value {
    let store = &surface.store;
    let (tokens, credentials, own) = (store.token_reports(), store.credentials_reports(), vec![store.own_report()]);
    let chains = Chains::of([&*tokens, &*credentials, &*own]);
    let rows =
        |reports: &[Report]| reports.iter().flat_map(|report| rows(surface, report, &chains)).collect::<Vec<_>>();
    let mut document = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "at": rfc3339(surface.clock.wall()),
        "state": if surface.life.is_draining() { "draining" } else { "serving" },
        "ready": surface.is_ready(),
        "uptime_seconds": surface.clock.now().since(surface.life.started).as_secs(),
        "requests": surface.life.over(),
        "tasks": tasks(),
        "configuration": surface.reloads.row(),
        "connections": connections(surface),
        "load": load(surface),
        "listeners": surface.listeners,
        "tokens": rows(&tokens),
        "credentials": rows(&credentials),
        "own_identity": rows(&own),
        "issuers": surface.issuers.keys().iter().map(|keys| issuer(surface, keys)).collect::<Vec<_>>(),
        "egress": surface.egress.iter().map(|egress| egress.row()).collect::<Vec<_>>(),
        "files": surface.files.reports().iter().map(|report| file(surface, report)).collect::<Vec<_>>(),
    });
    if let Some(quotas) = quotas::row(tokens.iter().chain(&credentials).chain(&own)) {
        document["quotas"] = quotas;
    }
    document["clock"] = clock::row(&surface.clock);
    let (to, lost) = surface.audit.standing();
    document["audit"] = json!({ "to": to, "lines_lost": lost });
    document["log"] = json!({ "lines_lost": surface.log.lost() });
    if let Some(fees) = surface.fees {
        document["cognito_fees"] = fees.summary(&tokens);
    }
    document
}

/// The tasks that are alive in the process: what does not end when it should is seen here.
fn tasks() -> usize {
    tokio::runtime::Handle::try_current().map_or(0, |runtime| runtime.metrics().num_alive_tasks())
}

/// What is being answered at the moment, and what was so far.
fn load(surface: &Surface) -> Value {
    let mut row = surface.load.row();
    row["answers"] = surface.life.answered.row();
    row
}

/// The connections of callers, apart from those to forward addresses.
fn connections(surface: &Surface) -> Value {
    let tally = surface.places.tally();
    json!({ "open": tally.open, "most": tally.most, "moved": tally.moved, "turned_away": tally.turned_away })
}

/// Which entry comes after which: each name with that of the earlier stage.
struct Chains<'a>(HashMap<&'a str, &'a str>);

impl<'a> Chains<'a> {
    fn of<const N: usize>(reports: [&'a [Report]; N]) -> Self {
        let all = reports.into_iter().flatten();
        Self(all.filter_map(|report| Some((&*report.name, report.origin.after.as_deref()?))).collect())
    }

    /// The earlier stages of `name`, the nearest first. The configuration has no cycles.
    fn before(&self, name: &str) -> Vec<&'a str> {
        let first = self.0.get(name).copied();
        std::iter::successors(first, |name| self.0.get(name).copied()).take(self.0.len()).collect()
    }
}

/// One row per variation held; one for the entry if none is.
fn rows(surface: &Surface, report: &Report, chains: &Chains<'_>) -> Vec<Value> {
    let mut rows: Vec<Value> = match &report.crowd {
        Some(crowd) => vec![crowd_row(surface, report, crowd)],
        None if report.variations.is_empty() => vec![row(surface, report, &Ask::default(), &Snapshot::default())],
        None => report.variations.iter().map(|(ask, held)| row(surface, report, ask, held)).collect(),
    };
    let chain = chains.before(&report.name);
    if !chain.is_empty() {
        rows.iter_mut().for_each(|row| row["chain"] = json!(chain));
    }
    rows
}

fn row(surface: &Surface, report: &Report, ask: &Ask, held: &Snapshot) -> Value {
    let now = surface.clock.now();
    let freshness = &report.freshness;
    let mut row = json!({
        "name": report.name,
        "source": report.origin.words,
        "keep": match freshness.keep { Keep::Used => "used", Keep::Always => "always" },
        "state": state(held, now),
        "fetching": held.fetching,
    });
    if let Some(caller) = &ask.caller {
        row["caller"] = json!(caller);
    }
    if let Some(scopes) = &ask.scopes {
        row["scope"] = json!(scopes.join(" "));
    }
    if let Some(life) = held.lease {
        let lifetime = life.expiry.since(life.issued_at);
        row["lifetime"] = json!(lifetime.as_secs());
        row["age"] = json!(now.since(life.issued_at).as_secs());
        row["refresh_due_after"] = json!(life.refresh_due.since(life.issued_at).as_secs());
        instant(&mut row, "refresh_due", surface, life.refresh_due);
        instant(&mut row, "expires", surface, life.expiry);
        row["outage_cover"] = json!(freshness.guaranteed_cover(lifetime).as_secs());
        if let Some(wanted) = freshness.outage_cover {
            row["outage_cover_wanted"] = json!(wanted.as_secs());
        }
    }
    if let Some(trouble) = &held.trouble {
        row["last_error"] = json!({
            "kind": trouble.failure.kind.as_str(),
            "message": trouble.failure.message,
            "failures_in_a_row": trouble.attempts,
            "since": rfc3339(surface.clock.wall_at(trouble.since)),
            "retry_in": trouble.retry_at.since(now).as_secs(),
        });
    }
    if let Some(secret) = &held.obtained_with {
        row["secret"] = json!(**secret);
    }
    if let Some(demand) = &report.demand {
        row["quota"] = json!(&*demand.quota);
        row["waiting_for_quota"] = json!(demand.own);
    }
    if !held.scopes_missing.is_empty() {
        row["scopes_missing"] = json!(held.scopes_missing.join(" "));
    }
    count(&mut row, held.counts);
    if let Some(fees) = surface.fees.filter(|_| report.origin.is_billed) {
        row["fees_saved"] = json!(fees.saved(held.counts));
    }
    row
}

/// The row of an entry that is asked with subject tokens: their number, and what happened for all of them together.
fn crowd_row(surface: &Surface, report: &Report, crowd: &Crowd) -> Value {
    let held = Snapshot { trouble: crowd.trouble.clone(), ..Snapshot::default() };
    let mut row = row(surface, report, &Ask::default(), &held);
    row["state"] = json!(if crowd.held == 0 { "empty" } else { "per subject" });
    row["subjects"] = json!(crowd.held);
    row["most_subjects"] = json!(crowd.most);
    count(&mut row, crowd.counts);
    row
}

/// The row of an issuer: that of its key set, and which keys are in it.
fn issuer(surface: &Surface, keys: &Keys) -> Value {
    let held = keys.report.variations.first().map(|(_, held)| held.clone()).unwrap_or_default();
    let mut row = row(surface, &keys.report, &Ask::default(), &held);
    let (ids, fetched_at) = keys.held.clone().unzip();
    row["key_ids"] = json!(ids.unwrap_or_default());
    if let Some(fetched_at) = fetched_at {
        row["fetched_at"] = json!(rfc3339(surface.clock.wall_at(fetched_at)));
    }
    row
}

/// The row of a file: how it stands, and why it is not as it should be.
fn file(surface: &Surface, report: &files::Report) -> Value {
    let mut row = json!({
        "name": report.name,
        "source": format!("{} as {} in {}", report.of, report.format, report.path.display()),
        "of": report.of,
        "format": report.format,
        "path": report.path.to_string_lossy(),
        "mode": format!("{:04o}", report.mode),
        "state": report.state.as_str(),
    });
    if let Some(group) = &report.group {
        row["group"] = json!(group);
    }
    if let Some((written_at, expiry)) = report.life {
        row["written_at"] = json!(rfc3339(written_at));
        instant(&mut row, "expires", surface, expiry);
    }
    if let Some(trouble) = &report.trouble {
        row["last_error"] = json!({
            "message": trouble.message,
            "failures_in_a_row": trouble.attempts,
            "since": rfc3339(surface.clock.wall_at(trouble.since)),
            "retry_in": trouble.retry_at.since(surface.clock.now()).as_secs(),
        });
    }
    row
}

fn count(row: &mut Value, counts: Counts) {
    row["hits"] = json!(counts.hits);
    row["stale"] = json!(counts.stale);
    row["misses"] = json!(counts.misses);
    row["waited"] = json!(counts.waited);
    row["upstream_requests"] = json!(counts.fetches);
    row["upstream_failures"] = json!(counts.failures);
    let kinds = FailureKind::ALL.into_iter().zip(counts.failures_by_kind).filter(|(_, count)| *count > 0);
    row["failures_by_kind"] = kinds.map(|(kind, count)| (kind.as_str().to_owned(), json!(count))).collect();
    row["upstream_avoided"] = json!(counts.avoided());
}

fn state(held: &Snapshot, now: Moment) -> &'static str {
    match (held.lease, &held.trouble) {
        (Some(life), None) if now < life.refresh_due => "fresh",
        (Some(_), None) => "refresh-due",
        (Some(_), Some(_)) => "degraded",
        (None, Some(_)) => "failed",
        (None, None) => "empty",
    }
}

fn instant(row: &mut Value, name: &str, surface: &Surface, moment: Moment) {
    let left = moment.since(surface.clock.now());
    row[format!("{name}_at")] = json!(rfc3339(surface.clock.wall_at(moment)));
    row[format!("{name}_in")] = json!(if left < Duration::from_secs(1) { 0 } else { left.as_secs() });
}
