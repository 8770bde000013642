//! What came of the requests to one daemon, held against what it had and against what its upstream gave out.

use std::collections::{BTreeMap, HashMap};
use std::io::{Error, ErrorKind};
use std::time::Duration;

use credbroker_emulator::Control;
use jiff::Timestamp;

use super::grants::{Event, Grants};
use super::looks::{Look, Looks};
use super::waits::Waits;
use crate::client::Answer;
use crate::jwt::expiry;

/// So much earlier than a value ends by the upstream's clock, which shows whole seconds, it may end here.
const SLACK: f64 = 1.3;
/// The leases are left with the supervisor within this, even on a busy machine.
const STORED: f64 = 3.0;
/// What a SIGKILL hits is noticed within this.
const NOTICED: f64 = 2.0;
/// Nobody waits longer.
const LONGEST: Duration = Duration::from_secs(5);
/// So many of the broken promises are told in full.
const TOLD: usize = 10;

/// What was asked, by whom, and when: seconds since the epoch.
pub struct Asked<'a> {
    pub path: &'a str,
    /// Whose it is, where it is one caller's own.
    pub own: Option<usize>,
    pub moves: bool,
    /// On a connection on which there had been others.
    pub reused: bool,
    pub sent: f64,
    pub received: f64,
    pub took: Duration,
}

/// What a daemon was seen to hold.
struct Held {
    end: f64,
    seen: f64,
}

pub struct Account {
    control: Control,
    held: HashMap<(String, Option<usize>), Held>,
    kills: Vec<f64>,
    stopped: f64,
    pub grants: Grants,
    pub answered: u64,
    /// Of what was asked at each path, how much was answered, and how much was not.
    pub by_path: BTreeMap<String, (u64, u64)>,
    /// Failures while something valid was held: there must be none.
    pub failed: u64,
    /// Failures while nothing was held, by kind.
    pub cold: BTreeMap<String, u64>,
    /// What was asked of the entry that moves: answered, not there, failed.
    pub moving: (u64, u64, u64),
    /// Requests that a SIGKILL hit.
    pub hit: u64,
    /// Connections that were refused or lost besides: there must be none.
    pub lost: u64,
    /// Answers that had ended: there must be none.
    pub expired: u64,
    pub checked: u64,
    pub waits: Waits,
    pub looks: Looks,
    pub broken: u64,
    pub told: Vec<String>,
}

impl Account {
    pub fn new(control: Control) -> Self {
        Self {
            control,
            held: HashMap::new(),
            kills: Vec::new(),
            stopped: f64::NEG_INFINITY,
            grants: Grants::default(),
            answered: 0,
            by_path: BTreeMap::new(),
            failed: 0,
            cold: BTreeMap::new(),
            moving: (0, 0, 0),
            hit: 0,
            lost: 0,
            expired: 0,
            checked: 0,
            waits: Waits::default(),
            looks: Looks::default(),
            broken: 0,
            told: Vec::new(),
        }
    }

    /// Something happens that may lose what an upstream has given out.
    pub fn happens(&mut self, event: Event, at: f64) {
        match event {
            Event::Kill => self.kills.push(at),
            Event::Stop => self.stopped = at,
            Event::Shut => {}
        }
        self.grants.happens(at);
    }

    /// Once a second.
    pub fn looks(&mut self, look: Look) {
        self.looks.note(look);
        self.read_journal();
    }

    /// Reads what the upstream was asked since this was last done.
    fn read_journal(&mut self) {
        for early in self.grants.read(self.control.take_journal()) {
            self.breaks(early);
        }
    }

    pub fn note(&mut self, asked: &Asked<'_>, outcome: &Result<Answer, Error>) {
        if asked.took > LONGEST {
            self.breaks(format!("{} took {:?}", asked.path, asked.took));
        }
        match outcome {
            Ok(answer) => {
                self.waits.note(asked.took);
                if answer.status == 200 { self.served(asked, answer) } else { self.refused(asked, answer) }
            }
            Err(cause) => self.lost(asked, cause),
        }
    }

