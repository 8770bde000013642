//! How a file stands, and what is to be done about it next: decided here without I/O or clock, done by [`super::keeper`].

use std::time::{Duration, SystemTime};

use crate::clock::Moment;
use crate::place::Mark;

/// A file that somebody else removed or changed is noticed within this.
pub const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// What fails is tried again after this, then after twice as long …
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// … up to this: whoever mends a directory does not wait long.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What is known of one file.
#[derive(Debug, Default)]
pub struct Standing {
    there: Option<There>,
    trouble: Option<Trouble>,
}

/// The file that is there.
#[derive(Clone, Copy, Debug)]
pub struct There {
    /// When the value in it was issued; `None` for one of an earlier run, and for one that was touched since it was written.
    pub issued_at: Option<Moment>,
    /// When that value ends.
    pub expiry: Moment,
    /// When it was written, on the wall clock.
    pub written_at: SystemTime,
    /// By what it is known again.
    pub mark: Mark,
    /// When it was last seen to be there.
    pub seen_at: Moment,
}

/// What could not be done.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// What it was.
    pub doing: Doing,
    /// Why, and what to do.
    pub message: String,
    /// Failures in a row.
    pub attempts: u32,
    /// When the first of them was noticed.
    pub since: Moment,
    /// Not tried again before this.
    pub retry_at: Moment,
}

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Putting the value held in its place.
    Write,
    /// Taking it away.
    Remove,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Put what is held in its place.
    Write,
    /// Take it away: what it holds has expired.
    Remove,
    /// See whether it is still there as it was written.
    Look,
    /// Nothing before this moment, or news; nothing but news where there is none.
    Rest(Option<Moment>),
}

/// How a file stands, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It holds what is held.
    Written,
    /// It holds an earlier value, which is still valid.
    Stale,
    /// It is not there with anything valid, because it could not be written.
    Failed,
    /// It is not there, because nothing valid is held.
    Absent,
}

impl State {
    /// The word in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Stale => "stale",
            Self::Failed => "failed",
            Self::Absent => "absent",
        }
    }
}

impl Standing {
    /// What to do next, where the value held, if any, was issued at `held`.
    pub fn next(&self, held: Option<Moment>, now: Moment) -> Next {
        let outdated = held.is_some() && self.there.is_none_or(|there| there.issued_at != held);
        let expired = self.there.filter(|there| now >= there.expiry);
        let retry_of = |doing| self.trouble.as_ref().filter(|trouble| trouble.doing == doing).map(|t| t.retry_at);
        let (write_at, remove_at) = (retry_of(Doing::Write), retry_of(Doing::Remove));
        let is_over = |pause: Option<Moment>| pause.is_none_or(|until| now >= until);
        let look_at = self.there.map(|there| there.seen_at.plus(LOOK_AGAIN));
        if outdated && is_over(write_at) {
            Next::Write
        } else if expired.is_some() && is_over(remove_at) {
            Next::Remove
        } else if look_at.is_some_and(|at| now >= at) {
            Next::Look
        } else {
            let expiry = self.there.map(|there| there.expiry).filter(|_| expired.is_none());
            let retry = write_at.filter(|_| outdated).into_iter().chain(remove_at.filter(|_| expired.is_some()));
            Next::Rest(retry.chain(expiry).chain(look_at).min())
        }
    }

    /// The file is there.
    pub fn is_there(&mut self, there: There) {
        self.there = Some(there);
        if there.issued_at.is_some() {
            self.trouble = None;
        }
    }

    /// It was seen at `now`, as it was.
    pub fn seen(&mut self, now: Moment) {
        if let Some(there) = &mut self.there {
            there.seen_at = now;
        }
    }

    /// It was seen at `now`, or should have been, and is not as it was written. It is known by `mark` from here on.
    pub fn is_touched(&mut self, mark: Mark, now: Moment) {
        if let Some(there) = &mut self.there {
            *there = There { issued_at: None, mark, seen_at: now, ..*there };
        }
    }

    /// What it says no longer holds, though what is in it does.
    pub fn is_outdated(&mut self) {
        if let Some(there) = &mut self.there {
            there.issued_at = None;
        }
    }

    /// It is no longer there.
    pub fn is_gone(&mut self) {
        self.there = None;
        self.trouble.take_if(|trouble| trouble.doing == Doing::Remove);
    }

    /// Something could not be done, at `now`. Is that news?
    pub fn failed(&mut self, doing: Doing, message: String, now: Moment) -> bool {
        let before = self.trouble.as_ref().filter(|trouble| trouble.doing == doing);
        let is_news = before.is_none_or(|trouble| trouble.message != message);
        let (attempts, since) = before.map_or((1, now), |t| (t.attempts.saturating_add(1), t.since));
        let pause = FIRST_PAUSE.saturating_mul(1 << (attempts - 1).min(8)).min(LONGEST_PAUSE);
        self.trouble = Some(Trouble { doing, message, attempts, since, retry_at: now.plus(pause) });
        is_news
    }

    /// The file that is there, if any.
    pub fn there(&self) -> Option<&There> {
        self.there.as_ref()
    }

