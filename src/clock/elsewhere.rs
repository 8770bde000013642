//! What time it is at the sources, by the `Date` of their answers.
//!
//! An expiry that a source names is an instant of its clock, so it is understood by that clock: a machine whose own is wrong counts
//! the right remaining life, and signs what is taken. A source can thereby say no more than when its own values end; what is asked
//! for bounds their life whatever it says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Moment, Reading};

/// From this many seconds on a clock is wrong: AWS refuses signatures that are further off.
pub const FAR: u64 = 300;

/// `Date` has whole seconds, and servers write the same one for up to another.
const COARSE: Duration = Duration::from_secs(2);

/// Sources come from the configuration and from what issuers publish, which could name ever new ones.
const MOST: usize = 64;

/// How far a source's clock is ahead of this machine's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offset {
    /// What the source is called.
    pub of: Arc<str>,
    /// In seconds; less than zero where it is behind.
    pub seconds: i64,
}

impl Offset {
    /// Is one of the two clocks wrong?
    pub fn is_far(&self) -> bool {
        self.seconds.unsigned_abs() > FAR
    }
}

/// What time it is at each source.
#[derive(Debug, Default)]
pub(super) struct Elsewhere(BTreeMap<Arc<str>, Told>);

#[derive(Debug)]
struct Told {
    reading: Reading,
    /// Has the log been told that it is far off?
    is_far: bool,
}

impl Elsewhere {
    /// `of` says that it was `date` when it answered a request that was sent at `sent_at`; `own` is this machine's clock now.
    pub(super) fn heard(&mut self, of: &str, date: SystemTime, sent_at: Moment, own: Reading) -> Reading {
        let reading = by(date, sent_at, own);
        let offset = reading.ahead_of(own);
        let is_far = offset.unsigned_abs() > FAR;
        if self.0.len() >= MOST && !self.0.contains_key(of) {
            // Nor is the log told of it, which would be at each answer.
            return reading;
        }
        let was_far = self.0.insert(of.into(), Told { reading, is_far }).is_some_and(|told| told.is_far);
        if is_far && !was_far {
            tracing::warn!(
                source = of,
                offset_s = offset,
                "this machine's clock and that of a source differ; lifetimes are counted by the source's, but inbound tokens are judged by this one: set it right"
            );
        } else if was_far && !is_far {
            tracing::info!(source = of, "this machine's clock and that of a source agree again");
        }
        reading
    }

    pub(super) fn of(&self, of: &str) -> Option<Reading> {
        self.0.get(of).map(|told| told.reading)
    }

    pub(super) fn offsets(&self, own: Reading) -> Vec<Offset> {
        let offset =
            |(of, told): (&Arc<str>, &Told)| Offset { of: Arc::clone(of), seconds: told.reading.ahead_of(own) };
        self.0.iter().map(offset).collect()
    }
}

/// Where this machine's clock may be right, as far as a `Date` can tell, it is the finer of the two. Where it is not, it was as
/// late at the source when the request was sent as it can have been, so that nothing seems to live longer than it does.
fn by(date: SystemTime, sent_at: Moment, own: Reading) -> Reading {
    let Some(latest) = date.checked_add(COARSE) else { return own };
    let agrees = own.wall_at(sent_at) < latest && own.wall_at(own.taken_at()) >= date;
    if agrees { own } else { Reading::new(latest, sent_at) }
}
