//! What the ledger knows of one value, and what is allowed and owed because of it.

use std::time::Duration;

use super::super::schedule::Keep;
use super::ledger::{Outcome, TICK};
use crate::clock::Moment;
use crate::source::FailureKind;

const SLEW: f64 = 0.01;
const LAST_ATTEMPTS: [u64; 3] = [60, 20, 5];

/// What is known of one entry.
#[derive(Debug)]
pub struct Node {
    pub keep: Keep,
    pub ahead: f64,
    pub flying: usize,
    pub failed_in_a_row: usize,
    pub is_gone: bool,
}

/// What is known of one value.
#[derive(Debug, Default)]
pub struct Account {
    pub flying: bool,
    pub started: Option<Moment>,
    pub ended: Option<(Moment, Verdict)>,
    pub held: Option<Held>,
    /// Somebody wants it, since then.
    pub wanted: Option<Moment>,
    pub hurried: bool,
    pub asked: Option<Moment>,
    /// Somebody has to have asked since then.
    pub asked_since: Option<Moment>,
}

#[derive(Clone, Debug)]
pub struct Held {
    pub serial: u64,
    pub since: Moment,
    pub sent_at: Moment,
    pub end: Moment,
    pub lasts: bool,
}

#[derive(Clone, Debug)]
pub enum Verdict {
    Taken,
    /// Not before the first, and not after the second unless something is in the way.
    Failed {
        soonest: Moment,
        latest: Moment,
    },
}

impl Account {
    fn valid(&self, now: Moment) -> Option<&Held> {
        self.held.as_ref().filter(|held| now < held.end)
    }

    pub fn settle(&mut self, outcome: Outcome, now: Moment) -> bool {
        match outcome {
            Outcome::Issued { serial, sent_at, end, lasts } if self.is_better(end, now) => {
                self.held = Some(Held { serial, since: now, sent_at, end, lasts });
                // Who asked while it was on its way, or waited for it, uses it now.
                self.asked_since = self.ended.as_ref().map(|(at, _)| *at);
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

    pub fn fault_of_start(&self, now: Moment, ahead: f64) -> Option<&'static str> {
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

    /// Does nobody want it any more?
    pub fn is_unasked(&self, keep: Keep) -> bool {
        let is_renewal = matches!(self.ended, Some((_, Verdict::Taken))) && keep == Keep::Used;
        is_renewal && self.asked_since.is_some_and(|since| self.asked.is_none_or(|asked| asked < since))
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
    pub fn latest_start(&self, node: &Node, keep: Keep, now: Moment) -> Option<Moment> {
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
