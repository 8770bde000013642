//! The real engine in simulated worlds: sources with a schedule of faults, callers that come and go, suspends, reloads and a
//! shutdown, all drawn from one number on tokio's paused clock. A [`ledger::Ledger`] watches from outside what the engine asks
//! for and what it hands out, and knows the promises and nothing of how they are kept.
//!
//! `CREDBROKER_SEED=7 cargo test --lib simulation -- --nocapture` runs that one world again and tells what happens in it;
//! `CREDBROKER_SEEDS=100000` runs as many.

mod account;
mod callers;
mod faults;
mod fleet;
mod flight;
mod ledger;
mod matrix;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::environment::Environment;

/// What runs where nobody says how many.
const SEEDS: u64 = 10_000;

/// A world takes milliseconds; one that takes this long, on a machine however busy, does not come to an end.
const ENDLESS: Duration = Duration::from_secs(120);

#[test]
fn the_promises_hold_in_ten_thousand_worlds() {
    let environment = Environment::of_process();
    let number = |name| environment.var(name).map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("CREDBROKER_SEED") {
        let broken = world::run(seed, true);
        assert!(broken.is_empty(), "{}", told(seed, &broken));
        return;
    }
    let (seeds, next) = (number("CREDBROKER_SEEDS").unwrap_or(SEEDS), Arc::new(AtomicU64::new(0)));
    let (said, heard) = mpsc::channel();
    for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
        let (next, said) = (Arc::clone(&next), said.clone());
        std::thread::spawn(move || {
            while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds) {
                if said.send((seed, world::run(seed, false))).is_err() {
                    return;
                }
            }
        });
    }
    let (mut open, mut failed) = ((0..seeds).collect::<std::collections::BTreeSet<_>>(), Vec::new());
    while !open.is_empty() && failed.len() < 3 {
        let Ok((seed, broken)) = heard.recv_timeout(ENDLESS) else {
            let endless = open.first().copied().unwrap_or_default();
            failed.push(told(endless, &["it does not come to an end".to_owned()]));
            break;
        };
        open.remove(&seed);
        if !broken.is_empty() {
            failed.push(told(seed, &broken));
        }
    }
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
