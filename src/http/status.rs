//! `GET /v1/status`: every token, credentials, issuer, file and listener; for callers only. Never a secret, never a token.
//!
//! Instants are given twice: as RFC 3339 on the wall clock, and in seconds from now. A caller without `allow` for an entry
//! sees it all the same: names and states are no secrets among callers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use warp::Filter as _;

use super::describe::{JSON, Operation, Path, of};
use super::reply::{self, Style};
use super::{Asker, Routes, Surface, allowed, with};
use crate::clock::{Moment, rfc3339};
use crate::files;
use crate::refresh::cell::Counts;
use crate::refresh::entry::Snapshot;
use crate::refresh::schedule::Keep;
use crate::refresh::{Crowd, Report};
use crate::source::Ask;
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

/// The path, described.
pub fn described() -> Path {
    let (text, count) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let rows = json!({ "type": "array", "items": of("Entry") });
    let status = json!({
        "type": "object",
        "required": [
            "version", "state", "ready", "uptime_seconds", "requests",
            "listeners", "tokens", "credentials", "own_identity", "issuers", "egress", "files",
        ],
        "properties": {
            "version": text,
            "state": { "enum": ["serving", "draining"] },
            "ready": { "type": "boolean", "description": "Is every `keep = \"always\"` entry usable, and every file in its place?" },
            "uptime_seconds": count,
            "requests": count,
            "listeners": { "type": "array", "items": text },
            "tokens": rows,
            "credentials": rows,
            "own_identity": rows,
            "issuers": rows,
            "egress": { "type": "array", "items": of("Egress") },
            "files": { "type": "array", "items": of("File") },
        },
    });
    let read = Operation::guarded("Operations", "readStatus", "Every token, credentials, issuer and listener")
        .explained("Never a secret, never a token. Every caller sees every entry.")
        .answering(StatusCode::OK, "The status.", [(JSON, of("Status"))], &[]);
    Path::at("/v1/status")
        .defining("Status", status)
        .defining("Entry", entry())
        .defining("Egress", described_egress())
        .defining("File", described_file())
        .offering(METHODS, &read)
}

/// The schema of a row.
fn entry() -> Value {
    let (text, count) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let instant = json!({ "type": "string", "format": "date-time" });
    let seconds = |what: &str| json!({ "type": "integer", "minimum": 0, "description": what });
    let error = json!({
        "type": "object",
        "required": ["kind", "message", "failures_in_a_row", "since", "retry_in"],
        "properties": {
            "kind": { "enum": ["denied", "misconfigured", "throttled", "unavailable", "malformed"] },
            "message": text,
            "failures_in_a_row": count,
            "since": instant,
            "retry_in": seconds("Seconds until the source is asked again."),
        },
    });
    json!({
        "type": "object",
        "description": "An entry, or one variation of it by caller or scope; of subject tokens, all together.",
        "required": [
            "name", "source", "keep", "state", "fetching", "hits", "stale", "misses",
            "upstream_requests", "upstream_failures", "upstream_avoided",
        ],
        "properties": {
            "name": text,
            "source": text,
            "keep": { "enum": ["used", "always"] },
            "state": { "enum": ["fresh", "refresh-due", "degraded", "failed", "empty", "per subject"] },
            "fetching": { "type": "boolean" },
            "caller": text,
            "scope": text,
            "lifetime": seconds("Seconds from its issue to its expiry."),
            "refresh_due_at": instant,
            "refresh_due_in": count,
            "expires_at": instant,
            "expires_in": count,
            "outage_cover": seconds("For how long the source may be down without anybody noticing."),
            "outage_cover_wanted": count,
            "last_error": error,
            "secret": { "type": "string", "description": "Which of two secrets is live, and where it is." },
            "scopes_missing": text,
            "subjects": count,
            "most_subjects": count,
            "key_ids": { "type": "array", "items": text },
            "fetched_at": instant,
            "hits": count,
            "stale": count,
            "misses": count,
            "upstream_requests": count,
            "upstream_failures": count,
            "upstream_avoided": count,
        },
    })
}

