//! Prometheus' text format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::UNIX_EPOCH;

use serde_json::Value;

use super::{Metric, labels};
use crate::clock::read_rfc3339;

/// How a number moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Up and down.
    Gauge,
    /// Up only, from the start of the process.
    Counter,
}

/// The labels and the value: a number, whether something is so, or an instant.
pub(super) type Sample<'a> = (Vec<(&'static str, &'a str)>, Value);

/// What is written.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    /// The metrics of a table, for each row that has them. The name of a row stands under `label`. What is counted of narrowings is
    /// added up with the rest; how long they live is not of interest.
    pub(super) fn rows(&mut self, table: &[Metric], label: &'static str, rows: &[&Value]) {
        for (name, kind, help, member) in table {
            let rows = rows.iter().copied().filter(|row| *kind == Kind::Counter || row.get("scope").is_none());
            self.metric(name, *kind, help, rows.filter_map(|row| Some((labels(label, row), row.get(member)?.clone()))));
        }
    }

    /// One metric. Samples with the same labels are added up.
    pub(super) fn metric<'a>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = Sample<'a>>,
    ) {
        let mut sums: BTreeMap<Vec<(&str, &str)>, i64> = BTreeMap::new();
        for (labels, value) in samples {
            let Some(number) = number(&value) else { continue };
            let sum = sums.entry(labels).or_default();
            *sum = sum.saturating_add(number);
        }
        if sums.is_empty() {
            return;
        }
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        // A String takes everything.
        let _ = writeln!(self.0, "# HELP credbroker_{name} {help}\n# TYPE credbroker_{name} {kind}");
        for (labels, sum) in sums {
            let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(self.0, "credbroker_{name}{labels} {sum}");
        }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// All that the status counts is whole. An instant is in seconds since 1970.
fn number(value: &Value) -> Option<i64> {
    let whole = || value.as_i64().or_else(|| value.as_u64().map(|_| i64::MAX));
    value.as_bool().map(i64::from).or_else(whole).or_else(|| unix_time(value.as_str()?))
}

fn unix_time(instant: &str) -> Option<i64> {
    let since = read_rfc3339(instant)?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}
