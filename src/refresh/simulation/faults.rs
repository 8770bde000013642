//! What sources do: moods that change over time.

use std::time::Duration;

use fastrand::Rng;

use crate::clock::Moment;
use crate::source::{Failure, FailureKind};

/// How a source behaves for a while.
#[derive(Clone, Debug)]
pub enum Mood {
    Fine,
    /// It answers after up to so many milliseconds.
    Slow(u64),
    Failing(FailureKind),
    /// Every other request fails, at random.
    Flapping,
    /// It asks for a pause, in seconds.
    Throttling(Option<u64>),
    Hanging,
    Panicking,
    /// What it issues has ended already.
    Expired,
    /// What it issues lives for so small a share of what it used to.
    Shorter(f64),
    /// What it issues lives for so many seconds.
    Strange(u64),
}

/// What a source does this time.
#[derive(Debug)]
pub enum Deed {
    /// Issues what lives so long from the sending of the request.
    Issue(Duration),
    Fail(Failure),
    Hang,
    Panic,
}

/// The moods of one source, each with its end.
#[derive(Clone, Debug)]
pub struct Moods {
    /// What its values live, usually.
    pub lifetime: Duration,
    moods: Vec<(Moment, Mood)>,
}

impl Moods {
    /// Drawn with `dice`, from `start` to `end`.
    pub fn drawn(dice: &mut Rng, lifetime: Duration, start: Moment, end: Moment) -> Self {
        let (mut moods, mut at) = (Vec::new(), start);
        while at < end {
            at = at.plus(lifetime.mul_f64(dice.f64() * 1.5) + Duration::from_millis(dice.u64(1..5_000)));
            let mood = if dice.bool() { Mood::Fine } else { any(dice) };
            moods.push((at, mood));
        }
        Self { lifetime, moods }
    }

    /// One mood until its moment, and then the next; after the last one all is well.
    pub fn told(lifetime: Duration, moods: Vec<(Moment, Mood)>) -> Self {
        Self { lifetime, moods }
    }

    /// What it does at `now`, and how long that takes.
    pub fn deed(&self, now: Moment, dice: &mut Rng) -> (Duration, Deed) {
        let mood = self.moods.iter().find(|(end, _)| now < *end).map_or(&Mood::Fine, |(_, mood)| mood);
        let takes = match mood {
            Mood::Slow(most) => dice.u64(0..=*most),
            _ => dice.u64(0..200),
        };
        (Duration::from_millis(takes), self.deed_in(mood, dice))
    }

    fn deed_in(&self, mood: &Mood, dice: &mut Rng) -> Deed {
        let failing = |kind| Deed::Fail(Failure::new(kind, "as told"));
        match mood {
            Mood::Flapping if dice.bool() => failing(FailureKind::Unavailable),
            Mood::Fine | Mood::Slow(_) | Mood::Flapping => Deed::Issue(self.lifetime),
            Mood::Failing(kind) => failing(*kind),
            Mood::Throttling(pause) => {
                let mut failure = Failure::new(FailureKind::Throttled, "as told");
                failure.retry_after = pause.map(Duration::from_secs);
                Deed::Fail(failure)
            }
            Mood::Hanging => Deed::Hang,
            Mood::Panicking => Deed::Panic,
            Mood::Expired => Deed::Issue(Duration::ZERO),
            Mood::Shorter(share) => Deed::Issue(self.lifetime.mul_f64(*share)),
            Mood::Strange(lifetime) => Deed::Issue(Duration::from_secs(*lifetime)),
        }
    }
}

fn any(dice: &mut Rng) -> Mood {
    let kinds = [
        FailureKind::Unavailable,
        FailureKind::Unavailable,
        FailureKind::Denied,
        FailureKind::Misconfigured,
        FailureKind::Malformed,
        FailureKind::Throttled,
    ];
    match dice.u8(0..12) {
        0..=2 => Mood::Failing(kinds[dice.usize(0..kinds.len())]),
        3 | 4 => Mood::Flapping,
        5 => Mood::Slow(4_000),
        6 => Mood::Throttling([None, Some(0), Some(30), Some(1_000_000_000)][dice.usize(0..4)]),
        7 => Mood::Hanging,
        8 => Mood::Panicking,
        9 => Mood::Expired,
        10 => Mood::Shorter(dice.f64()),
        _ => Mood::Strange([0, 1, 1, 2, 100_000, u64::MAX][dice.usize(0..6)]),
    }
}
