//! The audit log: one line for each decision about a credential. Who asked and how they were known, what for, what they got, and
//! how it is called where it came from; never the credential itself, of which a keyed hash stands there ([`Fingerprint`]).
//!
//! It is apart from the diagnostic log and says nothing else. Nobody waits for it to be read: lines go through a queue, and what has
//! no room there is lost, counted and said ([`super::lines`]). What strangers cause may take half of that room at most, so that
//! they cannot displace what is said of callers.

mod fingerprint;
mod journal;
mod record;
mod sink;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use fingerprint::{Fingerprint, Key};
pub use record::{Event, Known, Outcome, Record};

use super::lines::{Lines, ROOM};
use crate::clock::Clock;
use crate::current::Current;
use crate::environment::Environment;
use crate::secret::{self, Secret};
use sink::{Journal, LogFile, Stdout, Told};

/// Where journald takes messages (systemd-journald.service(8)).
const JOURNAL: &str = "/run/systemd/journal/socket";
/// What no caller has caused takes no more of the queue than this, in bytes.
const ROOM_OF_STRANGERS: usize = ROOM / 2;

/// `[audit]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Where the lines go.
    pub to: To,
    /// The key of the fingerprints; a random one for each start, where none is named.
    pub key: Option<Secret>,
}

/// Where the lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum To {
    /// To standard output.
    #[default]
    Stdout,
    /// To journald.
    Journald,
    /// To a file.
    File(PathBuf),
    /// Nowhere.
    Off,
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::Journald => f.write_str("journald"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Off => f.write_str("off"),
        }
    }
}

/// Why there can be no audit log.
#[derive(Debug, thiserror::Error)]
pub enum CannotAudit {
    /// The key of the fingerprints cannot be read.
    #[error("audit.key: {0}")]
    Key(#[from] secret::Unreadable),
    /// It is no key.
    #[error("audit.key: the {0} holds less than 32 characters; make one with `openssl rand -hex 32`")]
    Short(String),
    /// The system has no thread, descriptor or random number for it.
    #[error("audit: the log to {to} cannot be opened: {cause}")]
    System {
        /// Where it goes.
        to: String,
        /// What the system says.
        cause: io::Error,
    },
}

/// The audit log. Cloning shares it. By default it is off.
#[derive(Clone, Debug, Default)]
pub struct Audit(Current<Option<Open>>);

/// An audit log that is open, and not in use yet.
#[derive(Debug)]
pub struct Reopened(Option<Open>);

#[derive(Debug)]
struct Open {
    to: To,
    lines: Lines,
    key: Key,
    /// Was the key made here?
    is_random: bool,
    clock: Clock,
}

impl Drop for Open {
    fn drop(&mut self) {
        // Whoever writes a line holds this meanwhile, so there is none to come.
        self.lines.close();
    }
}

impl Audit {
    /// Opens the log that `config` describes. A file that cannot be written is no reason not to start: that is said, and tried again.
    ///
    /// # Errors
    /// [`CannotAudit`].
    pub fn open(config: &Config, environment: &Environment, clock: &Clock) -> Result<Self, CannotAudit> {
        Ok(Self(Current::new(Open::with_journal_at(Path::new(JOURNAL), config, environment, clock)?)))
    }

    /// The log that `config` describes, opened, where that is another one or its key has changed; `None` if all stays.
    ///
    /// # Errors
    /// [`CannotAudit`].
    pub fn changed(
        &self,
        config: &Config,
        environment: &Environment,
        clock: &Clock,
    ) -> Result<Option<Reopened>, CannotAudit> {
        let open = self.0.get();
        let stays = match (open.as_ref(), &config.to) {
            (None, To::Off) => true,
            (None, _) => false,
            (Some(open), to) => open.to == *to && open.has_key(config.key.as_ref(), environment)?,
        };
        if stays {
            return Ok(None);
        }
        Open::with_journal_at(Path::new(JOURNAL), config, environment, clock).map(|opened| Some(Reopened(opened)))
    }

    /// From now on lines go there. Those that wait are written where they were to go.
    pub fn follow(&self, reopened: Reopened) {
        self.0.replace(reopened.0);
    }

    /// The fingerprint of a credential, where anything is said at all.
    pub fn fingerprint(&self, of: impl FnOnce(&Key) -> Fingerprint) -> Option<Fingerprint> {
        self.0.get().as_ref().as_ref().map(|open| of(&open.key))
    }

    /// Writes a line.
    pub fn write(&self, record: &Record<'_>) {
        if let Some(open) = self.0.get().as_ref() {
            open.write(record);
        }
    }

    /// Where the lines go, and how many of them were lost.
    pub fn standing(&self) -> (String, u64) {
        let off = || (To::Off.to_string(), 0);
        self.0.get().as_ref().as_ref().map_or_else(off, |open| (open.to.to_string(), open.lines.lost()))
    }

    /// Waits until everything is written, but not for long.
    pub fn finish(&self) {
        if let Some(open) = self.0.get().as_ref() {
            open.lines.finish();
        }
    }
}

impl Open {
    /// What `config` describes; `None` where that is no log.
    fn with_journal_at(
        journal: &Path,
        config: &Config,
        environment: &Environment,
        clock: &Clock,
    ) -> Result<Option<Self>, CannotAudit> {
        let system = |cause| CannotAudit::System { to: config.to.to_string(), cause };
        let opened = match &config.to {
            To::Off => return Ok(None),
            To::Stdout => Stdout::new().and_then(|stdout| Lines::to("audit", Told::new(&config.to, stdout))),
            To::Journald => Journal::at(journal).and_then(|journal| Lines::to("audit", Told::new(&config.to, journal))),
            To::File(path) => Lines::to("audit", Told::new(&config.to, LogFile::at(path))),
        };
        let key = match &config.key {
            Some(place) => Key::read(place, environment)?,
            None => Key::random().map_err(system)?,
        };
        let lines = opened.map_err(system)?;
        let is_random = config.key.is_none();
        Ok(Some(Self { to: config.to.clone(), lines, key, is_random, clock: clock.clone() }))
    }

    /// Is its key the one at `place`, or one that was made here where there is none?
    fn has_key(&self, place: Option<&Secret>, environment: &Environment) -> Result<bool, CannotAudit> {
        match place {
            None => Ok(self.is_random),
            Some(place) => Ok(!self.is_random && Key::read(place, environment)?.is_same(&self.key)),
        }
    }

    fn write(&self, record: &Record<'_>) {
        let record = Record { time: self.clock.wall(), ..*record };
        let line = if self.to == To::Journald { journal::message(&record) } else { record.line() };
        self.lines.put(line, if record.caller.is_some() { ROOM } else { ROOM_OF_STRANGERS });
    }
}

#[cfg(test)]
mod tests;
