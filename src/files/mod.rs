//! Files that are kept fresh: a token or credentials, for programs that read a file and know nothing else.
//!
//! A file is filled from an entry that is always kept, and is replaced as a whole whenever the entry is renewed. What is promised of it:
//!
//! 1. A reader finds the old content or the new one, whole, with the configured mode and group, and no file in between.
//! 2. Nothing that has expired stays in it: when the value ends and there is no newer one, the file is removed, and a reader fails
//!    at once and clearly. An earlier value is never displaced by a failure.
//! 3. Whatever cannot be done (a directory that is gone, a full disk, a group that is unknown) is in the log and the status, is tried again
//!    within seconds, and concerns no other file.
//! 4. It is written anew if somebody else removes or changes it, within [`standing::LOOK_AGAIN`]. While there is nothing to write,
//!    one that only changed hands or mode is still removed at its end; other content is somebody else's, and stays.
//! 5. It stays when the daemon ends, and the next run replaces it; one that ends meanwhile is removed by the next run.
//!
//! [`content`] is what stands in it, [`crate::place`] the disk, [`standing`] decides and [`keeper`] acts. There is no caller and so no permit: the
//! configuration itself lets the value out, and `app` hands the entry over, as to a later stage of a chain.

pub mod content;
mod fault;
pub mod keeper;
pub mod standing;
mod what;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::JoinHandle;

pub use content::{CredentialsFormat, TokenFormat};
pub use what::What;

use crate::clock::{Clock, Moment};
use crate::ops::audit::Audit;
use crate::place::{Group, Place};
use keeper::Keeper;
use standing::{Doing, State, Trouble};

/// One file as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What is in it.
    pub of: Of,
    /// Where it is: an absolute path that ends in a name.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// Its group; that which the directory or the daemon has, where none is named.
    pub group: Option<Group>,
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// `tokens.NAME`.
    Token(String, TokenFormat),
    /// `credentials.NAME`.
    Credentials(String, CredentialsFormat),
}

/// Every file of the configuration.
#[derive(Debug, Default)]
pub struct Files(Vec<Keeper>);

/// The tasks that keep files.
#[derive(Debug, Default)]
pub struct Keeping(Vec<Kept>);

#[derive(Debug)]
struct Kept {
    keeper: Keeper,
    task: JoinHandle<()>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a file looks like from outside. Holds no value.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its full name.
    pub name: String,
    /// The full name of what is in it.
    pub of: String,
    /// As the configuration writes it.
    pub format: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// Its group, where one is configured.
    pub group: Option<String>,
    /// How it stands.
    pub state: State,
    /// When it was written, on the wall clock, and when what is in it ends; where it is there.
    pub life: Option<(SystemTime, Moment)>,
    /// Why it is not as it should be.
    pub trouble: Option<Trouble>,
}

impl Files {
    /// The files `named`, each with what is in it and where it is. One that is as it was among those `before` goes on as it stands;
    /// of the others nothing is written yet.
    pub fn new(
        named: impl IntoIterator<Item = (String, What, Place)>,
        clock: &Clock,
        audit: &Audit,
        before: Option<&Self>,
    ) -> Self {
        let before = || before.into_iter().flat_map(|before| &before.0);
        let keeper = |(name, what, place): (String, What, Place)| {
            let name: Arc<str> = format!("files.{name}").into();
            let is_it = |other: &&Keeper| other.name == name && *other.place == place && other.what.is(&what);
            if let Some(kept) = before().find(is_it) {
                return kept.clone();
            }
            let (standing, stop) = (Arc::default(), Arc::default());
            Keeper { name, what, place: Arc::new(place), standing, stop, clock: clock.clone(), audit: audit.clone() }
        };
        Self(named.into_iter().map(keeper).collect())
    }

    /// How many are not there with something valid in them.
    pub fn missing(&self) -> usize {
        self.0.iter().filter(|keeper| !matches!(keeper.state(), State::Written | State::Stale)).count()
    }

    /// What they look like from outside, in the order of the names.
    pub fn reports(&self) -> Vec<Report> {
        self.0.iter().map(Keeper::report).collect()
    }
}

impl Keeping {
    /// From now on `files` are kept, until this is dropped: those that are kept already go on, and of the others the file is taken
    /// away, unless its place is that of one of `files`. When this is dropped, they stay.
    pub fn turn_to(&mut self, files: &Files) {
        let before = std::mem::take(&mut self.0).into_iter();
        let (kept, mut left): (Vec<_>, Vec<_>) =
            before.partition(|kept| files.0.iter().any(|one| one.is(&kept.keeper)));
        self.0 = kept;
        for keeper in &files.0 {
            if self.0.iter().any(|kept| kept.keeper.is(keeper)) {
                continue;
            }
            let there = left.iter().position(|other| other.keeper.place.path() == keeper.place.path());
            let (keeper, before) = (keeper.clone(), there.map(|at| left.swap_remove(at)));
            let task = tokio::spawn(keeper.clone().keep_after(before));
            self.0.push(Kept { keeper, task });
        }
        for mut other in left {
            tokio::spawn(async move {
                other.stopped().await;
                other.keeper.leave().await;
            });
        }
    }
}

impl Kept {
    /// Returns when it acts no more, whatever it is doing now.
    async fn stopped(&mut self) {
        self.keeper.stop.notify_one();
        // A panic in it is its end, too.
        let _ = (&mut self.task).await;
    }
}

impl Keeper {
    /// Keeps the file when `before` does no longer: two never act in one place.
    async fn keep_after(self, before: Option<Kept>) {
        if let Some(mut before) = before {
            before.stopped().await;
        }
        self.keep().await;
    }

    fn state(&self) -> State {
        let held = self.what.held().map(|held| held.issued_at());
        self.standing().state(held, self.clock.now())
    }

    fn report(&self) -> Report {
        let state = self.state();
        let (there, own) = {
            let standing = self.standing();
            (standing.there().copied(), standing.trouble().cloned())
        };
        Report {
            name: self.name.to_string(),
            of: self.what.name().to_owned(),
            format: self.what.format(),
            path: self.place.path().to_owned(),
            mode: self.place.mode(),
            group: self.place.group().map(ToString::to_string),
            state,
            // One that is being taken away at this moment is gone.
            life: there.filter(|_| state != State::Absent).map(|there| (there.written_at, there.expiry)),
            trouble: own.or_else(|| if state == State::Written { None } else { self.sources_trouble() }),
        }
    }

    /// Why there is nothing newer to write.
    fn sources_trouble(&self) -> Option<Trouble> {
        let trouble = self.what.trouble()?;
        Some(Trouble {
            doing: Doing::Write,
            message: format!("{} cannot be had: {}", self.what.name(), trouble.failure.message),
            attempts: trouble.attempts,
            since: trouble.since,
            retry_at: trouble.retry_at,
        })
    }
}
