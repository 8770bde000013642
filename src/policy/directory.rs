//! The configured callers with what identifies them now: the edge at which policy reads files and looks users up.
//!
//! Both can hang, on a network file system or a directory service, so they happen beside the requests: a look at all callers
//! every second, of which requests see the last result.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::generated::{self, Generated, Known};
use super::proof::{Decoys, Prover};
use super::{Caller, Callers, Grant, MadeToken, TokenDigest};
use crate::clock::{Clock, Moment};
use crate::secret;

/// Files and users are looked at again after this, so a replaced token takes effect within it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A file system that does not let a file be removed within this hangs.
const LONGEST_END: Duration = Duration::from_secs(1);

/// One caller as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `callers.NAME`.
    pub name: String,
    /// What it may have.
    pub allow: Vec<Grant>,
    /// Where its token is.
    pub token: Option<Token>,
    /// The user it runs as.
    pub uid: Option<Id>,
    /// The group it runs as.
    pub gid: Option<Id>,
    /// The systemd unit it belongs to.
    pub unit: Option<Arc<str>>,
    /// How often it may ask.
    pub requests_per_second: Option<u32>,
}

/// Where a caller's token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// In a file.
    File(std::path::PathBuf),
    /// Only its digest is known.
    Digest(TokenDigest),
    /// The broker makes it, and puts it in a file.
    Generated(generated::Config),
}

/// A user or a group of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Id {
    /// By number.
    Number(u32),
    /// By name.
    Name(String),
}

/// Of what something is an id.
#[derive(Clone, Copy, Debug)]
enum Of {
    User,
    Group,
}

/// Everyone who may ask, kept up to date.
#[derive(Debug)]
pub struct Directory {
    watched: Arc<Vec<Watched>>,
    known: Arc<Mutex<Arc<Callers>>>,
    decoys: Arc<Decoys>,
    /// Held by whoever looks, also by the directory that takes over.
    looking: Turn,
}

/// Whose turn it is.
type Turn = Arc<tokio::sync::Mutex<()>>;

