//! `GET /metrics`: the status in numbers, as Prometheus reads them (text format 0.0.4). For anybody, like health: on the ordinary
//! listeners for whoever is on this machine, on `admin_listen` for whoever reaches that.
//!
//! Every number is read out of the status document ([`super::status::document`]), so the two cannot differ. A metric is a line in
//! one of the tables below: its name, what it is, where it stands in the document. Labels are names of the configuration and words of
//! ours, never anything of a request: narrowings of a token by scope, which callers choose, are counted with the token.

mod text;

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use warp::Filter as _;

use super::answered::{At, CLASSES};
use super::describe::{Operation, Path};
use super::reply::{self, Style};
use super::status::{self, outline};
use super::{Routes, Surface, allowed, with};
use crate::source::FailureKind;
use text::{Kind, Page, Sample};

const PATH: &str = "/metrics";
const METHODS: &[&str] = &["GET", "HEAD"];
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Is this the path?
pub fn is_open(path: &str) -> bool {
    path == PATH
}

/// The route.
pub fn route(surface: &Arc<Surface>) -> Routes {
    warp::path!("metrics")
        .and(warp::method())
        .and(with(surface))
        .map(|method: Method, surface: Arc<Surface>| match allowed(&method, METHODS) {
            Ok(()) => reply::with_type(StatusCode::OK, TEXT, of(&status::document(&surface))),
            Err(trouble) => reply::refusal(&trouble, Style::OAuth),
        })
        .boxed()
}

/// The path, described.
pub fn described() -> Path {
    let read = Operation::open("Operations", "readMetrics", "The status in numbers, for Prometheus").answering(
        StatusCode::OK,
        "The metrics, in Prometheus' text format.",
        [(TEXT, json!({ "type": "string", "minLength": 1 }))],
        &[],
    );
    Path::at(PATH).offering(METHODS, &read)
}

