//! What was promised, held against what is seen from outside: when the source is asked and answers, and what callers get.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::super::budget::{MOST_AT_ONCE, Rate};
use super::super::schedule::Keep;
use super::super::{PATIENCE, Served, Unserved};
use super::flight::Minted;
use crate::clock::{Clock, Moment};
use crate::source::{Ask, FailureKind};

/// Timers are whole milliseconds.
const TICK: Duration = Duration::from_millis(3);
/// By when what is due has begun, where nothing is in the way.
const PROMPTLY: Duration = Duration::from_secs(2);
const SLEW: f64 = 0.01;
const LAST_ATTEMPTS: [u64; 3] = [60, 20, 5];

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

#[derive(Debug)]
struct Node {
    keep: Keep,
    ahead: f64,
    flying: usize,
    failed_in_a_row: usize,
    is_gone: bool,
}

/// What is known of one value.
#[derive(Debug, Default)]
struct Account {
    flying: bool,
    started: Option<Moment>,
    ended: Option<(Moment, Verdict)>,
    held: Option<Held>,
    /// Somebody wants it, since then.
    wanted: Option<Moment>,
    hurried: bool,
}

#[derive(Clone, Debug)]
struct Held {
    serial: u64,
    since: Moment,
    sent_at: Moment,
    end: Moment,
    lasts: bool,
}

/// How a request ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    Issued { serial: u64, sent_at: Moment, end: Moment, lasts: bool },
    Failed { kind: FailureKind, pause: Option<Duration> },
}

#[derive(Clone, Debug)]
enum Verdict {
    Taken,
    /// Not before the first, and not after the second unless something is in the way.
    Failed {
        soonest: Moment,
        latest: Moment,
    },
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

    fn breaks(&mut self, now: Moment, what: String) {
        self.say(now, || format!("BROKEN: {what}"));
        self.broken.push(format!("{:.3} s: {what}", now.since(self.start).as_secs_f64()));
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
        let ahead = self.nodes.get(&node).map_or(0.75, |node| node.ahead);
        let account = self.account(node, ask);
        let fault = account.fault_of_start(now, ahead);
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
        let keep = if ask.scopes.is_none() && ask.subject.is_none() { of.keep } else { Keep::Used };
        let latest = account.latest_start(of, keep, now);
        let way_is_free = [self.dry_until, self.resumed.map(|at| at.plus(Duration::from_secs(10)))];
        latest.is_some_and(|at| now > way_is_free.into_iter().flatten().fold(at, Moment::max).plus(PROMPTLY))
    }
}

impl Account {
    fn valid(&self, now: Moment) -> Option<&Held> {
        self.held.as_ref().filter(|held| now < held.end)
    }

    fn settle(&mut self, outcome: Outcome, now: Moment) -> bool {
        match outcome {
            Outcome::Issued { serial, sent_at, end, lasts } if self.is_better(end, now) => {
                self.held = Some(Held { serial, since: now, sent_at, end, lasts });
                self.ended = Some((now, Verdict::Taken));
                self.wanted = None;
                true
            }
            Outcome::Issued { .. } => {
                self.fails(FailureKind::Malformed, None, true, now);
                false
            }
            Outcome::Failed { kind, pause } => {
                self.fails(kind, pause, false, now);
                false
            }
        }
    }

    fn is_better(&self, end: Moment, now: Moment) -> bool {
        let outlives = |held: &Held| end.plus(held.end.since(held.sent_at).mul_f64(SLEW)) >= held.end;
        end > now && self.valid(now).is_none_or(outlives)
    }

    fn fails(&mut self, kind: FailureKind, pause: Option<Duration>, useless: bool, now: Moment) {
        let seconds = |count| Duration::from_secs_f64(count);
        let left = self.valid(now).map(|held| held.end.since(now));
        let (least, most) = match (kind.is_terminal(), left) {
            (true, None) => (seconds(2.5), seconds(7.5)),
            (true, Some(_)) => (seconds(30.0), seconds(90.0)),
            (false, None) => (seconds(1.0), seconds(5.0)),
            (false, Some(_)) => (seconds(1.0), seconds(60.0)),
        };
        let longest = left.map_or(seconds(300.0), |left| (left / 2).min(seconds(300.0)));
        let pause = pause.unwrap_or_default();
        let within = |wait: Duration| wait.max(pause).min(longest).max(seconds(1.0));
        let latest = if useless && left.is_some() {
            left.map_or(longest, |left| left / 2).max(seconds(1.0))
        } else {
            within(most)
        };
        self.ended = Some((now, Verdict::Failed { soonest: now.plus(within(least)), latest: now.plus(latest) }));
        if left.is_none() {
            self.wanted = None;
        }
    }

