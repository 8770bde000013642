//! What was promised, held against what is seen from outside: when the source is asked and answers, and what callers get.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::super::budget::{MOST_AT_ONCE, Rate};
use super::super::schedule::Keep;
use super::super::{PATIENCE, Served, Unserved};
use super::account::{Account, Node};
use super::flight::Minted;
use crate::clock::{Clock, Moment};
use crate::source::{Ask, FailureKind};

/// Timers are whole milliseconds.
pub const TICK: Duration = Duration::from_millis(3);
/// By when what is due has begun, where nothing is in the way.
const PROMPTLY: Duration = Duration::from_secs(2);

/// Sees all that happens in one world.
#[derive(Debug)]
pub struct Ledger(Mutex<Books>, Clock);

#[derive(Debug)]
struct Books {
    start: Moment,
    values: BTreeMap<(usize, Ask), Account>,
    nodes: BTreeMap<usize, Node>,
    broken: Vec<String>,
    /// What happened, in words; and whether to say it aloud.
    history: Vec<String>,
    aloud: bool,
    resumed: Option<Moment>,
    quota: Option<(Rate, f64, Moment)>,
    /// Until then the quota had nothing to give.
    dry_until: Option<Moment>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    Issued { serial: u64, sent_at: Moment, end: Moment, lasts: bool },
    Failed { kind: FailureKind, pause: Option<Duration> },
}

/// A request on its way.
pub struct Flight<'a> {
    ledger: &'a Ledger,
    key: (usize, Ask),
    outcome: Option<Outcome>,
}

impl Flight<'_> {
    pub fn ends(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        // Given up or panicked.
        let given_up = Outcome::Failed { kind: FailureKind::Unavailable, pause: None };
        self.ledger.ended(&self.key, self.outcome.take().unwrap_or(given_up));
    }
}

impl Ledger {
    pub fn new(clock: Clock, quota: Option<Rate>, aloud: bool) -> Self {
        let quota = quota.map(|rate| (rate, rate.at_once, clock.now()));
        let books = Books {
            start: clock.now(),
            values: BTreeMap::new(),
            nodes: BTreeMap::new(),
            broken: Vec::new(),
            history: Vec::new(),
            aloud,
            resumed: None,
            quota,
            dry_until: None,
        };
        Self(Mutex::new(books), clock)
    }

    /// `node` exists from now on.
    pub fn opens(&self, node: usize, keep: Keep, ahead: f64) {
        self.books().nodes.insert(node, Node { keep, ahead, flying: 0, failed_in_a_row: 0, is_gone: false });
        if keep == Keep::Always {
            let wanted = Account { wanted: Some(self.1.now()), ..Account::default() };
            self.books().values.insert((node, Ask::default()), wanted);
        }
    }

    /// Nothing is kept for `node` any more.
    pub fn closes(&self, node: usize) {
        let mut books = self.books();
        books.say(self.1.now(), || format!("node {node} is gone"));
        if let Some(node) = books.nodes.get_mut(&node) {
            node.is_gone = true;
        }
    }

    /// The machine sleeps until `then`.
    pub fn resumes(&self, then: Moment) {
        let mut books = self.books();
        books.say(then, || "resumed".to_owned());
        books.resumed = Some(then);
    }

    pub fn resumed(&self) -> Option<Moment> {
        self.books().resumed
    }

    /// Somebody asks.
    pub fn asks(&self, node: usize, ask: &Ask) {
        let now = self.1.now();
        self.books().account(node, ask).asked = Some(now);
    }

    /// Somebody asks for one that is newer.
    pub fn hurries(&self, node: usize, ask: &Ask) {
        self.books().account(node, ask).hurried = true;
    }

    pub fn breaks(&self, what: String) {
        let now = self.1.now();
        self.books().breaks(now, what);
    }