/// As long as this is held nobody looks, neither here nor in the directory that was before.
#[must_use]
#[derive(Debug)]
pub struct Pause(#[expect(dead_code, reason = "it is held")] Arc<OwnedMutexGuard<()>>);

/// A caller, and the tokens that are made for it.
#[derive(Debug)]
struct Watched {
    entry: Entry,
    generated: Option<Arc<Generated>>,
}

impl Directory {
    /// The callers of `entries`; nobody is known before the first [`Self::look`].
    pub fn new(entries: Vec<Entry>) -> Self {
        let watched = entries.into_iter().map(|entry| Watched::new(entry, &[])).collect();
        Self { watched: Arc::new(watched), known: Arc::default(), decoys: Arc::default(), looking: Turn::default() }
    }

    /// The callers of `entries` to take over from these, as they are now: who stays as configured keeps the tokens that were made for
    /// it. Nothing is written until the next [`Self::look`], and nobody looks before the pause is over.
    pub async fn succeeded_by(&self, entries: Vec<Entry>, now: Moment) -> (Self, Pause) {
        let turn = Arc::new(Arc::clone(&self.looking).lock_owned().await);
        // What is known of a caller that changes is no answer for the one that takes its name.
        let stays = |caller: &&Arc<Caller>| {
            let before = self.entries().find(|entry| entry.name == caller.name);
            before.is_some_and(|before| entries.contains(before))
        };
        let last = Callers(self.current().0.iter().filter(stays).cloned().collect());
        let watched: Vec<_> = entries.into_iter().map(|entry| Watched::new(entry, &self.watched)).collect();
        let known = Arc::new(Mutex::new(Arc::new(last)));
        let (decoys, looking) = (Arc::clone(&self.decoys), Arc::clone(&self.looking));
        let next = Self { watched: Arc::new(watched), known, decoys, looking };
        // A look that hangs has the turn until it is over, whoever waits for it: so there is never a second one.
        let pause = Pause(Arc::clone(&turn));
        next.identify(now, move |_| drop(turn)).await;
        (next, pause)
    }

    /// The callers as they were at the last look.
    pub fn current(&self) -> Arc<Callers> {
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What answers those who want to know whether we know their token.
    pub fn decoys(&self) -> &Decoys {
        &self.decoys
    }

    /// The names of the callers that may have `grant`.
    pub fn allowed(&self, grant: &Grant) -> Vec<String> {
        self.entries().filter(|entry| entry.allow.contains(grant)).map(|entry| entry.name.clone()).collect()
    }

    /// The names of the callers that have a uid or a unit to be known by, alone or beside a token.
    pub fn known_by_process(&self) -> Vec<String> {
        self.named(|entry| entry.uid.is_some() || entry.unit.is_some())
    }

    /// The names of those that have a unit.
    pub fn known_by_unit(&self) -> Vec<String> {
        self.named(|entry| entry.unit.is_some())
    }

    /// The units that callers are known by.
    pub fn units(&self) -> impl Iterator<Item = Arc<str>> {
        self.entries().filter_map(|entry| entry.unit.clone())
    }

    fn named(&self, which: impl Fn(&Entry) -> bool) -> Vec<String> {
        self.entries().filter(|entry| which(entry)).map(|entry| entry.name.clone()).collect()
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.watched.iter().map(|watched| &watched.entry)
    }

    fn generated(&self) -> impl Iterator<Item = &Generated> {
        self.watched.iter().filter_map(|watched| watched.generated.as_deref())
    }

    /// How many tokens that the broker makes are not in their files.
    pub fn unwritten(&self) -> usize {
        self.generated().filter(|generated| !generated.is_written()).count()
    }

    /// The tokens made here that the next process is to accept.
    pub fn made(&self, now: Moment) -> Vec<MadeToken> {
        self.generated().flat_map(|generated| generated.left(now)).collect()
    }

    /// Accepts those of `made` that are of its callers too, from now on. How many there are.
    pub async fn take_up(&self, made: Vec<MadeToken>, now: Moment) -> usize {
        let taken = made.into_iter().filter(|token| {
            let of = self.generated().find(|generated| generated.caller() == token.caller);
            of.is_some_and(|generated| generated.take_up(token.clone(), now))
        });
        let taken = taken.count();
        if taken > 0 {
            self.look(now).await;
        }
        taken
    }

    /// Looks at all files and users now, and makes and writes the tokens that are due.
    pub async fn look(&self, now: Moment) {
        let turn = Arc::clone(&self.looking).lock_owned().await;
        // After they are known: whoever reads one may ask with it at once.
        self.identify(now, move |generated| {
            generated.for_each(|generated| generated.write(now));
            drop(turn);
        })
        .await;
    }

    async fn identify(&self, now: Moment, then: impl FnOnce(&mut dyn Iterator<Item = &Generated>) + Send + 'static) {
        let (watched, known, before) = (Arc::clone(&self.watched), Arc::clone(&self.known), self.current());
        let look = move || {
            let callers = Callers(watched.iter().map(|watched| Arc::new(watched.identified(&before, now))).collect());
            *known.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(callers);
            then(&mut watched.iter().filter_map(|watched| watched.generated.as_deref()));
        };
        // The only way to fail is a panic in it, after which the last result stands.
        let _ = tokio::task::spawn_blocking(look).await;
    }

    /// Looks again and again.
    pub async fn keep_looking(self: Arc<Self>, clock: Clock) {
        loop {
            clock.sleep_until(clock.now().plus(LOOK_AGAIN)).await;
            tokio::select! {
                () = self.look(clock.now()) => {},
                () = self.keep_ends(&clock) => {},
            }
        }
    }

    /// Tokens of earlier processes end when they end, also while a look hangs.
    async fn keep_ends(&self, clock: &Clock) {
        loop {
            self.retire(clock.now());
            clock.sleep_until(clock.now().plus(LOOK_AGAIN)).await;
        }
    }

    fn retire(&self, now: Moment) {
        let ended: Vec<TokenDigest> = self.generated().flat_map(|generated| generated.ended(now)).collect();
        if !ended.is_empty() {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            *known = Arc::new(known.without(&ended));
        }
    }

    /// Writes no token any more.
    pub fn rest(&self) {
        self.generated().for_each(Generated::rest);
    }

    /// Takes the files of the tokens away that the broker made; where another directory has taken over, those that are not its own.
    pub async fn end(&self, next: Option<&Self>) {
        let goes_on = |one: &Arc<Generated>| {
            let others = next.into_iter().flat_map(|next| next.watched.iter());
            others.filter_map(|watched| watched.generated.as_ref()).any(|other| Arc::ptr_eq(one, other))
        };
        let made = self.watched.iter().filter_map(|watched| watched.generated.as_ref());
        let ended: Vec<_> = made.filter(|one| !goes_on(one)).cloned().collect();
        let end = move || ended.iter().for_each(|generated| generated.end());
        let _ = tokio::time::timeout(LONGEST_END, tokio::task::spawn_blocking(end)).await;
    }
}

impl Watched {
    /// `entry`, with the tokens that were made for it `before`, if it is made in the same way.
    fn new(entry: Entry, before: &[Self]) -> Self {
        let is_same = |before: &&Self| before.entry.name == entry.name && before.entry.token == entry.token;
        let generated = match &entry.token {
            Some(Token::Generated(config)) => {
                let kept = before.iter().find(is_same).and_then(|before| before.generated.clone());
                Some(kept.unwrap_or_else(|| Arc::new(Generated::new(&entry.name, config))))
            }
            _ => None,
        };
        Self { entry, generated }
    }

    /// The caller as it is now.
    fn identified(&self, before: &Callers, now: Moment) -> Caller {
        let Entry { name, allow, token, uid, gid, unit, requests_per_second: _ } = &self.entry;
        let last = before.0.iter().find(|caller| caller.name == *name).map(Arc::as_ref);
        let (tokens, provers) = match token {
            Some(token) => self.known_by(token, last, now),
            None => (None, Vec::new()),
        };
        let uid = uid.as_ref().map(|id| id.number(Of::User, name, last.map(|last| last.uid)));
        let gid = gid.as_ref().map(|id| id.number(Of::Group, name, last.map(|last| last.gid)));
        Caller { name: name.clone(), allow: allow.clone(), tokens, provers, uid, gid, unit: unit.clone() }
    }

    /// What is known of its token. What stays unreadable is said once, not at every look.
    fn known_by(&self, token: &Token, last: Option<&Caller>, now: Moment) -> (Option<Vec<TokenDigest>>, Vec<Prover>) {
        let mut earlier = Vec::new();
        let known: Vec<Known> = match token {
            Token::Digest(digest) => return (Some(vec![*digest]), Vec::new()),
            Token::Generated(_) => {
                self.generated.iter().for_each(|generated| generated.prepare(now));
                earlier = self.generated.iter().flat_map(|generated| generated.earlier(now)).collect();
                self.generated.iter().flat_map(|generated| generated.accepted()).collect()
            }
            Token::File(path) => match secret::read_file(path) {
                Ok(token) => vec![Known::of(&token)],
                // Out of descriptors, or an ailing disk: what it was a second ago it most likely still is.
                Err(cause) if cause.is_passing() => {
                    let last = last.map(|last| (last.tokens.clone(), last.provers.clone()));
                    return last.unwrap_or_else(|| (Some(Vec::new()), Vec::new()));
                }
                Err(cause) => {
                    if last.is_none_or(|last| last.tokens != Some(Vec::new())) {
                        tracing::warn!(caller = self.entry.name, %cause, "the caller cannot be known by its token");
                    }
                    Vec::new()
                }
            },
        };
        let (mut tokens, provers): (Vec<_>, _) = known.into_iter().map(|known| (known.digest, known.prover)).unzip();
        tokens.append(&mut earlier);
        (Some(tokens), provers)
    }
}

impl Id {
    /// The number; `None` if there is none of that name, which then matches nobody. While names cannot be looked up at all, the
    /// `last` answer stands, if there was a look before.
    fn number(&self, of: Of, caller: &str, last: Option<Option<Option<u32>>>) -> Option<u32> {
        let name = match self {
            Self::Number(number) => return Some(*number),
            Self::Name(name) => name,
        };
        match of.number(name) {
            Ok(Some(number)) => Some(number),
            Ok(None) => {
                if last.is_none_or(|last| last != Some(None)) {
                    let what = of.word();
                    tracing::warn!(
                        caller,
                        what,
                        name,
                        "there is none of that name on this machine: the caller cannot be known by it"
                    );
                }
                None
            }
            Err(_) => last.flatten().flatten(),
        }
    }
}

impl Of {
    fn number(self, name: &str) -> nix::Result<Option<u32>> {
        match self {
            Self::User => Ok(nix::unistd::User::from_name(name)?.map(|user| user.uid.as_raw())),
            Self::Group => Ok(nix::unistd::Group::from_name(name)?.map(|group| group.gid.as_raw())),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Presented, Process};

    fn known_by(token: Option<Token>, uid: Option<Id>, gid: Option<Id>) -> Entry {
        Entry { name: "orders".into(), allow: vec![], token, uid, gid, unit: None, requests_per_second: None }
    }

    fn shown(token: &str) -> Presented {
        Presented { token: Some(TokenDigest::of(token)), process: Process::default() }
    }

    async fn knows(directory: &Directory, token: &str) -> bool {
        directory.look(Clock::system().now()).await;
        directory.current().identify(&shown(token)).is_some()
    }

    #[tokio::test]
    async fn a_replaced_token_file_takes_effect_and_a_missing_one_matches_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("orders");
        let entry = known_by(Some(Token::File(path.clone())), None, None);
        let directory = Directory::new(vec![entry]);
        assert!(!knows(&directory, "").await);
        std::fs::write(&path, "first\n").unwrap();
        assert!(knows(&directory, "first").await);
        std::fs::write(&path, "second").unwrap();
        assert!(knows(&directory, "second").await && !knows(&directory, "first").await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_of_an_earlier_process_ends_also_while_a_look_hangs() {
        let dir = tempfile::tempdir().unwrap();
        let every = Duration::from_secs(3_600);
        let config = generated::Config { path: dir.path().join("orders"), mode: 0o400, group: None, every };
        let directory = Arc::new(Directory::new(vec![known_by(Some(Token::Generated(config)), None, None)]));
        let clock = Clock::tokio(std::time::UNIX_EPOCH);
        let until = clock.now().plus(every);
        let made = MadeToken { caller: "orders".into(), digest: TokenDigest::of("earlier"), until };
        assert_eq!(directory.take_up(vec![made], clock.now()).await, 1);
        let knows = || directory.current().identify(&shown("earlier")).is_some();

        // Whoever has the turn keeps it.
        let _hanging = Arc::clone(&directory.looking).lock_owned().await;
        let looking = tokio::spawn(Arc::clone(&directory).keep_looking(clock.clone()));
        clock.sleep_until(until.minus(LOOK_AGAIN)).await;
        assert!(knows());
        clock.sleep_until(until.plus(LOOK_AGAIN * 2)).await;
        assert!(!knows());
        looking.abort();
    }

    #[test]
    fn it_tells_who_is_known_by_what_and_may_have_what() {
        let grant = Grant::Token("billing".into());
        let root = Some(Id::Name("root".into()));
        let entry = |name: &str| Entry { name: name.into(), ..known_by(None, None, None) };
        let directory = Directory::new(vec![
            Entry { allow: vec![grant.clone()], token: Some(Token::Digest(TokenDigest::of("t"))), ..entry("by-token") },
            Entry { uid: root, ..entry("by-uid") },
            Entry { unit: Some("a.service".into()), ..entry("by-unit") },
        ]);
        assert_eq!(directory.allowed(&grant), ["by-token"]);
        assert_eq!(directory.known_by_process(), ["by-uid", "by-unit"]);
        assert_eq!(directory.known_by_unit(), ["by-unit"]);
        assert_eq!(directory.units().collect::<Vec<_>>(), ["a.service".into()]);
    }

    #[tokio::test]
    async fn users_and_groups_are_known_by_name_and_an_unknown_one_is_nobody() {
        let root = Process { uid: Some(0), gid: Some(0), ..Process::default() };
        for (name, known) in [("root", true), ("no-such-name-here", false)] {
            let id = || Some(Id::Name(name.into()));
            for entry in [known_by(None, id(), None), known_by(None, None, id())] {
                let directory = Directory::new(vec![entry]);
                directory.look(Clock::system().now()).await;
                let presented = Presented { token: None, process: root.clone() };
                assert_eq!(directory.current().identify(&presented).is_some(), known, "{name}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_looks_again_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("orders");
        let entry = known_by(Some(Token::File(path.clone())), None, None);
        let directory = Arc::new(Directory::new(vec![entry]));
        let looking = tokio::spawn(Arc::clone(&directory).keep_looking(Clock::tokio(std::time::UNIX_EPOCH)));
        std::fs::write(&path, "token").unwrap();
        while directory.current().identify(&shown("token")).is_none() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        looking.abort();
    }
}
