//! A caller's token that the broker makes itself and puts in a file, for a program that shares a volume with it.
//!
//! A fresh one is made at each start, each time that an interval is over, and whenever somebody else has removed or changed the file,
//! which is noticed within a second. The one before is accepted until the next one is made: so whoever reads the file once in an
//! interval always has one that is good. Nobody can know when the token takes over, so a shorter grace would promise less than it seems to.
//!
//! The file is never read. What somebody else puts there is never accepted, and neither is what an earlier run has left: nothing on
//! the disk says who wrote it. A token is accepted before it is in the file, and none is kept in memory once it is there.
//!
//! A process that is told by the one before it which tokens that made, by their digests ([`MadeToken`]), accepts those to the ends that they
//! had there. It makes its own all the same: with a digest it could neither write the file again nor prove that it knows the token.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::TokenDigest;
use super::proof::Prover;
use crate::clock::Moment;
use crate::place::{Group, Mark, Place};

/// How long one is the newest, where the configuration does not say.
pub const EVERY: Duration = Duration::from_secs(12 * 3_600);
/// So many of the tokens that earlier processes made for one caller are accepted, the newest of them.
const MOST_EARLIER: usize = 32;

/// As it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it is: an absolute path that ends in a name.
    pub path: PathBuf,
    /// The file's permission bits.
    pub mode: u32,
    /// The file's group; that which the directory or the daemon has, where none is named.
    pub group: Option<Group>,
    /// How long one is the newest.
    pub every: Duration,
}

/// What is kept of a token.
#[derive(Clone, Debug)]
pub struct Known {
    /// By which it is known again.
    pub digest: TokenDigest,
    /// By which it is proved.
    pub prover: Prover,
}

/// The tokens of one caller, and the file of the newest.
#[derive(Debug)]
pub struct Generated {
    caller: String,
    place: Place,
    every: Duration,
    held: Mutex<Held>,
    /// Held while the file is worked with, which may be on a file system that hangs: so nobody who wants what is `held` waits for that.
    at_the_file: Mutex<()>,
}

#[derive(Debug, Default)]
struct Held {
    /// One that is accepted, and is not known to be in the file yet.
    next: Option<(SecretString, Known)>,
    newest: Option<Written>,
    before: Option<Known>,
    /// Those that earlier processes made, the newest first.
    earlier: Vec<MadeToken>,
    /// Nothing is written any more.
    rests: bool,
    /// What went wrong last, which was said.
    said: Option<String>,
}

#[derive(Debug)]
struct Written {
    known: Known,
    mark: Mark,
    at: Moment,
}

/// A token that was made for a caller, as far as the next process has to know it. By its digest it is known again, and can be neither shown
/// nor proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeToken {
    /// `callers.NAME`.
    pub caller: String,
    /// By which it is known.
    pub digest: TokenDigest,
    /// From here on it is not accepted.
    pub until: Moment,
}

/// A fresh token of 256 bits, in 43 characters that stand anywhere. `None` if the system has no random numbers.
pub fn fresh() -> Option<SecretString> {
    let mut bytes = Zeroizing::new([0; 32]);
    SystemRandom::new().fill(&mut *bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes.as_slice()).into())
}

impl Known {
    /// What is kept of `token`.
    #[expect(clippy::disallowed_methods, reason = "only its digest is kept")]
    pub fn of(token: &SecretString) -> Self {
        Self { digest: TokenDigest::of(token.expose_secret()), prover: Prover::of(token) }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, mode {:04o}", self.path.display(), self.mode)?;
        self.group.as_ref().map_or(Ok(()), |group| write!(f, ", group {group}"))
    }
}

impl Generated {
    /// The tokens of `caller`. There is none yet.
    pub fn new(caller: &str, config: &Config) -> Self {
        let place = Place::new(config.path.clone(), config.mode, config.group.clone());
        Self {
            caller: caller.to_owned(),
            place,
            every: config.every,
            held: Mutex::default(),
            at_the_file: Mutex::default(),
        }
    }

    /// Whose they are.
    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// Makes another token if it is time, or if the file is not as it was written. It is accepted from now on.
    pub fn prepare(&self, now: Moment) {
        let _at_the_file = self.at_the_file();
        let newest = {
            let held = self.held();
            if held.rests || held.next.is_some() {
                return;
            }
            held.newest.as_ref().map(|newest| (newest.mark, newest.at))
        };
        if !self.is_due(newest, now) {
            return;
        }
        let mut held = self.held();
        match fresh() {
            Some(token) => {
                let known = Known::of(&token);
                // Of the two that are accepted from now on the other is the one in the file.
                held.before = None;
                held.next = Some((token, known));
            }
            None => self.failed(&mut held, "the system has no random numbers"),
        }
    }

