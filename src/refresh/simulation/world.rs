//! A world out of a seed: sources, entries, callers, and what befalls them.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use fastrand::Rng;

use super::super::budget::{Quota, Rate};
use super::super::schedule::{Freshness, Keep};
use super::super::{Entry, Inputs};
use super::callers::{Caller, is_gone, subjects};
use super::faults::Moods;
use super::flight::{Minted, Upstream};
use super::ledger::{Ledger, Shared};
use crate::clock::{Clock, Moment};
use crate::source::Ask;

/// The entries of a world, each with the number of its latest making.
#[derive(Clone)]
pub struct Nodes(Arc<Mutex<Vec<Option<Made>>>>);

/// An entry, and the number of its making.
type Made = (usize, Arc<Entry<Minted>>);

impl Nodes {
    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub fn at(&self, index: usize) -> Option<Made> {
        self.0.lock().unwrap()[index].clone()
    }
}

/// What is needed to make an entry, and to make it again.
struct Plan {
    moods: Moods,
    freshness: Freshness,
    inputs: Inputs,
    after: Option<usize>,
}

struct World {
    seed: u64,
    clock: Clock,
    ledger: Shared,
    quota: Option<Arc<Quota>>,
    plans: Vec<Plan>,
    nodes: Nodes,
    made: usize,
    end: Moment,
    pace: Duration,
}

/// Runs the world of `seed`; what was broken in it.
pub fn run(seed: u64, aloud: bool) -> Vec<String> {
    let (broken, history) = lived(seed, aloud);
    for line in history {
        println!("{line}");
    }
    broken
}

/// All that happens in the world of `seed`. Whoever waits for one answer has it in the same instant, in an order that tokio draws;
/// nothing follows from that order, so it is not part of what happened.
pub fn history(seed: u64) -> Vec<String> {
    let mut history = lived(seed, true).1;
    history.sort();
    history
}

fn lived(seed: u64, aloud: bool) -> (Vec<String>, Vec<String>) {
    // The engine's own dice follow from the thread's.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut dice = Rng::with_seed(seed);
        let mut world = World::drawn(seed, &mut dice, aloud);
        world.live(&mut dice).await;
        world.end().await
    })
}

impl World {
    fn drawn(seed: u64, dice: &mut Rng, aloud: bool) -> Self {
        let clock = Clock::tokio(SystemTime::UNIX_EPOCH);
        let pace = Duration::from_secs([1, 2, 5, 10, 30, 60, 90, 120, 300, 900][dice.usize(0..10)]);
        let start = clock.now();
        let end = start.plus((pace * dice.u32(2..5)).max(Duration::from_secs(15)));
        let rate = dice.bool().then(|| Rate { per_second: 1.0 + dice.f64() * 5.0, at_once: f64::from(dice.u8(1..6)) });
        let ledger = Arc::new(Ledger::new(clock.clone(), rate, aloud));
        let quota = rate.map(|rate| Arc::new(Quota::new("a quota", rate, clock.clone())));
        let count = dice.usize(1..4);
        let mut plans: Vec<_> = (0..count).map(|index| Plan::drawn(index, dice, pace, start, end)).collect();
        // A quota that is too small for what is wanted shows nothing but that.
        let needed: f64 = plans.iter().map(|plan| 5.0 / plan.moods.lifetime.as_secs_f64()).sum();
        let (quota, ledger) = match rate {
            Some(rate) if rate.per_second < needed * 2.0 => (None, Arc::new(Ledger::new(clock.clone(), None, aloud))),
            _ => (quota, ledger),
        };
        if count > 1 && plans.iter().all(|plan| plan.inputs.subject.is_none()) && dice.bool() {
            plans[count - 1].after = Some(0);
        }
        let nodes = Nodes(Arc::new(Mutex::new(vec![None; count])));
        Self { seed, clock, ledger, quota, plans, nodes, made: 0, end, pace }
    }

