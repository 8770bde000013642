//! Which configuration is in effect, and what came of the attempts to put another in its place: for the status.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::clock::{Clock, rfc3339};

/// So many problems of a refused configuration are shown; the log has all.
const SHOWN: usize = 5;

/// The configuration in effect, and its reloads.
#[derive(Debug)]
pub struct Reloads {
    file: String,
    clock: Clock,
    standing: Mutex<Standing>,
}

/// How it stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The number of the configuration in effect: 1 since the start, one more with each that was applied.
    pub generation: u64,
    /// Since when it is in effect.
    pub loaded_at: SystemTime,
    /// Reloads that were applied.
    pub applied: u64,
    /// Reloads that were refused.
    pub refused: u64,
    /// The last one.
    pub last: Option<Last>,
}

/// What came of one reload.
#[derive(Clone, Debug)]
pub struct Last {
    /// When it ended.
    pub at: SystemTime,
    /// Why it was refused, a line for each problem; none if it was applied. Never a secret.
    pub problems: Vec<String>,
    /// How many were refused in a row, this one among them.
    pub refused_in_a_row: u64,
}

impl Reloads {
    /// The configuration in `file` is in effect.
    pub fn new(file: String, clock: Clock) -> Self {
        let standing = Standing { generation: 1, loaded_at: clock.wall(), applied: 0, refused: 0, last: None };
        Self { file, clock, standing: Mutex::new(standing) }
    }

    /// Another one is in effect. Its number.
    pub fn applied(&self) -> u64 {
        let at = self.clock.wall();
        let mut standing = self.lock();
        standing.generation += 1;
        standing.applied += 1;
        standing.loaded_at = at;
        standing.last = Some(Last { at, problems: Vec::new(), refused_in_a_row: 0 });
        standing.generation
    }

    /// Another one is not, because of `problems`.
    pub fn refused(&self, problems: Vec<String>) {
        let at = self.clock.wall();
        let mut standing = self.lock();
        standing.refused += 1;
        let refused_in_a_row = 1 + standing.last.as_ref().map_or(0, |last| last.refused_in_a_row);
        standing.last = Some(Last { at, problems, refused_in_a_row });
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        self.lock().clone()
    }

    /// The row of the status.
    pub fn row(&self) -> Value {
        let Standing { generation, loaded_at, applied, refused, last } = self.standing();
        let mut row = json!({
            "name": "configuration",
            "file": self.file,
            "state": "in effect",
            "generation": generation,
            "loaded_at": rfc3339(loaded_at),
            "reloads_applied": applied,
            "reloads_refused": refused,
        });
        let Some(last) = last else { return row };
        let is_refused = !last.problems.is_empty();
        row["last_reload"] = json!({
            "at": rfc3339(last.at),
            "outcome": if is_refused { "refused" } else { "applied" },
            "problems": last.problems.len(),
            "first_problems": last.problems.iter().take(SHOWN).collect::<Vec<_>>(),
        });
        if is_refused {
            row["state"] = json!("reload refused");
            row["last_error"] = json!({
                "message": format!("the file as it is now was refused, and what was loaded before stays: {}", last.problems.join("; ")),
                "failures_in_a_row": last.refused_in_a_row,
                "since": rfc3339(last.at),
            });
        }
        row
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        // Nothing panics between two halves of a change.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