    /// The source of `node` is asked.
    pub fn begins(&self, node: usize, ask: &Ask, now: Moment) -> Flight<'_> {
        let mut books = self.books();
        books.say(now, || format!("node {node} asks for {ask}"));
        books.take_quota(now);
        books.judge_start(node, ask, now);
        let account = books.account(node, ask);
        (account.flying, account.started, account.hurried) = (true, Some(now), false);
        let most = books.nodes.get_mut(&node).map_or(0, |node| {
            node.flying += 1;
            node.flying
        });
        if most > MOST_AT_ONCE {
            books.breaks(now, format!("node {node} has {most} requests at once"));
        }
        Flight { ledger: self, key: (node, ask.clone()), outcome: None }
    }

    fn ended(&self, key: &(usize, Ask), outcome: Outcome) {
        let (now, mut books) = (self.1.now(), self.books());
        books.say(now, || format!("node {} has {outcome:?} for {}", key.0, key.1));
        let Some(node) = books.nodes.get_mut(&key.0) else { return };
        node.flying -= 1;
        let account = books.account(key.0, &key.1);
        account.flying = false;
        let taken = account.settle(outcome, now);
        if let Some(node) = books.nodes.get_mut(&key.0) {
            node.failed_in_a_row = if taken { 0 } else { node.failed_in_a_row + 1 };
        }
    }

    /// Somebody asked at `before` and has his answer now.
    pub fn answered(&self, node: usize, ask: &Ask, before: Moment, outcome: &Result<Served<Minted>, Unserved>) {
        let (now, mut books) = (self.1.now(), self.books());
        books.say(now, || {
            format!("of node {node}, {ask} is had: {:?}", outcome.as_ref().map(|served| &served.lease.value))
        });
        let slept = books.resumed.is_some_and(|at| at >= before);
        if now.since(before) > PATIENCE + TICK && !slept {
            books.breaks(now, format!("a caller waited {:?} for {ask} of node {node}", now.since(before)));
        }
        if let Ok(served) = outcome
            && now >= served.lease.value.end
        {
            books.breaks(now, format!("{ask} of node {node} was served after its end"));
        }
        let account = books.account(node, ask);
        let was_told = account.ended.as_ref().is_none_or(|(at, _)| *at <= before || *at >= now);
        if matches!(outcome, Err(Unserved::Pending)) && !was_told && !slept {
            books.breaks(
                now,
                format!("somebody waits for {ask} of node {node}, and was not told that the source answered"),
            );
        }
        let account = books.account(node, ask);
        if !matches!(outcome, Err(Unserved::Failed { .. } | Unserved::Crowded)) {
            account.wanted = account.wanted.or(Some(before));
        }
        let Some(held) = account.held.clone().filter(|held| held.since < before && before < held.end) else { return };
        match outcome {
            Ok(served) if now == before && served.lease.value.serial != held.serial => {
                books.breaks(now, format!("{ask} of node {node}: {} was held and another served", held.serial));
            }
            Ok(_) if now == before || slept => {}
            Err(_) if slept => {}
            _ => books.breaks(now, format!("{ask} of node {node} is valid and was not served at once")),
        }
    }

    /// Looks for what should have happened and has not.
    pub fn audit(&self) {
        let (now, mut books) = (self.1.now(), self.books());
        let late: Vec<_> = books.values.keys().filter(|(node, ask)| books.is_late(*node, ask, now)).cloned().collect();
        for (node, ask) in late {
            books.breaks(now, format!("{ask} of node {node} is wanted and the source is not asked"));
            books.account(node, &ask).wanted = None;
        }
    }

    /// What was broken, and all that happened.
    pub fn closed(&self) -> (Vec<String>, Vec<String>) {
        let mut books = self.books();
        (std::mem::take(&mut books.broken), std::mem::take(&mut books.history))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap()
    }
}

impl Books {
    fn account(&mut self, node: usize, ask: &Ask) -> &mut Account {
        self.values.entry((node, ask.clone())).or_default()
    }

    fn say(&mut self, now: Moment, what: impl FnOnce() -> String) {
        if self.aloud {
            self.history.push(format!("{:.3} {}", now.since(self.start).as_secs_f64(), what()));
        }
    }

    fn breaks(&mut self, now: Moment, mut what: String) {
        self.say(now, || format!("BROKEN: {what}"));
        what.insert_str(0, &format!("{:.3} s: ", now.since(self.start).as_secs_f64()));
        self.broken.push(what);
    }

    fn take_quota(&mut self, now: Moment) {
        let Some((rate, held, at)) = self.quota else { return };
        let more = now.since(at).as_secs_f64() * rate.per_second;
        let left = (held + more).min(rate.at_once) - 1.0;
        self.quota = Some((rate, left, now));
        if left < -1e-6 {
            self.breaks(now, "the quota is exceeded".to_owned());
        }
        if left < 1.0 {
            self.dry_until = Some(now.plus(Duration::from_secs_f64((1.0 - left) / rate.per_second)));
        }
    }

    /// May the source be asked for this now?
    fn judge_start(&mut self, node: usize, ask: &Ask, now: Moment) {
        let is_late = self.is_late(node, ask, now);
        let Some(of) = self.nodes.get(&node) else { return };
        let (ahead, keep) = (of.ahead, kept(of, ask));
        let account = self.account(node, ask);
        let fault = account
            .fault_of_start(now, ahead)
            .or_else(|| account.is_unasked(keep).then_some("renewed though nobody has asked"));
        if is_late {
            self.breaks(now, format!("{ask} of node {node} was wanted, and the source is asked only now"));
        }
        if let Some(fault) = fault {
            self.breaks(now, format!("{ask} of node {node}: {fault}"));
        }
    }

    fn is_late(&self, node: usize, ask: &Ask, now: Moment) -> bool {
        let (Some(of), Some(account)) = (self.nodes.get(&node), self.values.get(&(node, ask.clone()))) else {
            return false;
        };
        // Nothing is kept for a token that has ended.
        let has_ended = ask.subject.as_ref().is_some_and(|subject| subject.expiry <= now);
        if of.is_gone || account.flying || has_ended {
            return false;
        }
        let latest = account.latest_start(of, kept(of, ask), now);
        let way_is_free = [self.dry_until, self.resumed.map(|at| at.plus(Duration::from_secs(10)))];
        latest.is_some_and(|at| now > way_is_free.into_iter().flatten().fold(at, Moment::max).plus(PROMPTLY))
    }
}

/// What is always kept is what is configured, not what somebody has chosen.
fn kept(node: &Node, ask: &Ask) -> Keep {
    if ask.scopes.is_none() && ask.subject.is_none() { node.keep } else { Keep::Used }
}

/// Shared, as it is in a world.
pub type Shared = Arc<Ledger>;
