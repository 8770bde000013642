//! How what a process leaves is written for the next one, and what has to hold of it when it is read.
//!
//! A line with the version, the SHA-256 of the rest, and JSON: rows of leases, issuers' keys among them, and of tokens that were made for callers. It
//! comes from where only root could have put something else, and is believed no more for that: what is not whole, not ours, of another version
//! or of another boot is left alone, and so is every row whose entry or caller is configured otherwise now, that is over, or whose life is
//! none that could have been given.

mod caller_token;
mod lease;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::clock::Moment;
use crate::policy::MadeToken;
use crate::refresh::{Carried, Held};
use crate::secret::sha256;
use crate::source::key_set::KeySet;

/// Before the version, in every version.
const OURS: &[u8] = b"credbroker leases ";
/// The version that is written, and the only one that is read. It is another one wherever the form is, and where what an entry
/// obtains for the same configuration is not what it was: nothing else tells one version of credbroker from another.
const VERSION: &[u8] = b"2\n";
/// The length of the SHA-256.
const DIGEST: usize = 32;
/// What is larger is neither written nor read, in bytes.
pub const LARGEST: usize = 8 * 1024 * 1024;
/// What stands around the rows takes less, in bytes.
const AROUND: usize = 1024;

/// The fingerprint of each definition, by the full name of the entry, or of the caller for whom tokens are made.
pub type Definitions = BTreeMap<String, String>;

/// What it is written in and read in.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The id of the machine's boot: moments of another one mean nothing.
    pub boot: String,
    /// How each is configured.
    pub definitions: Definitions,
}

/// What a process leaves to the next one.
#[derive(Debug, Default)]
pub struct Left {
    /// The leases it holds.
    pub held: Held,
    /// Those of issuers' keys.
    pub key_sets: Vec<Carried<KeySet>>,
    /// The tokens that it made for callers.
    pub made: Vec<MadeToken>,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Read {
    /// What of it can be used.
    pub left: Left,
    /// How many rows cannot.
    pub left_out: usize,
    /// When they were written.
    pub at: Option<Moment>,
}

/// Why nothing of it can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It could have been changed since it was written.
    #[error("it is not sealed")]
    Unsealed,
    /// Nothing of ours is that large.
    #[error("it is larger than {} MiB", LARGEST / 1024 / 1024)]
    TooLarge,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(std::io::ErrorKind),
    /// Something else.
    #[error("it does not hold leases of credbroker")]
    Foreign,
    /// Of another version of the form.
    #[error("it was written in another form, by another version of credbroker")]
    OtherVersion,
    /// Not as it was written.
    #[error("it is not whole")]
    Broken,
    /// Its moments mean nothing here.
    #[error("it was written before the machine was started")]
    OtherBoot,
    /// Its moments cannot be.
    #[error("it was written later than now")]
    Later,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    boot: String,
    at: u64,
    leases: Vec<lease::Written>,
    caller_tokens: Vec<caller_token::Written>,
}

impl Left {
    /// How much it is.
    pub fn len(&self) -> usize {
        self.held.len() + self.key_sets.len() + self.made.len()
    }

    /// Is it nothing?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Surroundings {
    fn is_defined(&self, name: &str, definition: &str) -> bool {
        self.definitions.get(name).is_some_and(|own| own == definition)
    }
}

/// `left` as it is written `now`, and how many rows [`LARGEST`] had no room for; what has no definition is left out besides.
pub fn write(left: &Left, surroundings: &Surroundings, now: Moment) -> (Zeroizing<Vec<u8>>, usize) {
    let mut document = Document {
        boot: surroundings.boot.clone(),
        at: since_boot(now),
        leases: lease::rows(left, surroundings),
        caller_tokens: caller_token::rows(&left.made, surroundings),
    };
    let whole = bytes(&document);
    if whole.len() <= LARGEST {
        return (whole, 0);
    }
    let without_room = document.make_fit();
    (bytes(&document), without_room)
}

fn bytes(document: &Document) -> Zeroizing<Vec<u8>> {
    // Strings, numbers and lists always have a form in JSON.
    let body = Zeroizing::new(serde_json::to_vec(document).unwrap_or_default());
    Zeroizing::new([OURS, VERSION, &sha256([&body]), &body].concat())
}

impl Document {
    /// Leaves out what there is no room for: how many rows. What callers make many of, by narrowing tokens, goes last.
    fn make_fit(&mut self) -> usize {
        let rows = |document: &Self| document.leases.len() + document.caller_tokens.len();
        let before = rows(self);
        let caller_tokens = leave_what_fits(&mut self.caller_tokens, LARGEST / 4);
        self.leases.sort_by_key(lease::Written::is_variation);
        leave_what_fits(&mut self.leases, LARGEST - AROUND - caller_tokens);
        before - rows(self)
    }
}

/// Leaves so many of the first `rows` as `room` bytes hold; how many bytes those take.
fn leave_what_fits(rows: &mut Vec<impl Serialize>, room: usize) -> usize {
    let mut taken = 0;
    rows.retain(|row| {
        let size = serde_json::to_vec(row).map_or(room, |json| Zeroizing::new(json).len() + ",".len());
        let fits = size <= room - taken;
        taken += if fits { size } else { 0 };
        fits
    });
    taken
}

/// What of `bytes` can be used `now`.
///
/// # Errors
/// [`Unfit`] if nothing can.
pub fn read(bytes: &[u8], surroundings: &Surroundings, now: Moment) -> Result<Read, Unfit> {
    let document = document(bytes)?;
    if document.boot != surroundings.boot {
        return Err(Unfit::OtherBoot);
    }
    if document.at > since_boot(now) {
        return Err(Unfit::Later);
    }
    let rows = document.leases.len() + document.caller_tokens.len();
    let mut left = Left::default();
    for lease in document.leases {
        if lease.is_good(surroundings, document.at, since_boot(now)) {
            lease.into_left(&mut left, now);
        }
    }
    left.made = document.caller_tokens.into_iter().filter_map(|token| token.good(surroundings, now)).collect();
    Ok(Read { left_out: rows - left.len(), left, at: Some(moment(document.at, now)) })
}

fn document(bytes: &[u8]) -> Result<Document, Unfit> {
    if bytes.len() > LARGEST {
        return Err(Unfit::TooLarge);
    }
    let versioned = bytes.strip_prefix(OURS).ok_or(Unfit::Foreign)?;
    let rest = versioned.strip_prefix(VERSION).ok_or(Unfit::OtherVersion)?;
    let (digest, body) = rest.split_at_checked(DIGEST).ok_or(Unfit::Broken)?;
    if sha256([body]) != digest {
        return Err(Unfit::Broken);
    }
    serde_json::from_slice(body).map_err(|_| Unfit::Broken)
}

/// The machine's boot, on the clock of `moment`.
fn boot(moment: Moment) -> Moment {
    moment.minus(Duration::MAX)
}

fn since_boot(moment: Moment) -> u64 {
    u64::try_from(moment.since(boot(moment)).as_nanos()).unwrap_or(u64::MAX)
}

fn moment(since_boot: u64, now: Moment) -> Moment {
    boot(now).plus(Duration::from_nanos(since_boot))
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