/// The schema of a forward address' row.
fn described_egress() -> Value {
    let (text, count) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let instant = json!({ "type": "string", "format": "date-time" });
    json!({
        "type": "object",
        "required": ["name", "listen", "upstream", "adds", "caller", "requests", "in_flight", "refused", "failures"],
        "properties": {
            "name": text,
            "listen": { "type": "array", "items": text },
            "upstream": text,
            "adds": { "type": "string", "description": "What is added to each request, in words." },
            "caller": { "type": "string", "description": "Whose processes it serves." },
            "requests": count,
            "in_flight": count,
            "refused": { "type": "integer", "minimum": 0, "description": "Requests that were not fit to be forwarded." },
            "failures": { "type": "integer", "minimum": 0, "description": "Requests that were, and had no answer or half of one." },
            "last_error": {
                "type": "object",
                "required": ["message", "at"],
                "properties": { "message": text, "at": instant },
            },
        },
    })
}

/// The schema of a file's row.
fn described_file() -> Value {
    let (text, count) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let instant = json!({ "type": "string", "format": "date-time" });
    let error = json!({
        "type": "object",
        "required": ["message", "failures_in_a_row", "since", "retry_in"],
        "properties": { "message": text, "failures_in_a_row": count, "since": instant, "retry_in": count },
    });
    json!({
        "type": "object",
        "required": ["name", "of", "format", "path", "mode", "state"],
        "properties": {
            "name": text,
            "of": { "type": "string", "description": "The entry that is in it." },
            "format": { "enum": ["raw", "json", "aws-profile", "env"] },
            "path": text,
            "mode": { "type": "string", "pattern": "^[0-7]{4}$" },
            "group": text,
            "state": { "enum": ["written", "stale", "failed", "absent"] },
            "written_at": instant,
            "expires_at": instant,
            "expires_in": count,
            "last_error": error,
        },
    })
}

fn document(surface: &Surface) -> Value {
    let store = &surface.store;
    let rows = |reports: Vec<Report>| reports.iter().flat_map(|report| rows(surface, report)).collect::<Vec<_>>();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "state": if surface.life.is_draining() { "draining" } else { "serving" },
        "ready": surface.is_ready(),
        "uptime_seconds": surface.clock.now().since(surface.life.started).as_secs(),
        "requests": surface.life.answered(),
        "listeners": surface.listeners,
        "tokens": rows(store.token_reports()),
        "credentials": rows(store.credentials_reports()),
        "own_identity": rows(vec![store.own_report()]),
        "issuers": surface.issuers.keys().iter().map(|keys| issuer(surface, keys)).collect::<Vec<_>>(),
        "egress": surface.egress.iter().map(|egress| egress.row()).collect::<Vec<_>>(),
        "files": surface.files.reports().iter().map(|report| file(surface, report)).collect::<Vec<_>>(),
    })
}

/// One row per variation held; one for the entry if none is.
fn rows(surface: &Surface, report: &Report) -> Vec<Value> {
    if let Some(crowd) = &report.crowd {
        return vec![crowd_row(surface, report, crowd)];
    }
    if report.variations.is_empty() {
        return vec![row(surface, report, &Ask::default(), &Snapshot::default())];
    }
    report.variations.iter().map(|(ask, snapshot)| row(surface, report, ask, snapshot)).collect()
}

fn row(surface: &Surface, report: &Report, ask: &Ask, held: &Snapshot) -> Value {
    let now = surface.clock.now();
    let freshness = &report.freshness;
    let mut row = json!({
        "name": report.name,
        "source": report.origin,
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
    if !held.scopes_missing.is_empty() {
        row["scopes_missing"] = json!(held.scopes_missing.join(" "));
    }
    count(&mut row, held.counts);
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
    row["upstream_requests"] = json!(counts.fetches);
    row["upstream_failures"] = json!(counts.failures);
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