    fn is_due(&self, newest: Option<(Mark, Moment)>, now: Moment) -> bool {
        let Some((mark, at)) = newest else {
            self.place.clear_drafts();
            return true;
        };
        if now.since(at) >= self.every {
            return true;
        }
        // What cannot be seen is written again, which says why it cannot be.
        let is_untouched = self.place.mark().is_ok_and(|there| there == Some(mark));
        if !is_untouched {
            tracing::warn!(
                caller = self.caller,
                "somebody else has removed or changed the file of the caller's token: it gets another token"
            );
        }
        !is_untouched
    }

    /// The tokens that are accepted, the newest first.
    pub fn accepted(&self) -> Vec<Known> {
        let held = self.held();
        let next = held.next.as_ref().map(|(_, known)| known);
        next.into_iter().chain(held.newest.as_ref().map(|newest| &newest.known)).chain(&held.before).cloned().collect()
    }

    /// Those of earlier processes that are accepted besides.
    pub fn earlier(&self, now: Moment) -> Vec<TokenDigest> {
        self.held().earlier.iter().filter(|token| now < token.until).map(|token| token.digest).collect()
    }

    /// Those of earlier processes that have ended since this was asked last.
    pub fn ended(&self, now: Moment) -> Vec<TokenDigest> {
        self.held().earlier.extract_if(.., |token| token.until <= now).map(|token| token.digest).collect()
    }

    /// What the next process is to accept, the newest first: the newest as long as if it were replaced in time, when the one before it ends.
    pub fn left(&self, now: Moment) -> Vec<MadeToken> {
        let held = self.held();
        let made = |known: &Known, until| MadeToken { caller: self.caller.clone(), digest: known.digest, until };
        let own = held.newest.iter().flat_map(|newest| {
            let replaced = newest.at.plus(self.every);
            let before = held.before.as_ref().map(|before| made(before, replaced));
            [Some(made(&newest.known, replaced.plus(self.every))), before].into_iter().flatten()
        });
        own.chain(held.earlier.iter().cloned()).filter(|token| now < token.until).collect()
    }

    /// Accepts `token`, which an earlier process made, after those it was told before. Not if it would live longer than any that is made
    /// now, nor one too many.
    pub fn take_up(&self, token: MadeToken, now: Moment) -> bool {
        let mut held = self.held();
        let could_be = now < token.until && token.until <= now.plus(self.every * 2);
        let is_taken = could_be && held.earlier.len() < MOST_EARLIER;
        held.earlier.extend(is_taken.then_some(token));
        is_taken
    }

    /// Puts the token that was made into the file. It stays the next one if that fails.
    pub fn write(&self, now: Moment) {
        let _at_the_file = self.at_the_file();
        let next = {
            let held = self.held();
            held.next.as_ref().filter(|_| !held.rests).map(|(token, _)| token.clone())
        };
        let Some(token) = next else { return };
        #[expect(clippy::disallowed_methods, reason = "the file that is configured for it is where it belongs")]
        let written = self.place.write(token.expose_secret().as_bytes());
        let mut held = self.held();
        match written {
            Ok(mark) => {
                let Some((_, known)) = held.next.take() else { return };
                let older = held.newest.replace(Written { known, mark, at: now });
                held.before = older.map(|older| older.known);
                held.said = None;
                let path = self.place.path().display();
                tracing::info!(caller = self.caller, %path, "a fresh token of the caller was written");
            }
            Err(fault) => self.failed(&mut held, &fault.to_string()),
        }
    }

    /// What stays so is said once.
    fn failed(&self, held: &mut Held, why: &str) {
        if held.said.as_deref() != Some(why) {
            tracing::warn!(caller = self.caller, reason = why, "the caller's token could not be written");
            held.said = Some(why.to_owned());
        }
    }

    /// Is the newest one in the file?
    pub fn is_written(&self) -> bool {
        let held = self.held();
        held.newest.is_some() && held.next.is_none()
    }

    /// Leaves the file as it is from now on, but for a write that has begun: it may be that of the daemon that takes over, which
    /// notices.
    pub fn rest(&self) {
        self.held().rests = true;
    }

    /// Takes the file away, unless it is somebody else's by now: whoever reads it next is to find that of the next process.
    pub fn end(&self) {
        self.rest();
        let _at_the_file = self.at_the_file();
        let Some(mark) = self.held().newest.as_ref().map(|newest| newest.mark) else { return };
        if let Err(fault) = self.place.remove(mark) {
            tracing::warn!(caller = self.caller, reason = %fault, "the file of the caller's token could not be removed");
        }
    }

    fn at_the_file(&self) -> MutexGuard<'_, ()> {
        // There is nothing in it that could be broken.
        self.at_the_file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // What is held is whole at every point, so a poisoned lock has nothing broken behind it.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "generated_tests.rs"]
mod tests;
