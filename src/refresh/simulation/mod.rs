//! The real engine in simulated worlds: sources with a schedule of faults, callers that come and go, suspends, reloads and a
//! shutdown, all drawn from one number on tokio's paused clock. A [`ledger::Ledger`] watches from outside what the engine asks
//! for and what it hands out, and knows the promises and nothing of how they are kept.
//!
//! `CREDBROKER_SEED=7 cargo test --lib simulation -- --nocapture` runs that one world again and tells what happens in it;
//! `CREDBROKER_SEEDS=100000` runs as many.

mod callers;
mod faults;
mod flight;
mod ledger;
mod matrix;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::environment::Environment;

/// What runs where nobody says how many.
const SEEDS: u64 = 10_000;

#[test]
fn the_promises_hold_in_ten_thousand_worlds() {
    let environment = Environment::of_process();
    let number = |name| environment.var(name).map(|text| text.parse().expect("a number"));
    if let Some(seed) = number("CREDBROKER_SEED") {
        let broken = world::run(seed, true);
        assert!(broken.is_empty(), "{}", told(seed, &broken));
        return;
    }
    let (seeds, next, failed) =
        (number("CREDBROKER_SEEDS").unwrap_or(SEEDS), AtomicU64::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds || failed.lock().unwrap().len() >= 3 {
                        return;
                    }
                    let broken = world::run(seed, false);
                    if !broken.is_empty() {
                        failed.lock().unwrap().push(told(seed, &broken));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A world that cannot be replayed is worth nothing: what happens in it follows from its seed.
#[test]
fn a_seed_is_one_world() {
    for seed in 0..20 {
        assert_eq!(world::history(seed), world::history(seed), "seed {seed}");
    }
}

fn told(seed: u64, broken: &[String]) -> String {
    let broken = broken.join("\n  ");
    format!("seed {seed}:\n  {broken}\n  replay: CREDBROKER_SEED={seed} cargo test --lib simulation -- --nocapture")
}
