//! The only reader of time.
//!
//! Two clocks matter here. Lifetimes are counted on `CLOCK_BOOTTIME`, which goes on during suspend and never jumps;
//! a [`Moment`] is a reading of it. The wall clock is needed only to understand the absolute instants that sources
//! send and to print the ones that SDKs expect; it may jump, so nothing is decided on it, and it may be wrong, so a source's
//! own time is gone by where its answers tell it ([`Reading`], [`elsewhere`]).

mod elsewhere;
mod hands;
mod reading;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

use elsewhere::Elsewhere;
pub use elsewhere::{FAR, Offset};
use hands::Hands;
pub use hands::Jumps;
pub use reading::Reading;

/// How long one timer sleeps at most. Timers stop in suspend; re-reading the clock this often bounds how late a
/// wake-up can be after resume.
const LONGEST_NAP: Duration = Duration::from_secs(30);

/// An instant on the boot-time clock. Moments of one [`Clock`] compare; they mean nothing outside the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// The instant `span` later, saturating at the end of time.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// The instant `span` earlier, saturating at the boot.
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }

    /// The time from `earlier` to this instant; zero if `earlier` is in fact later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// How often the clocks are compared. A resume is noticed within this; nothing expired is served meanwhile, for that is
/// decided when somebody asks.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Where time comes from. Cloning is cheap; all clones read the same clock and know the same.
#[derive(Clone, Debug)]
pub struct Clock {
    kind: Kind,
    known: Arc<Known>,
}

#[derive(Clone, Debug)]
enum Kind {
    System,
    Tokio { origin: tokio::time::Instant, wall: SystemTime, moved: Arc<Mutex<Moved>> },
}

/// By how much a test has moved the clocks.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    boot: Duration,
    forward: Duration,
    back: Duration,
}

/// What has been learnt of clocks since the start.
#[derive(Debug, Default)]
struct Known {
    elsewhere: Mutex<Elsewhere>,
    jumps: watch::Sender<Jumps>,
}

impl Clock {
    fn of(kind: Kind) -> Self {
        Self { kind, known: Arc::default() }
    }

    /// The machine's clocks.
    pub fn system() -> Self {
        Self::of(Kind::System)
    }

    /// A clock that moves with tokio's, so that a test on tokio's paused clock moves lifetimes and the wall clock together.
    /// `wall` is what the wall clock shows now.
    #[expect(clippy::disallowed_methods, reason = "this module is the reader of time")]
    pub fn tokio(wall: SystemTime) -> Self {
        Self::of(Kind::Tokio { origin: tokio::time::Instant::now(), wall, moved: Arc::default() })
    }

    /// Lets a test's clock sleep for `span`: boot time and the wall clock go on, timers stand still.
    pub fn suspend(&self, span: Duration) {
        self.moved(|moved| moved.boot += span);
    }

    /// Sets a test's wall clock forward.
    pub fn set_forward(&self, by: Duration) {
        self.moved(|moved| moved.forward += by);
    }

    /// Sets a test's wall clock back.
    pub fn set_back(&self, by: Duration) {
        self.moved(|moved| moved.back += by);
    }

    fn moved(&self, change: impl FnOnce(&mut Moved)) {
        if let Kind::Tokio { moved, .. } = &self.kind {
            change(&mut locked(moved));
        }
    }

    /// Now, for counting lifetimes.
    pub fn now(&self) -> Moment {
        Moment(self.boot())
    }

    #[expect(clippy::disallowed_methods, reason = "this module is the reader of time")]
    fn boot(&self) -> Duration {
        match &self.kind {
            Kind::System => clock_gettime(ClockId::CLOCK_BOOTTIME)
                .or_else(|_| clock_gettime(ClockId::CLOCK_MONOTONIC))
                .map(Duration::from)
                .unwrap_or_default(),
            // Tokio's clock starts anywhere; a day keeps `minus` from saturating in tests.
            Kind::Tokio { origin, moved, .. } => origin.elapsed() + locked(moved).boot + Duration::from_secs(86_400),
        }
    }

    /// What timers go by. It stops in suspend.
    #[expect(clippy::disallowed_methods, reason = "this module is the reader of time")]
    fn monotonic(&self) -> Duration {
        match &self.kind {
            Kind::System => clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default(),
            Kind::Tokio { origin, .. } => origin.elapsed(),
        }
    }

