//! How much is answered at once, and how much of it for one caller.
//!
//! What is over is refused before anything is done for it: a request too many with 503, before it is asked whose it is; one of a
//! caller that has more than its share, or asks faster than it may, with 429, as soon as the caller is known. So the answer to
//! too much is quick whatever else goes on, and there is room to ask for others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::reply::Trouble;
use crate::clock::Clock;
use crate::policy::pace::Pace;
use crate::policy::{Caller, directory};

/// The requests that are being answered.
#[derive(Debug)]
pub struct Load {
    all: Arc<Counter>,
    shed: Arc<AtomicU64>,
    callers: BTreeMap<String, OfCaller>,
    clock: Clock,
}

/// What one caller asks.
#[derive(Debug)]
struct OfCaller {
    now: Arc<Counter>,
    pace: Option<Arc<Pace>>,
    counts: Arc<Counts>,
}

/// What it has asked so far.
#[derive(Debug, Default)]
struct Counts {
    asked: AtomicU64,
    limited: AtomicU64,
}

/// So many at once.
#[derive(Debug)]
struct Counter {
    most: usize,
    now: AtomicUsize,
}

/// One that counts, until it is dropped.
#[derive(Debug)]
pub struct Counted(Arc<Counter>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Counter {
    /// The one that counted `before`, if as many may be counted.
    fn after(before: Option<&Arc<Self>>, most: usize) -> Arc<Self> {
        let kept = before.filter(|before| before.most == most).cloned();
        kept.unwrap_or_else(|| Arc::new(Self { most, now: AtomicUsize::new(0) }))
    }

    /// One more, if there is room.
    fn count(self: &Arc<Self>) -> Option<Counted> {
        let one_more = |now| (now < self.most).then_some(now + 1);
        self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Counted(Arc::clone(self)))
    }

    fn now(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }
}

impl Load {
    /// Of `connections` at once, seven eighths may have a request that is being answered; of these, one of several callers
    /// may have three quarters.
    ///
    /// What is being answered and what was counted `before` goes on to be counted, and a caller whose pace stays keeps it.
    pub fn new(connections: usize, callers: &[directory::Entry], clock: Clock, before: Option<&Self>) -> Self {
        let most = (connections * 7).div_ceil(8);
        let share = if callers.len() > 1 { (most * 3).div_ceil(4) } else { most };
        let of = |entry: &directory::Entry| {
            let before = before.and_then(|load| load.callers.get(&entry.name));
            let pace = before.and_then(|of| of.pace.clone());
            let kept = pace.filter(|pace| Some(pace.per_second()) == entry.requests_per_second);
            OfCaller {
                now: Counter::after(before.map(|of| &of.now), share),
                pace: kept.or_else(|| entry.requests_per_second.map(Pace::new).map(Arc::new)),
                counts: before.map(|of| Arc::clone(&of.counts)).unwrap_or_default(),
            }
        };
        let callers = callers.iter().map(|entry| (entry.name.clone(), of(entry))).collect();
        let all = Counter::after(before.map(|load| &load.all), most);
        let shed = before.map(|load| Arc::clone(&load.shed)).unwrap_or_default();
        Self { all, shed, callers, clock }
    }

    /// A request is being answered.
    ///
    /// # Errors
    /// [`Trouble::Overloaded`].
    pub fn request(&self) -> Result<Counted, Trouble> {
        self.all.count().ok_or_else(|| {
            self.shed.fetch_add(1, Ordering::Relaxed);
            Trouble::Overloaded
        })
    }

    /// It is one of `caller`.
    ///
    /// # Errors
    /// [`Trouble::TooManyAtOnce`], [`Trouble::TooFast`].
    pub fn of(&self, caller: &Caller) -> Result<Option<Counted>, Trouble> {
        let Some(of_caller) = self.callers.get(&caller.name) else { return Ok(None) };
        of_caller.within_pace(&self.clock)?;
        let counted = of_caller.now.count();
        of_caller.or_limited(counted, Trouble::TooManyAtOnce).map(Some)
    }

    /// It is one of `caller` at a listener that bounds by itself how many it answers at once.
    ///
    /// # Errors
    /// [`Trouble::TooFast`].
    pub fn of_elsewhere(&self, caller: &Caller) -> Result<(), Trouble> {
        self.callers.get(&caller.name).map_or(Ok(()), |of_caller| of_caller.within_pace(&self.clock))
    }