/// A metric: its name without `credbroker_`, what it is, in words, and the member of the document or of a row.
type Metric = (&'static str, Kind, &'static str, &'static str);

/// Of the whole process; by JSON pointer.
const PROCESS: &[Metric] = &[
    ("uptime_seconds", Kind::Gauge, "Seconds since the start.", "/uptime_seconds"),
    ("tasks", Kind::Gauge, "Tasks that are alive in the process.", "/tasks"),
    ("ready", Kind::Gauge, "1 while everything that is always kept is usable, as /readyz says.", "/ready"),
    ("requests_total", Kind::Counter, "Requests that are over, answered or given up by who asked.", "/requests"),
    (
        "requests_in_flight",
        Kind::Gauge,
        "Requests being answered, those for health and metrics apart.",
        "/load/in_flight",
    ),
    ("requests_in_flight_limit", Kind::Gauge, "At most so many at once.", "/load/most"),
    ("requests_shed_total", Kind::Counter, "Requests answered with 503 because there were more.", "/load/shed"),
    ("connections_open", Kind::Gauge, "Connections of callers.", "/connections/open"),
    ("connections_limit", Kind::Gauge, "Connections of callers at most.", "/connections/most"),
    (
        "connections_moved_total",
        Kind::Counter,
        "Connections closed because they asked nothing and others needed the place.",
        "/connections/moved",
    ),
    (
        "connections_turned_away_total",
        Kind::Counter,
        "Connections refused because their user held its share.",
        "/connections/turned_away",
    ),
    ("log_lines_lost_total", Kind::Counter, "Lines of the log that could not be written.", "/log/lines_lost"),
    ("audit_lines_lost_total", Kind::Counter, "Lines of the audit log that could not be written.", "/audit/lines_lost"),
    ("clock_resumes_total", Kind::Counter, "How often the machine has slept.", "/clock/resumes"),
    ("clock_slept_seconds_total", Kind::Counter, "How long the machine has slept.", "/clock/slept_seconds"),
    ("clock_steps_total", Kind::Counter, "How often the wall clock was set.", "/clock/steps"),
];

/// Of the configuration.
const CONFIGURATION: &[Metric] = &[
    (
        "configuration_generation",
        Kind::Gauge,
        "1 since the start, one more with each reload that was applied.",
        "/configuration/generation",
    ),
    (
        "configuration_loaded_timestamp_seconds",
        Kind::Gauge,
        "When the configuration in effect was loaded, by this machine's clock.",
        "/configuration/loaded_at",
    ),
    (
        "configuration_reloads_applied_total",
        Kind::Counter,
        "Reloads that were applied.",
        "/configuration/reloads_applied",
    ),
    (
        "configuration_reloads_refused_total",
        Kind::Counter,
        "Reloads that were refused.",
        "/configuration/reloads_refused",
    ),
];

/// Of each source that says what time it is.
const CLOCKS: &[Metric] =
    &[("clock_offset_seconds", Kind::Gauge, "How far a source's clock is ahead of this machine's.", "offset_seconds")];

/// Of each quota of an upstream.
const QUOTAS: &[Metric] = &[
    ("quota_requests_waiting", Kind::Gauge, "Requests upstream that wait for a quota.", "waiting"),
    (
        "quota_requests_waited_total",
        Kind::Counter,
        "Requests upstream that had to wait for a quota and have been made.",
        "waited",
    ),
];

/// Of each caller.
const CALLERS: &[Metric] = &[
    ("caller_requests_total", Kind::Counter, "Requests of a caller.", "requests"),
    ("caller_requests_in_flight", Kind::Gauge, "Requests of a caller being answered.", "in_flight"),
    ("caller_requests_limited_total", Kind::Counter, "Requests of a caller answered with 429.", "limited"),
];

/// Of each token, set of credentials and issuer, and of the broker's own identity.
const ENTRIES: &[Metric] = &[
    (
        "entry_expires_in_seconds",
        Kind::Gauge,
        "Until what is held expires; nothing where nothing is held.",
        "expires_in",
    ),
    ("entry_refresh_due_in_seconds", Kind::Gauge, "Until a replacement is sought; 0 from then on.", "refresh_due_in"),
    ("entry_lifetime_seconds", Kind::Gauge, "The whole life of what is held.", "lifetime"),
    ("entry_age_seconds", Kind::Gauge, "Since the source last gave what is held.", "age"),
    (
        "entry_outage_cover_seconds",
        Kind::Gauge,
        "How long the source may be down without anybody noticing.",
        "outage_cover",
    ),
    ("entry_fetching", Kind::Gauge, "1 while the source is being asked.", "fetching"),
    ("entry_subjects", Kind::Gauge, "For how many subject tokens something is held.", "subjects"),
    ("entry_hits_total", Kind::Counter, "Answers out of memory before refresh-due.", "hits"),
    ("entry_stale_total", Kind::Counter, "Answers out of memory after refresh-due.", "stale"),
    ("entry_misses_total", Kind::Counter, "Requests that found nothing valid.", "misses"),
    ("entry_waited_total", Kind::Counter, "Those of the misses that got what was fetched.", "waited"),
    ("entry_upstream_requests_total", Kind::Counter, "Upstream requests made.", "upstream_requests"),
];

/// Of each file.
const FILES: &[Metric] = &[("file_expires_in_seconds", Kind::Gauge, "Until what is in a file expires.", "expires_in")];

/// Of each forward address.
const EGRESS: &[Metric] = &[
    ("egress_requests_total", Kind::Counter, "Requests at a forward address.", "requests"),
    ("egress_requests_in_flight", Kind::Gauge, "Requests being forwarded.", "in_flight"),
    ("egress_refused_total", Kind::Counter, "Requests that were not fit to be forwarded.", "refused"),
    ("egress_failures_total", Kind::Counter, "Requests that had no answer, or half of one.", "failures"),
];

/// The status `document` as Prometheus reads it.
fn of(document: &Value) -> String {
    let mut page = Page::default();
    let version = document["version"].as_str().unwrap_or_default();
    page.metric("build_info", Kind::Gauge, "1; the version is a label.", [(vec![("version", version)], json!(1))]);
    for (name, kind, help, pointer) in PROCESS.iter().chain(CONFIGURATION) {
        let value = document.pointer(pointer).map(|value| (Vec::new(), value.clone()));
        page.metric(name, *kind, help, value);
    }
    let reload = document.pointer("/configuration/state");
    page.metric(
        "configuration_reload_refused",
        Kind::Gauge,
        "1 while the last reload was refused, and what was loaded before stays in effect.",
        reload.map(|state| (Vec::new(), json!(state == "reload refused"))),
    );
    let rows = |pointer: &str| -> Vec<&Value> {
        document.pointer(pointer).and_then(Value::as_array).into_iter().flatten().collect()
    };
    page.metric(
        "answers_total",
        Kind::Counter,
        "Answers, by door and by the class of their status.",
        answers(document),
    );
    page.rows(CLOCKS, "source", &rows("/clock/sources"));
    page.rows(QUOTAS, "quota", &rows("/quotas/shared"));
    page.rows(CALLERS, "caller", &rows("/load/callers"));
    let entries = entries(document);
    page.rows(ENTRIES, "entry", &entries);
    page.metric("entry_held", Kind::Gauge, "1 while something valid is held.", of_entries(&entries, is_held));
    page.metric(
        "entry_failures_in_a_row",
        Kind::Gauge,
        "Failures since the source last answered.",
        of_entries(&entries, failures),
    );
    page.metric(
        "entry_upstream_failures_total",
        Kind::Counter,
        "Upstream requests that failed, by whose fault it was.",
        entries.iter().flat_map(|row| failures_by_kind(row)),
    );
    page.rows(FILES, "file", &rows("/files"));
    page.metric(
        "file_written",
        Kind::Gauge,
        "1 while a file holds what is held.",
        rows("/files").into_iter().map(is_written),
    );
    page.rows(EGRESS, "egress", &rows("/egress"));
    page.finish()
}

/// The answers of every door and class, also where there was none yet: what begins with one is no increase to Prometheus.
fn answers(document: &Value) -> impl Iterator<Item = Sample<'_>> {
    document.pointer("/load/answers").into_iter().flat_map(|answers| {
        let classes = At::ALL.into_iter().flat_map(|at| CLASSES.map(|class| (at.as_str(), class)));
        classes.map(move |(door, class)| {
            let count = answers[door][class].as_u64().unwrap_or_default();
            (vec![("door", door), ("class", class)], json!(count))
        })
    })
}

