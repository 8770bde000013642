//! What is remembered of secrets that were refused when no other was left to try.
//!
//! A user pool locks out whoever guesses, so the same contents are offered again only after a pause, which doubles from half a
//! minute to five. Anything that is put in the place of one of them is offered at once.

use std::time::Duration;

use super::Print;
use crate::clock::Moment;
use crate::source::Failure;

/// The pause after the first refusal …
const SHORTEST_PAUSE: Duration = Duration::from_secs(30);
/// … and after many.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// What stood at each place; nothing where it could not be read.
pub type Contents = Vec<Option<Print>>;

/// One refusal of all there was.
pub struct Refused {
    contents: Contents,
    failure: Failure,
    times: u32,
    until: Moment,
}

impl Refused {
    /// `contents` were refused with `failure`, after `before`.
    pub fn new(contents: Contents, failure: Failure, before: Option<Self>, now: Moment) -> Self {
        let times = before.filter(|before| before.contents == contents).map_or(0, |before| before.times + 1);
        let pause = SHORTEST_PAUSE.saturating_mul(1 << times.min(4)).min(LONGEST_PAUSE);
        Self { contents, failure, times, until: now.plus(pause) }
    }

    /// What was refused.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// What was refused, while it is not offered again. Whoever finds the pause over offers it; everybody else waits for what
    /// comes of that.
    pub fn resting(&mut self, now: Moment) -> Option<Contents> {
        if now < self.until {
            return Some(self.contents.clone());
        }
        self.until = now.plus(SHORTEST_PAUSE);
        None
    }

    /// The refusal, and when the same is offered again. That is no `retry_after`, for what is put in its place is not to wait.
    pub fn failure(&self, now: Moment) -> Failure {
        let left = self.until.since(now).as_secs_f64().ceil();
        let message = format!("{}; not tried again until it is replaced, or in {left} s", self.failure);
        Failure { message, ..self.failure.clone() }
    }
}
