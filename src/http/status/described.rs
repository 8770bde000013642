//! The status, described: what a member of it is, for `/openapi.json`.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{METHODS, clock, quotas};
use crate::http::answered::{At, CLASSES};
use crate::http::describe::{JSON, Operation, Path, of};

/// The path, described.
pub fn described() -> Path {
    let (text, count) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let instant = json!({ "type": "string", "format": "date-time" });
    let rows = json!({ "type": "array", "items": of("Entry") });
    let status = json!({
        "type": "object",
        "required": [
            "version", "at", "state", "ready", "uptime_seconds", "requests", "tasks", "configuration",
            "clock", "connections", "load", "listeners", "tokens", "credentials", "own_identity", "issuers", "egress", "files",
            "audit", "log",
        ],
        "properties": {
            "version": text,
            "at": instant,
            "state": { "enum": ["serving", "draining"] },
            "ready": { "type": "boolean", "description": "Is every `keep = \"always\"` entry usable, and every file in its place?" },
            "uptime_seconds": count,
            "requests": count,
            "clock": of("Clock"),
            "tasks": counted("Tasks that are alive in the process."),
            "configuration": of("Configuration"),
            "connections": of("Connections"),
            "load": of("Load"),
            "listeners": { "type": "array", "items": text },
            "tokens": rows,
            "credentials": rows,
            "own_identity": rows,
            "issuers": rows,
            "cognito_fees": of("CognitoFees"),
            "quotas": of("Quotas"),
            "egress": { "type": "array", "items": of("Egress") },
            "files": { "type": "array", "items": of("File") },
            "audit": {
                "type": "object",
                "required": ["to", "lines_lost"],
                "properties": {
                    "to": { "type": "string", "description": "Where the audit log goes." },
                    "lines_lost": { "type": "integer", "minimum": 0, "description": "What of it could not be written, or not fast enough." },
                },
            },
            "log": {
                "type": "object",
                "required": ["lines_lost"],
                "properties": { "lines_lost": counted("Lines of the diagnostic log that could not be written, or not fast enough.") },
            },
        },
    });
    let read = Operation::guarded("Operations", "readStatus", "Every token, credentials, issuer and listener")
        .explained("Never a secret, never a token. Every caller sees every entry.")
        .answering(StatusCode::OK, "The status.", [(JSON, of("Status"))], &[]);
    let rows = clock::described().into_iter().chain(quotas::described());
    let path = rows.fold(Path::at("/v1/status"), |path, (name, schema)| path.defining(name, schema));
    path.defining("Status", status)
        .defining("Entry", entry())
        .defining("Configuration", configuration())
        .defining("Connections", connections())
        .defining("Load", load())
        .defining("Answers", answers())
        .defining("CallerLoad", caller())
        .defining("Egress", egress())
        .defining("File", file())
        .defining("CognitoFees", cognito_fees())
        .offering(METHODS, &read)
}

/// The schema of a number of things, or of seconds.
fn counted(what: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": what })
}

/// The schema of what is said of the configuration.
fn configuration() -> Value {
    let (text, count) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let instant = json!({ "type": "string", "format": "date-time" });
    json!({
        "type": "object",
        "description": "The configuration in effect, and what came of reloads.",
        "required": ["name", "file", "state", "generation", "loaded_at", "reloads_applied", "reloads_refused"],
        "properties": {
            "name": { "const": "configuration" },
            "file": text,
            "state": { "enum": ["in effect", "reload refused"] },
            "generation": counted("1 since the start, one more with each reload that was applied."),
            "loaded_at": instant,
            "reloads_applied": count,
            "reloads_refused": count,
            "last_reload": {
                "type": "object",
                "required": ["at", "outcome", "problems", "first_problems"],
                "properties": {
                    "at": instant,
                    "outcome": { "enum": ["applied", "refused"] },
                    "problems": counted("Why it was refused: how many problems; the log has all."),
                    "first_problems": { "type": "array", "items": text },
                },
            },
            "last_error": {
                "type": "object",
                "required": ["message", "failures_in_a_row", "since"],
                "properties": { "message": text, "failures_in_a_row": count, "since": instant },
            },
        },
    })
}

/// The schema of what is said of connections.
fn connections() -> Value {
    json!({
        "type": "object",
        "description": "Connections of callers, apart from those to forward addresses.",
        "required": ["open", "most", "moved", "turned_away"],
        "properties": {
            "open": counted("Connections now."),
            "most": counted("Connections at most."),
            "moved": counted("Closed so far because they asked nothing and others needed the place."),
            "turned_away": counted("Refused so far because their user held its share and most of it was being answered."),
        },
    })
}

/// The schema of what is said of the requests that are being answered.
fn load() -> Value {
    json!({
        "type": "object",
        "required": ["in_flight", "most", "shed", "answers", "callers"],
        "properties": {
            "in_flight": counted("Requests being answered, this one among them."),
            "most": counted("At most so many at once."),
            "shed": counted("Answered with 503 so far because there were more."),
            "answers": {
                "type": "object",
                "description": "Answers so far by door, and there by the class of their status, where there were any.",
                "properties": by_name(At::ALL.map(At::as_str), &of("Answers")),
            },
            "callers": { "type": "array", "items": of("CallerLoad") },
        },
    })
}

/// The schema of the answers at one door.
fn answers() -> Value {
    json!({ "type": "object", "properties": by_name(CLASSES, &json!({ "type": "integer", "minimum": 1 })) })
}

/// Members of these `names`, all with one `schema`.
fn by_name<const N: usize>(names: [&str; N], schema: &Value) -> Map<String, Value> {
    names.into_iter().map(|name| (name.to_owned(), schema.clone())).collect()
}

