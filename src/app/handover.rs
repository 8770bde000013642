//! What goes from one process to the next, leases above all: what is taken up at the start, and what is left with systemd while this one runs.
//!
//! It is left whenever it has changed, at most once a second, so that a process that is killed leaves it too. There are two places
//! for it in turn: the new one is there before the old one goes.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Outside;
use super::definitions::definitions;
use crate::clock::{Clock, Moment};
use crate::config::Config;
use crate::environment::Environment;
use crate::file;
use crate::handover::form::Left;
use crate::handover::{Surroundings, Unfit, form, sealed};
use crate::http::Surface;
use crate::http::listen::Inherited;
use crate::ops::systemd;
use crate::policy::MadeToken;
use crate::refresh::Carried;
use crate::source::Ask;

/// What systemd calls it, in turn.
const PLACES: [&str; 2] = ["credbroker-leases-0", "credbroker-leases-1"];
/// systemd takes the three messages within this.
const PATIENCE: Duration = Duration::from_secs(4);
/// The kernel's name for this run of the machine. Not there in a sandbox that hides it; then the moments alone have to fit.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
/// What is held, told apart without a value: each lease by its entry, its variation and when it was issued; and what was made.
type Outline = (Vec<(String, Ask, bool, Moment)>, Vec<MadeToken>);

/// What is on its way from the last process to the next one.
#[derive(Debug)]
pub struct Handover {
    surroundings: Arc<Surroundings>,
    clock: Clock,
    store: Option<systemd::Store>,
    /// What the last process has left, and where.
    left: Vec<(usize, std::io::Result<File>)>,
    /// Where the next one goes.
    next: usize,
    there: Option<Outline>,
    /// Is there more than is carried?
    is_full: bool,
}

impl Handover {
    /// Between the processes that run with `config`. Takes what was `inherited` of it.
    pub fn new(config: &Config, inherited: &mut Inherited, outside: &Outside) -> Self {
        let left = PLACES.iter().enumerate();
        let left = left.flat_map(|(place, name)| inherited.kept(name).into_iter().map(move |file| (place, file)));
        let left: Vec<_> = left.collect();
        let store = systemd::Store::of(&outside.environment);
        if store.as_ref().is_some_and(|store| !has_room(store)) {
            tracing::warn!("FileDescriptorStoreMax= is too small to carry leases across a restart; set it to 2");
        }
        let mut this = Self {
            // What could not be taken out of the store again would come back at each start, as old as it is.
            left: if store.is_some() { left } else { Vec::new() },
            surroundings: Arc::default(),
            clock: outside.clock.clone(),
            store,
            next: 0,
            there: None,
            is_full: false,
        };
        this.configure(config, &outside.environment);
        this
    }

    /// From now on what is left is that of `config`.
    pub fn configure(&mut self, config: &Config, environment: &Environment) {
        let surroundings = Surroundings { boot: boot(), definitions: definitions(config, environment) };
        (self.surroundings, self.there) = (Arc::new(surroundings), None);
    }

    /// Puts what the last process has left into `surface`.
    pub async fn take_up(&mut self, surface: &Surface) {
        let mut newest: Option<(usize, form::Read)> = None;
        for (place, file) in std::mem::take(&mut self.left) {
            match read(file, &self.surroundings, self.clock.now()) {
                Ok(read) if newest.as_ref().is_none_or(|(_, other)| other.at < read.at) => newest = Some((place, read)),
                Ok(_) => {}
                Err(unfit) => tracing::warn!(reason = %unfit, "what systemd kept of the last process is not used"),
            }
        }
        if let Some(small) = self.store.as_ref().filter(|store| !has_room(store)) {
            // Nothing will replace it.
            PLACES.iter().for_each(|place| drop(small.forget(place)));
        }
        let Some((place, form::Read { left, left_out, .. })) = newest else { return };
        let found = left.len();
        let leases = surface.store.take_up(left.held);
        let key_sets = surface.issuers.take_up(left.key_sets);
        let caller_tokens = surface.callers.take_up(left.made, self.clock.now()).await;
        let left_out = left_out + found - leases - key_sets - caller_tokens;
        tracing::info!(leases, left_out, caller_tokens, key_sets, "what the last process has left is held");
        // What is there is good until something changes.
        self.next = (place + 1) % PLACES.len();
    }

    /// Leaves with systemd what `surface` holds, if it is something else than what is there.
    pub async fn leave(&mut self, surface: &Surface) {
        let Some(systemd) = self.store.clone().filter(has_room) else { return };
        let (held, key_sets) = (surface.store.held(), surface.issuers.carried());
        let left = Left { held, key_sets, made: surface.callers.made(self.clock.now()) };
        let outline = outline(&left);
        if self.there.as_ref() == Some(&outline) {
            return;
        }
        let (new, old) = (PLACES[self.next], PLACES[(self.next + 1) % PLACES.len()]);
        let (surroundings, now) = (Arc::clone(&self.surroundings), self.clock.now());
        // systemd may be busy; whoever asks for a token does not wait for it.
        let telling = tokio::task::spawn_blocking(move || {
            // What is there already under the new one's name is older than the other.
            systemd.forget(new)?;
            let mut without_room = 0;
            if !left.is_empty() {
                let (content, left_out) = form::write(&left, &surroundings, now);
                systemd.keep(new, &sealed::sealed(&content)?)?;
                without_room = left_out;
            }
            systemd.forget(old)?;
            Ok::<_, std::io::Error>(without_room)
        });
        let told = tokio::time::timeout(PATIENCE, telling).await;
        match told {
            Ok(Ok(Ok(without_room))) => {
                self.warn_where_full(without_room);
                self.next = (self.next + 1) % PLACES.len();
                self.there = Some(outline);
            }
            Ok(Ok(Err(cause))) => tracing::warn!(%cause, "leases could not be left with systemd"),
            Ok(Err(_)) | Err(_) => tracing::warn!("systemd does not take the leases in time"),
        }
    }

    /// Says once that there is more than is carried.
    fn warn_where_full(&mut self, without_room: usize) {
        if without_room > 0 && !self.is_full {
            tracing::warn!(
                without_room,
                "more is held than is carried across a restart; the rest will be fetched anew after one"
            );
        }
        self.is_full = without_room > 0;
    }
}

/// Is there room for what is left, while something else is there?
fn has_room(store: &systemd::Store) -> bool {
    store.room >= PLACES.len()
}

fn read(file: std::io::Result<File>, surroundings: &Surroundings, now: Moment) -> Result<form::Read, Unfit> {
    let file = file.map_err(|cause| Unfit::Unreadable(cause.kind()))?;
    form::read(&sealed::content(&file)?, surroundings, now)
}

fn outline(left: &Left) -> Outline {
    fn known<T>(carried: &Carried<T>) -> (String, Ask, bool, Moment) {
        (carried.name.clone(), carried.ask.clone(), carried.asked, carried.lease.issued_at)
    }
    let Left { held, key_sets, made } = left;
    let leases = held.tokens.iter().map(known).chain(held.credentials.iter().map(known));
    (leases.chain(key_sets.iter().map(known)).collect(), made.clone())
}

fn boot() -> String {
    let id = file::read(Path::new(BOOT), 64).ok();
    id.and_then(|id| String::from_utf8(id.to_vec()).ok()).unwrap_or_default().trim().to_owned()
}
