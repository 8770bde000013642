//! What a process takes of the machine, once a second.

use crate::daemon::Daemon;
use crate::documents::ORDERS;

/// The share of a run in which everything is made that is ever made, and the end of the stretch that is compared.
const WARM: f64 = 0.2;
const COMPARED: f64 = 0.3;
/// The share at the end that it is compared with.
const LAST: f64 = 0.1;

/// KiB of resident memory, file descriptors, tasks.
pub type Look = [u64; 3];

#[derive(Default)]
pub struct Looks(Vec<Look>);

/// The middle one of what was seen after warming up, and of what was seen at the end.
pub struct Growth {
    pub before: u64,
    pub after: u64,
}

pub async fn look(daemon: &Daemon) -> Look {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", daemon.running.pid())).unwrap().count();
    let tasks = daemon.get("/v1/status", ORDERS).await.json()["tasks"].as_u64().unwrap();
    [daemon.running.resident(), descriptors as u64, tasks]
}

impl Looks {
    pub fn note(&mut self, look: Look) {
        self.0.push(look);
    }

    /// What was seen last.
    pub fn last(&self) -> Look {
        self.0.last().copied().unwrap_or_default()
    }

    /// Of memory, descriptors and tasks.
    pub fn growth(&self) -> [Growth; 3] {
        let at = |share: f64| ((self.0.len() as f64 * share) as usize).min(self.0.len() - 1);
        let middle = |looks: &[Look], which: usize| {
            let mut seen: Vec<u64> = looks.iter().map(|look| look[which]).collect();
            seen.sort_unstable();
            seen[seen.len() / 2]
        };
        [0, 1, 2].map(|which| Growth {
            before: middle(&self.0[at(WARM)..=at(COMPARED)], which),
            after: middle(&self.0[at(1.0 - LAST)..], which),
        })
    }
}

impl Growth {
    pub fn percent(&self) -> f64 {
        (self.after as f64 / self.before as f64 - 1.0) * 100.0
    }
}
