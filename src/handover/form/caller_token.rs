//! The row of a token that was made for a caller.

use serde::{Deserialize, Serialize};

use super::{Surroundings, moment, since_boot};
use crate::clock::Moment;
use crate::policy::{MadeToken, TokenDigest};

/// Its end is in nanoseconds since the boot.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    caller: String,
    definition: String,
    digest: String,
    until: u64,
}

/// The rows of `made`; those of callers without a definition are left out.
pub fn rows(made: &[MadeToken], surroundings: &Surroundings) -> Vec<Written> {
    let row = |token: &MadeToken| {
        let MadeToken { caller, digest, until } = token;
        let definition = surroundings.definitions.get(&full_name(caller))?.clone();
        Some(Written { caller: caller.clone(), definition, digest: digest.hex(), until: since_boot(*until) })
    };
    made.iter().filter_map(row).collect()
}

impl Written {
    /// The token, if it is made as it was and not over `now`.
    pub fn good(self, surroundings: &Surroundings, now: Moment) -> Option<MadeToken> {
        let is_good =
            surroundings.is_defined(&full_name(&self.caller), &self.definition) && since_boot(now) < self.until;
        let digest = TokenDigest::from_hex(&self.digest).filter(|_| is_good)?;
        Some(MadeToken { caller: self.caller, digest, until: moment(self.until, now) })
    }
}

fn full_name(caller: &str) -> String {
    format!("callers.{caller}")
}