    /// What the status says of it: how many are being answered, how many were refused so far, and the same by caller.
    pub fn row(&self) -> Value {
        json!({
            "in_flight": self.all.now(),
            "most": self.all.most,
            "shed": self.shed.load(Ordering::Relaxed),
            "callers": self.callers.iter().map(|(name, of_caller)| of_caller.row(name)).collect::<Vec<_>>(),
        })
    }
}

impl OfCaller {
    fn within_pace(&self, clock: &Clock) -> Result<(), Trouble> {
        self.counts.asked.fetch_add(1, Ordering::Relaxed);
        let is_within = self.pace.as_ref().is_none_or(|pace| pace.allows(clock.now()));
        self.or_limited(is_within.then_some(()), Trouble::TooFast)
    }

    fn or_limited<T>(&self, passed: Option<T>, trouble: Trouble) -> Result<T, Trouble> {
        passed.ok_or_else(|| {
            self.counts.limited.fetch_add(1, Ordering::Relaxed);
            trouble
        })
    }

    fn row(&self, name: &str) -> Value {
        let mut row = json!({
            "name": name,
            "requests": self.counts.asked.load(Ordering::Relaxed),
            "in_flight": self.now.now(),
            "limited": self.counts.limited.load(Ordering::Relaxed),
        });
        if let Some(pace) = &self.pace {
            row["requests_per_second"] = json!(pace.per_second());
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn caller(name: &str, requests_per_second: Option<u32>) -> directory::Entry {
        directory::Entry {
            name: name.to_owned(),
            allow: vec![],
            token: None,
            uid: None,
            gid: None,
            unit: None,
            requests_per_second,
        }
    }

    fn known(name: &str) -> Caller {
        Caller { name: name.to_owned(), ..Caller::default() }
    }

    fn load(connections: usize, callers: &[directory::Entry]) -> Load {
        Load::new(connections, callers, Clock::tokio(UNIX_EPOCH), None)
    }

    #[tokio::test(start_paused = true)]
    async fn seven_eighths_are_answered_at_once_and_one_more_is_shed() {
        for (connections, most) in [(1024, 896), (8, 7), (2, 2), (1, 1)] {
            let load = load(connections, &[]);
            let mut held: Vec<_> = (0..most).map(|_| load.request().unwrap()).collect();
            assert!(matches!(load.request(), Err(Trouble::Overloaded)), "{connections}");
            held.pop();
            assert!(load.request().is_ok(), "{connections}");
            assert_eq!(load.row()["shed"], 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_several_callers_has_three_quarters_and_the_others_the_rest() {
        let several = load(1024, &[caller("orders", None), caller("reports", None)]);
        let orders: Vec<_> = (0..672).map(|_| several.of(&known("orders")).unwrap()).collect();
        assert!(matches!(several.of(&known("orders")), Err(Trouble::TooManyAtOnce)));
        assert!(several.of(&known("reports")).is_ok());
        drop(orders);
        assert!(several.of(&known("orders")).is_ok());
        let only = load(1024, &[caller("orders", None)]);
        let all: Vec<_> = (0..896).map_while(|_| only.of(&known("orders")).ok()).collect();
        assert_eq!(all.len(), 896, "there is nobody to leave room for");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_asks_too_fast_is_limited_and_counted_alone() {
        let load = load(1024, &[caller("orders", Some(5)), caller("reports", None)]);
        let asked: Vec<_> = (0..9).map(|_| load.of(&known("orders"))).collect();
        assert_eq!(asked.iter().filter(|asked| asked.is_ok()).count(), 5);
        assert!(matches!(asked[5], Err(Trouble::TooFast)));
        assert!(matches!(load.of_elsewhere(&known("orders")), Err(Trouble::TooFast)), "one pace for all listeners");
        assert!(load.of(&known("reports")).is_ok());
        let rows = load.row()["callers"].clone();
        assert_eq!((&rows[0]["requests"], &rows[0]["limited"]), (&json!(10), &json!(5)));
        assert_eq!((&rows[1]["requests"], &rows[1]["limited"]), (&json!(1), &json!(0)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(load.of(&known("orders")).is_ok(), "Retry-After said so");
    }
}