    /// The wall clock, for instants that leave or enter the process.
    #[expect(clippy::disallowed_methods, reason = "this module is the reader of time")]
    pub fn wall(&self) -> SystemTime {
        match &self.kind {
            Kind::System => SystemTime::now(),
            Kind::Tokio { origin, wall, moved } => {
                let moved = *locked(moved);
                *wall + origin.elapsed() + moved.boot + moved.forward - moved.back
            }
        }
    }

    /// What the wall clock shows now.
    pub fn reading(&self) -> Reading {
        Reading::new(self.wall(), self.now())
    }

    /// The moment that the wall clock would call `wall`; now, if that is past.
    pub fn moment_of(&self, wall: SystemTime) -> Moment {
        match wall.duration_since(self.wall()) {
            Ok(ahead) => self.now().plus(ahead),
            Err(_) => self.now(),
        }
    }

    /// What the wall clock will show at `moment`.
    pub fn wall_at(&self, moment: Moment) -> SystemTime {
        self.reading().wall_at(moment)
    }

    /// The source called `of` has answered a request that was sent at `sent_at`, and says that it was `date` then. What time it is
    /// there, by that.
    pub fn heard(&self, of: &str, date: SystemTime, sent_at: Moment) -> Reading {
        self.elsewhere().heard(of, date, sent_at, self.reading())
    }

    /// What time it is at the source called `of`, if it has ever said so.
    pub fn told_by(&self, of: &str) -> Option<Reading> {
        self.elsewhere().of(of)
    }

    /// The same; as this machine sees it, if it has not.
    pub fn reading_of(&self, of: &str) -> Reading {
        self.told_by(of).unwrap_or_else(|| self.reading())
    }

    /// How far each source is ahead of the wall clock, in the order of their names.
    pub fn offsets(&self) -> Vec<Offset> {
        self.elsewhere().offsets(self.reading())
    }

    fn elsewhere(&self) -> MutexGuard<'_, Elsewhere> {
        locked(&self.known.elsewhere)
    }

    /// How often the machine slept and the wall clock was set, as far as [`Self::keep_watch`] has noticed.
    pub fn jumps(&self) -> watch::Receiver<Jumps> {
        self.known.jumps.subscribe()
    }

    /// Compares the clocks with each other from now on. Whoever sleeps is woken after a resume to look at the time.
    pub async fn keep_watch(self) {
        let mut before = self.hands();
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let Some(now) = self.hands() else { continue };
            if let Some(before) = &mut before {
                let seen = before.turned_to(now);
                seen.tell();
                if seen.is_something() {
                    self.known.jumps.send_modify(|jumps| jumps.count(seen));
                }
            } else {
                before = Some(now);
            }
        }
    }

    /// All clocks at one instant; `None` if the process was stopped between one and the other each time.
    fn hands(&self) -> Option<Hands> {
        const AT_ONCE: Duration = Duration::from_millis(20);
        (0..10).find_map(|_| {
            let (boot, monotonic, wall, after) = (self.boot(), self.monotonic(), self.wall(), self.boot());
            (after.saturating_sub(boot) < AT_ONCE).then_some(Hands { boot, monotonic, wall })
        })
    }

    /// Sleeps until `moment`, also across a suspend of the machine.
    pub async fn sleep_until(&self, moment: Moment) {
        let mut jumps = self.jumps();
        loop {
            let left = moment.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left.min(LONGEST_NAP)) => {},
                // This clock is one of those who could tell, so the channel does not close.
                _ = jumps.changed() => {},
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is whole at every point.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `wall` as RFC 3339 in UTC with whole seconds and a literal `Z`, the only form every AWS SDK reads.
pub fn rfc3339(wall: SystemTime) -> String {
    let seconds = wall
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The same with milliseconds, for those who put lines into their order.
pub fn rfc3339_in_millis(wall: SystemTime) -> String {
    let millis = wall
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    format!("{:.3}", jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX))
}

/// The instant that `text` names as [`rfc3339`] writes it.
pub fn read_rfc3339(text: &str) -> Option<SystemTime> {
    text.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}

#[cfg(test)]
#[path = "clock/tests.rs"]
mod tests;