    fn fault_of_start(&self, now: Moment, ahead: f64) -> Option<&'static str> {
        if self.flying {
            return Some("a second request while one is on its way");
        }
        let started = self.started?;
        if now.since(started) + TICK < Duration::from_secs(1) {
            return Some("asked twice within a second");
        }
        match &self.ended {
            Some((_, Verdict::Failed { soonest, .. })) if now.plus(TICK) < *soonest && !self.is_last_attempt(now) => {
                Some("asked again sooner than its backoff")
            }
            Some((_, Verdict::Taken)) if !self.hurried && self.is_fresh(now, ahead) => Some("renewed before it is due"),
            _ => None,
        }
    }

    fn is_fresh(&self, now: Moment, ahead: f64) -> bool {
        self.valid(now).is_some_and(|held| {
            let share = if held.lasts { (ahead - 0.05).max(0.05) } else { 1.0 };
            let life = held.end.since(held.sent_at);
            now.plus(TICK) < held.sent_at.plus(life.mul_f64(share))
        })
    }

    /// Has one of the moments come at which nothing holds it back?
    fn is_last_attempt(&self, now: Moment) -> bool {
        let (Some(held), Some(started)) = (self.valid(now), self.started) else { return false };
        LAST_ATTEMPTS.iter().map(|left| held.end.minus(Duration::from_secs(*left))).any(|at| started < at && at <= now)
    }

    /// By when the source has been asked, if nothing is in the way.
    fn latest_start(&self, node: &Node, keep: Keep, now: Moment) -> Option<Moment> {
        let wanted = match keep {
            Keep::Always => self.wanted.or(self.started)?,
            // Who asked in the very moment in which it was renewed may have been before or after.
            Keep::Used => self
                .wanted
                .filter(|at| self.ended.as_ref().is_none_or(|(ended, _)| at > ended || self.was_held(*at)))?,
        };
        let natural = match (&self.ended, self.held.as_ref()) {
            (None, _) => wanted,
            (Some((_, Verdict::Taken)), Some(held)) => held.due_at_the_latest(node.ahead),
            (Some((_, Verdict::Taken)), None) => wanted,
            (Some((_, Verdict::Failed { latest, .. })), held) => {
                let urgent = held.map(|held| held.end.minus(Duration::from_secs(60)));
                // Retries have a budget of their own until the last minute.
                let waits = node.failed_in_a_row > 8;
                let at = urgent.filter(|_| waits).map_or(*latest, |urgent| urgent.max(*latest));
                let at = self.last_attempt_after_start(now).map_or(at, |last| at.min(last));
                // What was asked for early and failed is not due because of that.
                self.valid(now).map_or(at, |held| at.max(held.due_at_the_latest(node.ahead)))
            }
        };
        let ended = self.ended.as_ref().map_or(wanted, |(at, _)| *at);
        Some(natural.max(wanted).max(ended))
    }

    fn was_held(&self, at: Moment) -> bool {
        self.held.as_ref().is_some_and(|held| held.since < at && at < held.end)
    }

    fn last_attempt_after_start(&self, now: Moment) -> Option<Moment> {
        let (held, started) = (self.valid(now)?, self.started?);
        let attempts = LAST_ATTEMPTS.iter().map(|left| held.end.minus(Duration::from_secs(*left)));
        attempts.filter(|at| *at > started && *at >= held.due_at_the_latest(0.95) && held.lasts).min()
    }
}

impl Held {
    fn due_at_the_latest(&self, ahead: f64) -> Moment {
        if !self.lasts {
            return self.end;
        }
        let life = self.end.since(self.sent_at);
        self.sent_at.plus(life.mul_f64((ahead + 0.05).min(0.95)))
    }
}

/// Shared, as it is in a world.
pub type Shared = Arc<Ledger>;
