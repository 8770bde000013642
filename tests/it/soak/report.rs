//! What is told of a run, and what must not be in it.

use std::time::Duration;

use super::Place;
use super::account::Account;
use super::entries::{LIVES, WANTED};
use super::looks::Growth;
use super::operator::Done;

/// Shorter runs tell nothing of growth: allocators and tables fill in the first minutes.
const TELLING: Duration = Duration::from_secs(10 * 60);
/// Of resident memory, in percent.
const MOST_GROWTH: f64 = 5.0;
/// Descriptors and tasks come and go with callers and faults.
const MOST_MORE: u64 = 12;

/// Of what is asked at each path so much is answered, in percent, whatever goes wrong upstream. What lives for ten seconds had three quarters of it
/// where this was measured, and all else nine tenths or more.
const LEAST: f64 = 50.0;
/// In less time one trouble can be all there is.
const FAIR: Duration = Duration::from_secs(2 * 60);

/// A minute's word.
pub fn line(account: &Account) -> String {
    let [memory, descriptors, tasks] = account.looks.last();
    format!(
        "{} answered, {} failed with nothing held, {} hit by SIGKILL, {} broken; {memory} KiB, {descriptors} descriptors, {tasks} tasks",
        account.answered,
        cold(account),
        account.hit,
        account.broken,
    )
}

/// Ends it and prints the table: what was promised and not kept.
pub async fn end(place: Place, length: Duration) -> Vec<String> {
    place.callers.end().await;
    let mut account = place.account.lock().unwrap();
    if !place.operator.restarts && length >= TELLING {
        grown(&account.looks.growth()).into_iter().for_each(|what| account.breaks(what));
    }
    let least = if length >= FAIR { LEAST } else { f64::MIN_POSITIVE };
    scarce(&account, least).into_iter().for_each(|what| account.breaks(what));
    if length >= FAIR && account.moving.0 == 0 {
        account.breaks("what reloads add was never answered".to_owned());
    }
    println!("\n{}: {} troubles upstream; {}", place.name, place.troubles.count, done(&place.operator.done));
    answers(&account);
    upstream(&account, length);
    memory(&account, place.operator.restarts);
    let told = account.told.iter().map(|what| format!("{}: {what}", place.name));
    told.chain((account.broken > 0).then(|| format!("{}: {} in all", place.name, account.broken))).collect()
}

fn cold(account: &Account) -> u64 {
    account.cold.values().sum()
}

fn done(done: &Done) -> String {
    let Done { reloads, refused, restarts, kills } = done;
    format!("{reloads} reloads, {refused} refused; {restarts} restarts, {kills} SIGKILL")
}

fn answers(account: &Account) {
    let held = account.answered + account.failed + account.lost;
    let all = held + cold(account);
    println!("  answered                      {} of {all} ({:.3} %)", account.answered, share(account.answered, all));
    println!("    of what could be            {} of {held} ({:.3} %)", account.answered, share(account.answered, held));
    for (kind, count) in &account.cold {
        println!("    with nothing held           {count} x {kind}");
    }
    for (path, (answered, not)) in &account.by_path {
        println!("    {path:<40} {:>7.3} %", share(*answered, answered + not));
    }
    let (served, absent, failed) = account.moving;
    println!(
        "  of the entry that moves       {served} answered, {absent} while it was not there, {failed} with nothing held"
    );
    println!("  refused or lost               {}, and {} by SIGKILL", account.lost, account.hit);
    println!("  served after its end          {} of {} held against the truth", account.expired, account.checked);
    let waits = &account.waits;
    println!(
        "  waited                        p50 {} ms, p99 {} ms, at most {} ms; {} longer than a second",
        waits.within(0.5),
        waits.within(0.99),
        waits.longest.as_millis(),
        waits.long,
    );
}

/// What was answered less often than `least` percent, or never asked.
fn scarce(account: &Account, least: f64) -> Vec<String> {
    let answered =
        |path: &str| account.by_path.get(path).map_or(0.0, |(answered, not)| share(*answered, answered + not));
    let all = WANTED.iter().filter(|wanted| !wanted.moves).map(|wanted| (wanted.path, answered(wanted.path)));
    all.filter(|(_, answered)| *answered < least)
        .map(|(path, answered)| format!("{path}: {answered:.3} % answered"))
        .collect()
}

fn upstream(account: &Account, length: Duration) {
    println!("  given out upstream            times, lifetimes, a lifetime (1/u at most), again after an event");
    for (lease, granted) in &account.grants.by_lease {
        let lifetimes = length.as_secs_f64() / granted.seconds as f64;
        let operation = lease.split(' ').next();
        let most = LIVES.iter().find(|life| Some(life.operation) == operation).map_or(0.0, |life| 1.0 / life.share);
        println!(
            "    {lease:<36} {:>5} {lifetimes:>8.1} {:>6.2} ({most:.2}) {:>4}",
            granted.times,
            granted.times as f64 / lifetimes,
            granted.again
        );
    }
    let others: Vec<_> = account.grants.others.iter().map(|(outcome, count)| format!("{count} x {outcome}")).collect();
    println!("  other answers upstream        {}", others.join(", "));
}

fn memory(account: &Account, restarts: bool) {
    let what = if restarts { "of all its processes" } else { "of its one process" };
    for (name, growth) in ["resident KiB", "descriptors", "tasks"].iter().zip(account.looks.growth()) {
        let Growth { before, after } = growth;
        println!("  {name:<14} {what} {before} after warming up, {after} at the end ({:+.1} %)", growth.percent());
    }
}

fn grown([memory, descriptors, tasks]: &[Growth; 3]) -> Vec<String> {
    let mut grown = Vec::new();
    if memory.percent() >= MOST_GROWTH {
        grown.push(format!("resident memory has grown by {:.1} %", memory.percent()));
    }
    for (name, growth) in [("descriptors", descriptors), ("tasks", tasks)] {
        if growth.after > growth.before + MOST_MORE {
            grown.push(format!("{} {name} at the end, where it was {}", growth.after, growth.before));
        }
    }
    grown
}

fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 * 100.0 / all as f64 }
}
