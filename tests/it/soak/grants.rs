//! What the upstream gave out, and whether there was a reason to ask for it again.

use std::collections::{BTreeMap, HashMap, VecDeque};

use credbroker_emulator::Asked;
use jiff::Timestamp;

use super::entries::{LIVES, SCOPES};

/// The journal counts whole seconds, and an answer takes its time.
const SLACK: f64 = 2.0;
/// What was given out so shortly before a process ended or the way was shut may have been lost.
const LOST: f64 = 4.0;
/// What happened longer ago explains nothing any more, and nobody is served what ended so long ago.
const FORGET: f64 = 600.0;

/// What may lose what was given out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Kill,
    Stop,
    Shut,
}

/// What was given out for one lease.
#[derive(Default)]
pub struct Granted {
    pub times: u64,
    /// Sooner than a renewal is due, because a process had been killed or an answer lost.
    pub again: u64,
    pub seconds: u64,
    last: Option<f64>,
}

#[derive(Default)]
pub struct Grants {
    ends: HashMap<String, f64>,
    events: VecDeque<f64>,
    pub by_lease: BTreeMap<String, Granted>,
    /// What else the upstream answered.
    pub others: BTreeMap<String, u64>,
}

impl Grants {
    pub fn happens(&mut self, at: f64) {
        self.events.push_back(at);
    }

    /// When the credentials with this access key end.
    pub fn end_of(&self, key: &str) -> Option<f64> {
        self.ends.get(key).copied()
    }

    /// Notes what was asked; what was asked too early, for no reason.
    pub fn read(&mut self, journal: Vec<Asked>) -> Vec<String> {
        let mut early = Vec::new();
        for asked in journal {
            let at: Timestamp = asked.at.parse().unwrap();
            let at = at.as_second() as f64;
            self.forget(at - FORGET);
            if let (Some(key), Some(seconds)) =
                (asked.parameters.get("access_key_id"), asked.parameters.get("granted_seconds"))
            {
                self.ends.insert(key.as_str().unwrap().to_owned(), at + seconds.as_f64().unwrap());
            }
            match &*asked.outcome {
                "ok" => early.extend(self.granted(&asked, at)),
                other => *self.others.entry(other.to_owned()).or_default() += 1,
            }
        }
        early
    }

    fn granted(&mut self, asked: &Asked, at: f64) -> Option<String> {
        let life = LIVES.iter().find(|life| life.operation == asked.operation)?;
        let lease = lease(asked);
        let granted = self.by_lease.entry(lease.clone()).or_default();
        (granted.times, granted.seconds) = (granted.times + 1, life.seconds);
        let before = granted.last.replace(at)?;
        let is_due = at - before >= life.seconds as f64 * life.share - SLACK;
        // What a reload took away is asked for when another brings it back.
        if is_due || SCOPES.iter().any(|scope| lease.ends_with(scope)) {
            return None;
        }
        granted.again += 1;
        let explains = |event: &f64| (before - SLACK..=before + LOST).contains(event);
        let is_explained = self.events.iter().any(explains);
        (!is_explained).then(|| format!("{lease} was asked for after {:.0} s, for no reason", at - before))
    }

    fn forget(&mut self, before: f64) {
        while self.events.front().is_some_and(|event| *event < before) {
            self.events.pop_front();
        }
        self.ends.retain(|_, end| *end >= before);
    }
}

/// What was asked for, in words.
fn lease(asked: &Asked) -> String {
    let mut words = vec![asked.operation.clone()];
    let role = asked.parameters.get("role_arn").and_then(|arn| arn.as_str()?.rsplit('/').next());
    words.extend(role.map(ToOwned::to_owned));
    if role == Some("orders") {
        words.extend(asked.parameters.get("session_name").and_then(|name| name.as_str()).map(ToOwned::to_owned));
    }
    let scopes = asked.parameters.get("scopes").and_then(|scopes| scopes.as_array());
    words.extend(scopes.into_iter().flatten().filter_map(|scope| scope.as_str()).map(ToOwned::to_owned));
    words.join(" ")
}