/// The rows of all entries. The broker's own identity may be one of the credentials.
fn entries(document: &Value) -> Vec<&Value> {
    let kinds = ["tokens", "credentials", "issuers", "own_identity"];
    let all = outline::sections(document).into_iter().filter(|section| kinds.contains(&section.key));
    all.flat_map(|section| section.rows.into_iter().map(|row| row.0)).collect()
}

/// What tells a row from the others.
fn labels<'a>(label: &'static str, row: &'a Value) -> Vec<(&'static str, &'a str)> {
    let caller = row["caller"].as_str().map(|caller| ("caller", caller));
    [Some((label, row["name"].as_str().unwrap_or_default())), caller].into_iter().flatten().collect()
}

fn of_entries<'a>(
    entries: &'a [&'a Value],
    value: impl Fn(&Value) -> Value + 'a,
) -> impl Iterator<Item = Sample<'a>> + 'a {
    let whole = entries.iter().filter(|row| row.get("scope").is_none());
    whole.map(move |row| (labels("entry", row), value(row)))
}

fn is_held(row: &Value) -> Value {
    let held = row["expires_in"].is_u64() || row["subjects"].as_u64().is_some_and(|subjects| subjects > 0);
    json!(held)
}

fn failures(row: &Value) -> Value {
    json!(row["last_error"]["failures_in_a_row"].as_u64().unwrap_or_default())
}

fn failures_by_kind(row: &Value) -> impl Iterator<Item = Sample<'_>> {
    FailureKind::ALL.into_iter().map(move |kind| {
        let count = row["failures_by_kind"][kind.as_str()].as_u64().unwrap_or_default();
        let labels = labels("entry", row).into_iter().chain([("kind", kind.as_str())]).collect();
        (labels, json!(count))
    })
}

fn is_written(row: &Value) -> Sample<'_> {
    (labels("file", row), json!(row["state"] == "written"))
}

#[cfg(test)]
mod tests;
