//! The row of the upstreams' quotas: is one of them waited for?

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::http::describe::of;
use crate::refresh::Report;
use crate::refresh::budget::Demand;

/// The row, where something in `reports` counts against a quota.
pub fn row<'a>(reports: impl IntoIterator<Item = &'a Report>) -> Option<Value> {
    let demands = reports.into_iter().filter_map(|report| report.demand.as_ref());
    let by_name: BTreeMap<&str, &Demand> = demands.map(|demand| (&*demand.quota, demand)).collect();
    let is_waited_for = by_name.values().any(|demand| demand.waiting > 0);
    (!by_name.is_empty()).then(|| {
        json!({
            "name": "quotas of upstreams",
            "state": if is_waited_for { "waited for" } else { "free" },
            "shared": by_name.values().map(|demand| shared(demand)).collect::<Vec<_>>(),
        })
    })
}

fn shared(demand: &Demand) -> Value {
    json!({ "name": &*demand.quota, "waiting": demand.waiting, "waited": demand.waited })
}

/// Its schemas, with their names.
pub fn described() -> [(&'static str, Value); 2] {
    let count = |what: &str| json!({ "type": "integer", "minimum": 0, "description": what });
    let shared = json!({
        "type": "object",
        "required": ["name", "waiting", "waited"],
        "properties": {
            "name": { "type": "string", "description": "Which limit of an upstream it is." },
            "waiting": count("Requests upstream that wait for it."),
            "waited": count("Those so far that had to wait and have been made."),
        },
    });
    let quotas = json!({
        "type": "object",
        "description": "Limits of upstreams that entries share, as far as this daemon takes them up; only where there are any.",
        "required": ["name", "state", "shared"],
        "properties": {
            "name": { "type": "string" },
            "state": { "enum": ["free", "waited for"] },
            "shared": { "type": "array", "items": of("Quota") },
        },
    });
    [("Quotas", quotas), ("Quota", shared)]
}
