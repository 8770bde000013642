//! What a process takes of the machine, once a second.

use crate::daemon::Daemon;
use crate::documents::ORDERS;

/// The tenths of a run in which everything is made that is ever made; the next one is compared with the last.
const WARM: usize = 2;

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
        let tenth = (self.0.len() / 10).max(1);
        let (next, last) = (self.0.chunks(tenth).nth(WARM), self.0.rchunks(tenth).next());
        let middle = |looks: &[Look], which: usize| {
            let mut seen: Vec<u64> = looks.iter().map(|look| look[which]).collect();
            seen.sort_unstable();
            seen.get(seen.len() / 2).copied().unwrap_or_default()
        };
        [0, 1, 2].map(|which| Growth {
            before: middle(next.unwrap_or_default(), which),
            after: middle(last.unwrap_or_default(), which),
        })
    }
}

impl Growth {
    pub fn percent(&self) -> f64 {
        (self.after as f64 / self.before as f64 - 1.0) * 100.0
    }
}