    /// What could not be done, if anything.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// How it stands, where the value held, if any, was issued at `held`.
    pub fn state(&self, held: Option<Moment>, now: Moment) -> State {
        match (&self.there, &self.trouble) {
            (Some(there), _) if now < there.expiry && held.is_some() && there.issued_at == held => State::Written,
            (Some(there), _) if now < there.expiry => State::Stale,
            (_, Some(_)) => State::Failed,
            (_, None) => State::Absent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const SECOND: Duration = Duration::from_secs(1);

    fn there(issued_at: Option<Moment>, now: Moment, life: u32) -> There {
        let expiry = now.plus(SECOND * life);
        There { issued_at, expiry, written_at: SystemTime::UNIX_EPOCH, mark: Mark::default(), seen_at: now }
    }

    fn now() -> Moment {
        Clock::system().now()
    }

    #[test]
    fn a_new_value_is_written_at_once_and_then_there_is_nothing_to_do_but_to_look() {
        let (now, mut standing) = (now(), Standing::default());
        assert_eq!(standing.next(None, now), Next::Rest(None));
        assert_eq!(standing.state(None, now), State::Absent);
        assert_eq!(standing.next(Some(now), now), Next::Write);
        standing.is_there(there(Some(now), now, 100));
        assert_eq!(standing.next(Some(now), now), Next::Rest(Some(now.plus(LOOK_AGAIN))));
        assert_eq!(standing.state(Some(now), now), State::Written);
        assert_eq!(standing.next(Some(now), now.plus(LOOK_AGAIN)), Next::Look);
        let renewed = now.plus(SECOND);
        assert_eq!(standing.next(Some(renewed), renewed), Next::Write);
        assert_eq!(standing.state(Some(renewed), renewed), State::Stale);
    }

    #[test]
    fn what_has_expired_is_removed_also_while_writing_fails() {
        let (now, mut standing) = (now(), Standing::default());
        standing.is_there(there(Some(now), now, 3));
        let (renewed, end) = (now.plus(SECOND), now.plus(SECOND * 3));
        assert_eq!(standing.next(Some(now), now), Next::Rest(Some(end)));
        for _ in 0..5 {
            standing.failed(Doing::Write, "full".into(), end.minus(SECOND / 100));
        }
        assert_eq!(standing.state(Some(renewed), renewed), State::Stale, "the old value is good still");
        assert_eq!(standing.next(Some(renewed), end), Next::Remove);
        assert_eq!(standing.next(None, end), Next::Remove);
        standing.is_gone();
        assert_eq!(standing.state(Some(renewed), end), State::Failed);
        assert!(matches!(standing.next(Some(renewed), end), Next::Rest(Some(retry)) if retry > end));
        assert_eq!(standing.next(None, end), Next::Rest(None));
        assert_eq!(standing.next(Some(renewed), end.plus(LONGEST_PAUSE)), Next::Write);
    }

    #[test]
    fn what_cannot_be_removed_is_tried_again_and_never_called_written() {
        let (now, mut standing) = (now(), Standing::default());
        standing.is_there(there(None, now, 0));
        assert_eq!(standing.next(None, now), Next::Remove);
        standing.failed(Doing::Remove, "read-only".into(), now);
        assert_eq!(standing.state(None, now), State::Failed);
        assert_eq!(standing.next(None, now), Next::Rest(Some(now.plus(FIRST_PAUSE))));
        assert_eq!(standing.next(None, now.plus(FIRST_PAUSE)), Next::Remove);
        standing.is_gone();
        assert_eq!((standing.state(None, now), standing.trouble().is_none()), (State::Absent, true));
    }

    #[test]
    fn a_file_of_an_earlier_run_is_replaced_as_soon_as_there_is_a_value() {
        let (now, mut standing) = (now(), Standing::default());
        standing.is_there(there(None, now, 60));
        assert_eq!(standing.state(None, now), State::Stale);
        assert_eq!(standing.next(None, now), Next::Rest(Some(now.plus(LOOK_AGAIN))));
        assert_eq!(standing.next(Some(now), now), Next::Write);
    }

    #[test]
    fn a_touched_file_is_written_again_and_until_then_its_end_is_kept() {
        let (now, mut standing) = (now(), Standing::default());
        standing.is_there(there(Some(now), now, 60));
        standing.is_touched(Mark::default(), now.plus(SECOND));
        assert_eq!(standing.next(Some(now), now.plus(SECOND)), Next::Write);
        assert_eq!(standing.next(None, now.plus(SECOND)), Next::Rest(Some(now.plus(SECOND + LOOK_AGAIN))));
        assert_eq!(standing.next(None, now.plus(SECOND * 60)), Next::Remove);
    }

    #[test]
    fn pauses_grow_and_end_with_the_first_success() {
        let (now, mut standing) = (now(), Standing::default());
        let mut pause = || {
            standing.failed(Doing::Write, "no".into(), now);
            standing.trouble().unwrap().retry_at.since(now).as_secs()
        };
        assert_eq!([pause(), pause(), pause(), pause(), pause(), pause()], [1, 2, 4, 8, 10, 10]);
        assert!(!standing.failed(Doing::Write, "no".into(), now), "what stays is said once");
        assert!(standing.failed(Doing::Write, "another".into(), now));
        standing.is_there(there(Some(now), now, 100));
        assert!(standing.trouble().is_none());
    }
}
