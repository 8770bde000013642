//! In which systemd unit a peer's process is, where callers are known by that: [`process`] says the path of its cgroup on a unix
//! socket, the socket table its id over TCP, [`tree`] where cgroups with which id are, and [`crate::policy::unit`] whose a path is.
//!
//! - On a unix socket it is the unit in which the process that connected is when its connection is accepted.
//! - Over TCP it is the unit in which the socket was made: the id stays with it, wherever its process goes.
//!
//! It is asked once for each connection, after the uid, and only where some caller is known by unit. Every doubt leaves the unit
//! unknown.
//!
//! What ids were found at is kept, and held against the tree at each use: a cgroup that was removed has no directory of that
//! number. An id that is not kept may be that of a unit that was started again, whose place is known and looked at, and else of
//! one that is new: then the tree is looked through. That is a matter of half a millisecond, but whoever may make cgroups may
//! come from a new one each time; so the ids of strangers are kept as well, and looking takes no more than a tenth of the time.

pub mod process;
mod tree;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::listen::Socketed;
use super::socket_table;
use crate::clock::{Clock, Moment};
use crate::policy::unit;
use tree::{Place, Tree};

/// So many ids of strangers are kept, and then begun with anew.
const MOST_STRANGERS: usize = 4096;
/// After a look, as many times as long as it took is left to other things.
const REST: u32 = 9;
/// How far ahead of that the looks may be: a machine starts many units at once.
const AHEAD: Duration = Duration::from_secs(1);

/// The units that callers are known by.
#[derive(Debug)]
pub struct Units {
    wanted: BTreeSet<Arc<str>>,
    tree: Option<Tree>,
    clock: Clock,
    seen: Mutex<Seen>,
}

/// What was seen of the tree.
#[derive(Debug)]
struct Seen {
    cgroups: HashMap<u64, Place>,
    homes: BTreeMap<Arc<str>, PathBuf>,
    strangers: HashSet<u64>,
    pace: Pace,
}

/// How often the tree is looked through.
#[derive(Clone, Copy, Debug)]
struct Pace {
    paid_until: Moment,
}

impl Units {
    /// The units of `wanted`; `None` where that is none, so that nothing is asked for them.
    pub fn new(wanted: impl IntoIterator<Item = Arc<str>>, clock: Clock) -> Option<Arc<Self>> {
        let wanted: BTreeSet<_> = wanted.into_iter().collect();
        if wanted.is_empty() {
            return None;
        }
        Some(Arc::new(Self::among(wanted, Tree::of_machine().ok(), clock)))
    }

    fn among(wanted: BTreeSet<Arc<str>>, tree: Option<Tree>, clock: Clock) -> Self {
        let found = tree.as_ref().map(|tree| tree.look(&wanted)).unwrap_or_default();
        let pace = Pace { paid_until: clock.now() };
        let seen = Seen { cgroups: found.cgroups, homes: found.homes, strangers: HashSet::new(), pace };
        Self { wanted, tree, clock, seen: Mutex::new(seen) }
    }

    /// The unit of the process that connected to a unix socket.
    pub fn of_peer(&self, socket: impl AsFd) -> Option<Arc<str>> {
        let path = process::cgroup_of_peer(socket)
            .inspect_err(|doubt| tracing::debug!(%doubt, "the unit of a caller on a unix socket is not known"))
            .ok()?;
        self.wanted.get(unit::of_cgroup(&path)?).cloned()
    }

    /// The unit whose cgroup, or one below it, has this id.
    pub fn of_cgroup(&self, id: u64) -> Option<Arc<str>> {
        let tree = self.tree.as_ref()?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.strangers.contains(&id) {
            return None;
        }
        if !seen.cgroups.contains_key(&id) && !seen.came_home(tree, id) {
            self.look(tree, &mut seen)?;
        }
        match seen.cgroups.get(&id) {
            Some(place) => (tree.id(&place.path) == Some(id)).then(|| Arc::clone(&place.unit)),
            None => {
                seen.is_strange(id);
                None
            }
        }
    }

    /// Looks through the tree; `None` if that was done too much of late.
    fn look(&self, tree: &Tree, seen: &mut Seen) -> Option<()> {
        let began = self.clock.now();
        if !seen.pace.is_free(began) {
            tracing::debug!("the unit of a caller over TCP is not known: units were looked for too often of late");
            return None;
        }
        let found = tree.look(&self.wanted);
        seen.cgroups = found.cgroups;
        seen.homes.extend(found.homes);
        seen.pace.took(began, self.clock.now());
        Some(())
    }
}

impl Seen {
    /// Is `id` that of a unit at the place where it was before?
    fn came_home(&mut self, tree: &Tree, id: u64) -> bool {
        let home = self.homes.iter().find(|(_, path)| tree.id(path) == Some(id));
        let Some((unit, path)) = home else { return false };
        let place = Place { unit: Arc::clone(unit), path: path.clone() };
        self.cgroups.retain(|_, other| other.path != place.path);
        self.cgroups.insert(id, place);
        true
    }

    fn is_strange(&mut self, id: u64) {
        if self.strangers.len() >= MOST_STRANGERS {
            self.strangers.clear();
        }
        self.strangers.insert(id);
    }
}

impl Pace {
    fn is_free(self, now: Moment) -> bool {
        self.paid_until.since(now) <= AHEAD
    }

    fn took(&mut self, began: Moment, ended: Moment) {
        self.paid_until = self.paid_until.max(began).plus(ended.since(began) * (REST + 1));
    }
}

/// Says in the log at which of `sockets` the `callers`, who are known by unit, will be unknown, and what to do. Where the socket
/// table cannot be used at all, [`socket_table::warn_where_blind`] says so.
pub fn warn_where_blind(sockets: &[Arc<Socketed>], callers: &[String]) {
    if callers.is_empty() {
        return;
    }
    let callers = callers.join(", ");
    for socket in sockets {
        let listener = socket.name();
        match &**socket {
            Socketed::Tcp(tcp, _) => {
                let Some(doubt) = over_tcp(socket_table::tells_cgroups(tcp), Tree::of_machine().map(drop)) else {
                    continue;
                };
                tracing::warn!(
                    listener,
                    callers,
                    doubt,
                    "callers known by unit will be refused at this listener: over TCP that takes Linux 5.8 and a sight of the \
                     whole cgroup v2 file system; or let these callers use a unix socket"
                );
            }
            Socketed::Unix(..) => {
                let Err(doubt) = process::can_be_seen() else { continue };
                tracing::warn!(
                    listener,
                    callers,
                    %doubt,
                    "callers known by unit will be refused at this listener: on a unix socket that takes Linux 6.5 and a /proc \
                     that shows the processes of others (systemd: ProtectProc=default); or let these callers use TCP"
                );
            }
        }
    }
}

/// Why units are not known over TCP, if the socket table can be used.
fn over_tcp(cgroups: Option<bool>, tree: Result<(), tree::NoTree>) -> Option<String> {
    match (cgroups?, tree) {
        (false, _) => Some("the kernel does not tell the cgroup of a socket".to_owned()),
        (true, Err(doubt)) => Some(doubt.to_string()),
        (true, Ok(())) => None,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
