//! What one forward address has done so far: its row in the status.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::Config;
use crate::clock::{Clock, Moment, rfc3339};
use crate::http::status::Row;

/// The same failure is told in the log again after this.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// The counts of one forward address.
#[derive(Debug)]
pub struct Tally {
    config: Config,
    listen: Vec<String>,
    clock: Clock,
    requests: AtomicU64,
    in_flight: AtomicU64,
    failures: AtomicU64,
    /// Requests that were not fit to be forwarded.
    pub refused: AtomicU64,
    last: Mutex<Option<Last>>,
}

/// The last failure.
#[derive(Debug)]
struct Last {
    at: Moment,
    /// When it stood in the log.
    told: Option<Moment>,
    message: String,
}

/// One request on its way, until the last copy of this is dropped.
#[derive(Clone, Debug)]
pub struct Forwarding(Arc<Flight>);

#[derive(Debug)]
struct Flight(Arc<Tally>);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Forwarding {
    /// The answer did not come to its end.
    pub fn broke(&self, why: &str) {
        let tally = &self.0.0;
        let message = format!("{}: {why}", tally.config.upstream);
        if tally.failed(&message) {
            tracing::warn!(egress = tally.config.name, reason = message, "an answer was cut off");
        }
    }
}

impl Tally {
    /// Nothing yet, of the address that `config` describes and whose sockets are `listen`.
    pub fn new(config: Config, listen: Vec<String>, clock: Clock) -> Self {
        let (requests, in_flight, failures, refused) = Default::default();
        Self { config, listen, clock, requests, in_flight, failures, refused, last: Mutex::default() }
    }

    /// One more request.
    pub fn forwarding(tally: &Arc<Self>) -> Forwarding {
        tally.requests.fetch_add(1, Ordering::Relaxed);
        tally.in_flight.fetch_add(1, Ordering::Relaxed);
        Forwarding(Arc::new(Flight(Arc::clone(tally))))
    }

    /// A request was answered: what failed before is over.
    pub fn answered(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// One more failure. Is it worth a line in the log: another one than the last, or the same after some time?
    pub fn failed(&self, why: &str) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.get_or_insert_with(|| Last { at: now, told: None, message: String::new() });
        let is_same = last.message == why && last.told.is_some_and(|told| now.since(told) < TELL_AGAIN);
        let told = if is_same { last.told } else { Some(now) };
        *last = Last { at: now, told, message: why.to_owned() };
        !is_same
    }
}

impl Row for Tally {
    fn row(&self) -> Value {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut row = json!({
            "name": format!("egress.{}", self.config.name),
            "listen": self.listen,
            "state": "open",
            "source": format!("{} with {}", self.config.upstream, self.config.added),
            "upstream": self.config.upstream.as_str(),
            "adds": self.config.added.to_string(),
            "caller": format!("callers.{}", self.config.caller),
            "requests": count(&self.requests),
            "in_flight": count(&self.in_flight),
            "refused": count(&self.refused),
            "failures": count(&self.failures),
        });
        if let Some(Last { at, message, .. }) = &*self.last.lock().unwrap_or_else(PoisonError::into_inner) {
            row["state"] = json!("failing");
            row["last_error"] = json!({ "message": message, "at": rfc3339(self.clock.wall_at(*at)) });
        }
        row
    }
}