    fn served(&mut self, asked: &Asked<'_>, answer: &Answer) {
        let Some((told, end)) = self.ends(answer) else {
            return self.breaks(format!("{}: the upstream never gave out what was served", asked.path));
        };
        self.checked += 1;
        if end <= asked.sent {
            self.expired += 1;
            self.breaks(format!("{} was served {:.3} s after its end", asked.path, asked.sent - end));
        }
        if told > end + 1.0 {
            self.breaks(format!("{} ends {:.3} s earlier than was told", asked.path, told - end));
        }
        if asked.moves {
            self.moving.0 += 1;
            return;
        }
        self.answered += 1;
        self.by_path.entry(asked.path.to_owned()).or_default().0 += 1;
        let key = (asked.path.to_owned(), asked.own);
        let held = self.held.entry(key).or_insert(Held { end, seen: asked.sent });
        // Answers may be noted in another order than they were made.
        if end > held.end {
            *held = Held { end, seen: asked.sent };
        }
    }

    fn refused(&mut self, asked: &Asked<'_>, answer: &Answer) {
        if asked.moves {
            let is_absent = matches!(answer.status, 403 | 404);
            *(if is_absent { &mut self.moving.1 } else { &mut self.moving.2 }) += 1;
            return;
        }
        self.by_path.entry(asked.path.to_owned()).or_default().1 += 1;
        let body = answer.json();
        let code = body["error"].as_str().or(body["code"].as_str()).unwrap_or("no code");
        let kind = format!("{} {code}", answer.status);
        if self.is_held(asked) {
            self.failed += 1;
            self.breaks(format!("{} failed while something valid was held: {kind}: {}", asked.path, answer.text));
        } else {
            *self.cold.entry(kind).or_default() += 1;
        }
    }

    fn lost(&mut self, asked: &Asked<'_>, cause: &Error) {
        let hits = |killed: &f64| asked.received >= *killed && asked.sent <= killed + NOTICED;
        if self.kills.iter().any(hits) && cause.kind() != ErrorKind::ConnectionRefused {
            self.hit += 1;
        } else {
            self.lost += 1;
            let since = |event: f64| asked.received - event;
            self.breaks(format!(
                "{}: no answer after {:?}, on a connection {}, {:.3} s after the last SIGTERM and {:.3} s after the last SIGKILL: {cause:?}",
                asked.path,
                asked.took,
                if asked.reused { "used before" } else { "of its own" },
                since(self.stopped),
                since(self.kills.last().copied().unwrap_or(f64::NEG_INFINITY)),
            ));
        }
    }

    fn is_held(&self, asked: &Asked<'_>) -> bool {
        let Some(held) = self.held.get(&(asked.path.to_owned(), asked.own)) else { return false };
        let loses = |killed: &f64| held.seen > killed - STORED && held.seen < killed + NOTICED;
        let may_be_lost = self.kills.iter().any(loses);
        held.end > asked.received + SLACK && held.seen < asked.sent && !may_be_lost
    }

    /// When what was served ends, as told and in truth.
    fn ends(&mut self, answer: &Answer) -> Option<(f64, f64)> {
        let body = answer.json();
        if let Some(token) = body["access_token"].as_str() {
            // It says itself when it ends, and callers read it there.
            let end = f64::from(expiry(token));
            return Some((end, end));
        }
        let key = body["AccessKeyId"].as_str()?;
        if self.grants.end_of(key).is_none() {
            self.read_journal();
        }
        let told: Timestamp = body["Expiration"].as_str()?.parse().ok()?;
        Some((told.as_duration().as_secs_f64(), self.grants.end_of(key)?))
    }

    pub fn breaks(&mut self, what: String) {
        self.broken += 1;
        if self.told.len() < TOLD {
            eprintln!("broken: {what}");
            self.told.push(what);
        }
    }
}