    fn make(&mut self, index: usize) {
        let number = self.made;
        self.made += 1;
        let plan = &self.plans[index];
        self.ledger.opens(number, plan.freshness.keep, plan.freshness.ahead);
        let source = Arc::new(Upstream {
            node: number,
            clock: self.clock.clone(),
            moods: plan.moods.clone(),
            after: plan.after.and_then(|before| self.nodes.at(before)),
            ledger: Arc::clone(&self.ledger),
            seed: self.seed,
            asked: AtomicU64::new(0),
        });
        let name = format!("tokens.t{number}");
        let entry = Entry::new(&name, "a simulation", source, plan.inputs, plan.freshness.clone(), self.clock.clone());
        let entry = Arc::new(entry.within(self.quota.clone()));
        entry.prefetch(&Ask::default());
        let before = self.nodes.0.lock().unwrap()[index].replace((number, entry));
        self.forget(before);
    }

    /// Lets go of an entry; one that another is made after lives on in that.
    fn forget(&self, entry: Option<Made>) {
        if let Some((number, entry)) = entry {
            self.ledger.closes(number);
            drop(entry);
        }
    }

    async fn live(&mut self, dice: &mut Rng) {
        for index in 0..self.plans.len() {
            self.make(index);
        }
        let users = subjects(dice, self.clock.now(), self.end);
        let callers: Vec<_> = (0..dice.u64(1..5))
            .map(|_| {
                let caller = Caller {
                    nodes: self.nodes.clone(),
                    clock: self.clock.clone(),
                    ledger: Arc::clone(&self.ledger),
                    dice: dice.fork(),
                    subjects: Arc::clone(&users),
                };
                tokio::spawn(caller.live(self.end, self.pace.mul_f64(0.05 + dice.f64() * 0.6)))
            })
            .collect();
        while self.clock.now() < self.end {
            tokio::time::sleep(self.pace.mul_f64(dice.f64())).await;
            self.befall(dice).await;
            self.ledger.audit();
        }
        for caller in callers {
            if tokio::time::timeout(self.pace + Duration::from_secs(30), caller).await.is_err() {
                self.ledger.breaks("a caller was never answered".to_owned());
            }
        }
    }

    async fn befall(&mut self, dice: &mut Rng) {
        match dice.u8(0..40) {
            0 => {
                let sleep = self.pace.mul_f64(dice.f64() * 2.0);
                self.ledger.resumes(self.clock.now().plus(sleep));
                tokio::time::advance(sleep).await;
            }
            1 => self.make(dice.usize(0..self.plans.len())),
            _ => {}
        }
    }

    /// A shutdown: with the last entry its tasks are gone, whatever they were doing.
    async fn end(self) -> (Vec<String>, Vec<String>) {
        let entries: Vec<_> = self.nodes.0.lock().unwrap().drain(..).flatten().collect();
        let gone: Vec<_> = entries.iter().map(|(_, entry)| Arc::downgrade(entry)).collect();
        entries.into_iter().for_each(|entry| self.forget(Some(entry)));
        // The sweep of subject tokens looks up every half minute.
        tokio::time::sleep(Duration::from_secs(31)).await;
        let left = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        if left > 0 || !gone.iter().all(is_gone) {
            self.ledger.breaks(format!("{left} tasks are left after the end"));
        }
        self.ledger.closed()
    }
}

impl Plan {
    fn drawn(index: usize, dice: &mut Rng, pace: Duration, start: Moment, end: Moment) -> Self {
        let lifetime = pace.mul_f64([1.0, 1.0, 0.5, 2.0][dice.usize(0..4)]).max(Duration::from_secs(1));
        let subject = (dice.u8(0..4) == 0).then(|| NonZeroUsize::new(8)).flatten();
        let inputs = match subject {
            Some(_) => Inputs { subject, ..Inputs::default() },
            None => Inputs { caller: index > 0 && dice.bool(), scopes: dice.bool(), subject: None },
        };
        let keep = if dice.bool() && subject.is_none() { Keep::Always } else { Keep::Used };
        let ahead = [0.75, 0.75, 0.5, 0.9][dice.usize(0..4)];
        let freshness = Freshness { ahead, keep, outage_cover: None, life_left: Duration::ZERO };
        Self { moods: Moods::drawn(dice, lifetime, start, end), freshness, inputs, after: None }
    }
}
