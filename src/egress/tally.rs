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
/// So many different ones are told in that time.
const MOST_TOLD: usize = 8;

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
    failing: Mutex<Failing>,
}

#[derive(Debug, Default)]
struct Failing {
    /// The last failure, until something is answered.
    last: Option<(Moment, String)>,
    /// What stood in the log of late, and when. It outlives an answer: where every other request fails, not each is a line.
    told: Vec<(Moment, String)>,
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
        Self { config, listen, clock, requests, in_flight, failures, refused, failing: Mutex::default() }
    }

    /// One more request.
    pub fn forwarding(tally: &Arc<Self>) -> Forwarding {
        tally.requests.fetch_add(1, Ordering::Relaxed);
        tally.in_flight.fetch_add(1, Ordering::Relaxed);
        Forwarding(Arc::new(Flight(Arc::clone(tally))))
    }

    /// A request was answered: what failed before is over.
    pub fn answered(&self) {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).last = None;
    }

    /// One more failure. Is it worth a line in the log: one that was not told of late, and not one of very many?
    pub fn failed(&self, why: &str) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.last = Some((now, why.to_owned()));
        failing.told.retain(|(at, _)| now.since(*at) < TELL_AGAIN);
        let is_news = failing.told.len() < MOST_TOLD && failing.told.iter().all(|(_, told)| told != why);
        if is_news {
            failing.told.push((now, why.to_owned()));
        }
        is_news
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
        if let Some((at, message)) = &self.failing.lock().unwrap_or_else(PoisonError::into_inner).last {
            row["state"] = json!("failing");
            row["last_error"] = json!({ "message": message, "at": rfc3339(self.clock.wall_at(*at)) });
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::egress::Added;

    #[tokio::test(start_paused = true)]
    async fn the_log_is_not_filled_however_failures_and_answers_alternate() {
        let config = Config {
            name: "billing".into(),
            upstream: "https://billing.example.com".parse().unwrap(),
            added: Added::Bearer("billing".into()),
            caller: "orders".into(),
            idle: Duration::from_secs(60),
        };
        let tally = Tally::new(config, vec![], Clock::tokio(UNIX_EPOCH));
        let lines = |whys: &[&str]| {
            let failed = |why: &&&str| {
                tally.answered();
                tally.failed(why)
            };
            whys.iter().filter(failed).count()
        };
        assert_eq!(lines(&["refused", "refused", "broke off", "refused", "broke off"]), 2);
        let many: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        assert_eq!(lines(&many.iter().map(|why| &**why).collect::<Vec<_>>()), MOST_TOLD - 2);
        tokio::time::advance(TELL_AGAIN).await;
        assert_eq!(lines(&["refused", "refused"]), 1);
        assert_eq!((&tally.row()["state"], &tally.row()["failures"]), (&json!("failing"), &json!(107)));
        tally.answered();
        assert_eq!(tally.row()["state"], "open");
    }
}