/// The schema of a caller's row.
fn caller() -> Value {
    json!({
        "type": "object",
        "required": ["name", "requests", "in_flight", "limited"],
        "properties": {
            "name": { "type": "string" },
            "requests": counted("Requests of it so far."),
            "in_flight": counted("Requests of it being answered."),
            "limited": counted("Answered with 429 so far: too many at once, or more often than it may."),
            "requests_per_second": counted("How often it may ask, where that is limited."),
        },
    })
}

/// The schema of a forward address' row.
fn egress() -> Value {
    let (text, count) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let instant = json!({ "type": "string", "format": "date-time" });
    json!({
        "type": "object",
        "required": [
            "name", "listen", "state", "source", "upstream", "adds", "caller", "requests", "in_flight", "refused", "failures",
        ],
        "properties": {
            "name": text,
            "listen": { "type": "array", "items": text },
            "state": { "enum": ["open", "failing"], "description": "Did the last request fail that was fit to be forwarded?" },
            "source": { "type": "string", "description": "Where requests go and what is added to them, in words." },
            "upstream": text,
            "adds": { "type": "string", "description": "What is added to each request, in words." },
            "caller": { "type": "string", "description": "Whose processes it serves." },
            "requests": count,
            "in_flight": count,
            "refused": counted("Requests that were not fit to be forwarded."),
            "failures": counted("Requests that were, and had no answer or half of one."),
            "last_error": {
                "type": "object",
                "required": ["message", "at"],
                "properties": { "message": text, "at": instant },
            },
        },
    })
}

/// The schema of a row.
fn entry() -> Value {
    let (text, count) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let instant = json!({ "type": "string", "format": "date-time" });
    let kinds = json!({
        "type": "object",
        "description": "Those failures by their kinds, where there were any.",
        "properties": { "denied": count, "misconfigured": count, "throttled": count, "unavailable": count, "malformed": count },
    });
    let error = json!({
        "type": "object",
        "required": ["kind", "message", "failures_in_a_row", "since", "retry_in"],
        "properties": {
            "kind": { "enum": ["denied", "misconfigured", "throttled", "unavailable", "malformed"] },
            "message": text,
            "failures_in_a_row": count,
            "since": instant,
            "retry_in": counted("Seconds until the source is asked again."),
        },
    });
    json!({
        "type": "object",
        "description": "An entry, or one variation of it by caller or scope; of subject tokens, all together.",
        "required": [
            "name", "source", "keep", "state", "fetching", "hits", "stale", "misses", "waited",
            "upstream_requests", "upstream_failures", "failures_by_kind", "upstream_avoided",
        ],
        "properties": {
            "name": text,
            "source": text,
            "keep": { "enum": ["used", "always"] },
            "state": { "enum": ["fresh", "refresh-due", "degraded", "failed", "empty", "per subject"] },
            "fetching": { "type": "boolean" },
            "caller": text,
            "scope": text,
            "lifetime": counted("Seconds from its issue to its expiry."),
            "age": counted("Seconds since its issue, which is when the source last gave one."),
            "refresh_due_after": counted("Seconds from its issue to refresh-due."),
            "refresh_due_at": instant,
            "refresh_due_in": count,
            "expires_at": instant,
            "expires_in": count,
            "outage_cover": counted("For how long the source may be down without anybody noticing."),
            "outage_cover_wanted": count,
            "last_error": error,
            "secret": { "type": "string", "description": "Which of two secrets is live, and where it is." },
            "chain": { "type": "array", "items": text, "description": "The entries it is built on, the nearest first." },
            "fees_saved": { "type": "number", "minimum": 0, "description": "In US dollars, an estimate as cognito_fees says." },
            "quota": { "type": "string", "description": "Which of the quotas its requests upstream count against." },
            "waiting_for_quota": counted("How many of them wait for it, those of all variations together."),
            "scopes_missing": text,
            "subjects": count,
            "most_subjects": count,
            "key_ids": { "type": "array", "items": text },
            "fetched_at": instant,
            "hits": count,
            "stale": count,
            "misses": count,
            "waited": counted("Those of the misses that got what was fetched."),
            "upstream_requests": count,
            "upstream_failures": count,
            "failures_by_kind": kinds,
            "upstream_avoided": count,
        },
    })
}

/// The schema of a file's row.
fn file() -> Value {
    let (text, count) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let instant = json!({ "type": "string", "format": "date-time" });
    let error = json!({
        "type": "object",
        "required": ["message", "failures_in_a_row", "since", "retry_in"],
        "properties": { "message": text, "failures_in_a_row": count, "since": instant, "retry_in": count },
    });
    json!({
        "type": "object",
        "required": ["name", "source", "of", "format", "path", "mode", "state"],
        "properties": {
            "name": text,
            "source": text,
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

/// The schema of what was saved in fees.
fn cognito_fees() -> Value {
    let (dollars, count) = (json!({ "type": "number", "minimum": 0 }), json!({ "type": "integer", "minimum": 0 }));
    json!({
        "type": "object",
        "description": "Amazon Cognito's fees for tokens of machine clients since the start, where a price is configured: an estimate.",
        "required": ["estimate", "compared_with", "currency", "per_1000", "bought", "avoided", "paid", "saved"],
        "properties": {
            "estimate": { "const": true },
            "compared_with": { "type": "string" },
            "currency": { "const": "USD" },
            "per_1000": dollars,
            "bought": count,
            "avoided": count,
            "paid": dollars,
            "saved": dollars,
        },
    })
}
