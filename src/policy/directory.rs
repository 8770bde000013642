//! The configured callers with what identifies them now: the edge at which policy reads files and looks users up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::{Caller, Callers, Grant, TokenDigest};
use crate::clock::{Clock, Moment};
use crate::secret;

/// Files and users are looked at again after this, so a replaced token takes effect within it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// One caller as it is configured.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `callers.NAME`.
    pub name: String,
    /// What it may have.
    pub allow: Vec<Grant>,
    /// Where its token is.
    pub token: Option<Token>,
    /// Who it runs as.
    pub uid: Option<User>,
}

/// Where a caller's token is.
#[derive(Clone, Debug)]
pub enum Token {
    /// In a file.
    File(std::path::PathBuf),
    /// Only its digest is known.
    Digest(TokenDigest),
}

/// A user of this machine.
#[derive(Clone, Debug)]
pub enum User {
    /// By number.
    Id(u32),
    /// By name.
    Name(String),
}

/// Everyone who may ask, kept up to date.
#[derive(Debug)]
pub struct Directory {
    entries: Vec<Entry>,
    clock: Clock,
    known: Mutex<Option<(Moment, Arc<Callers>)>>,
}

impl Directory {
    /// The callers of `entries`.
    pub fn new(entries: Vec<Entry>, clock: Clock) -> Self {
        Self { entries, clock, known: Mutex::new(None) }
    }

    /// The callers as they are now, or were a second ago.
    pub fn current(&self) -> Arc<Callers> {
        let now = self.clock.now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((at, callers)) if now.since(*at) < LOOK_AGAIN => Arc::clone(callers),
            _ => {
                let callers = Arc::new(Callers(self.entries.iter().map(|entry| Arc::new(identified(entry))).collect()));
                *known = Some((now, Arc::clone(&callers)));
                callers
            }
        }
    }
}

fn identified(entry: &Entry) -> Caller {
    let token = entry.token.as_ref().map(|token| match token {
        Token::Digest(digest) => Some(*digest),
        Token::File(path) => match secret::read_file(path) {
            #[expect(clippy::disallowed_methods, reason = "only its digest is kept")]
            Ok(token) => Some(TokenDigest::of(token.expose_secret())),
            Err(cause) => {
                tracing::warn!(caller = entry.name, %cause, "the caller cannot be known by its token");
                None
            }
        },
    });
    let uid = entry.uid.as_ref().map(|user| user.id(&entry.name));
    Caller { name: entry.name.clone(), allow: entry.allow.clone(), token, uid }
}

impl User {
    /// The number; `None` if there is no such user, who then matches nobody.
    fn id(&self, caller: &str) -> Option<u32> {
        match self {
            Self::Id(id) => Some(*id),
            Self::Name(name) => {
                let user = nix::unistd::User::from_name(name).ok().flatten();
                if user.is_none() {
                    tracing::warn!(
                        caller,
                        user = name,
                        "there is no such user on this machine, so the caller cannot be known by it"
                    );
                }
                user.map(|user| user.uid.as_raw())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::policy::Presented;

    fn knows(directory: &Directory, token: &str) -> bool {
        directory.current().identify(&Presented { token: Some(TokenDigest::of(token)), uid: None }).is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_replaced_token_file_takes_effect_and_a_missing_one_matches_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("orders");
        let entry = Entry { name: "orders".into(), allow: vec![], token: Some(Token::File(path.clone())), uid: None };
        let directory = Directory::new(vec![entry], Clock::tokio(SystemTime::UNIX_EPOCH));
        assert!(!knows(&directory, ""));
        std::fs::write(&path, "first\n").unwrap();
        tokio::time::advance(LOOK_AGAIN).await;
        assert!(knows(&directory, "first"));
        std::fs::write(&path, "second").unwrap();
        tokio::time::advance(LOOK_AGAIN).await;
        assert!(knows(&directory, "second") && !knows(&directory, "first"));
    }

    #[tokio::test(start_paused = true)]
    async fn users_are_known_by_name_and_an_unknown_one_is_nobody() {
        let by_name =
            |name: &str| Entry { name: "x".into(), allow: vec![], token: None, uid: Some(User::Name(name.into())) };
        let is = |entry: Entry, uid: u32| {
            let directory = Directory::new(vec![entry], Clock::tokio(SystemTime::UNIX_EPOCH));
            directory.current().identify(&Presented { token: None, uid: Some(uid) }).is_some()
        };
        assert!(is(by_name("root"), 0));
        assert!(!is(by_name("no-such-user-here"), 0));
    }
}
