//! Keeping this process's memory to itself, as far as the kernel lets a process see to that. What is freed is cleared by the
//! allocator (`main.rs`); here it is about what still stands in memory: who may read it, and where it could be written to.

use std::fmt;
use std::path::{Path, PathBuf};

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};

const CGROUPS: &str = "/sys/fs/cgroup";
const UNLIMITED: Rlimit = Rlimit { current: None, maximum: None };
const NOTHING: Rlimit = Rlimit { current: Some(0), maximum: Some(0) };

/// What could be done about this process's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// No other process of the same user may read it, and no core is dumped.
    pub is_closed: bool,
    /// Could it be written to the swap space?
    pub swap: Swap,
}

/// May pages of this process be swapped out?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// No: they are locked.
    Locked,
    /// No: the control group has none.
    Denied,
    /// Yes, and why.
    Possible(Unlocked),
}

/// Why pages cannot be locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlocked {
    /// The limit is finite, in bytes; with it later allocations would fail.
    Limit(u64),
    /// The kernel refuses.
    Refused(rustix::io::Errno),
}

impl fmt::Display for Unlocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(bytes) => write!(f, "RLIMIT_MEMLOCK is {} KiB", bytes / 1024),
            Self::Refused(cause) => write!(f, "mlockall: {cause}"),
        }
    }
}

impl Swap {
    /// The word for it in the log.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Locked => "locked",
            Self::Denied => "denied",
            Self::Possible(_) => "possible",
        }
    }
}

/// Forbids other processes of this user to read this one's memory, environment and descriptors, and the kernel to dump its core,
/// into whatever. A program that this process becomes is as open as any other.
pub fn close() -> bool {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
}

/// Does for the daemon all that can be done. Before there are threads or secrets.
pub fn protect() -> Memory {
    let is_closed = close();
    // Where it is not closed, this is what keeps cores away, other than those of a program in core_pattern.
    let _ = setrlimit(Resource::Core, NOTHING);
    Memory { is_closed, swap: unswapped() }
}

impl Memory {
    /// Says what was possible, and what is to be done about what was not.
    pub fn report(&self) {
        let swap = self.swap.as_str();
        tracing::info!(closed = self.is_closed, swap, "memory: no core dumps, what is freed is cleared");
        if !self.is_closed {
            tracing::warn!(
                "other processes of this user can read the daemon's memory: prctl(PR_SET_DUMPABLE) was refused"
            );
        }
        if let Swap::Possible(why) = &self.swap {
            tracing::warn!(
                %why,
                "memory may be swapped out, with secrets in it, where this machine has swap: set LimitMEMLOCK=infinity or \
                 MemorySwapMax=0 in the unit, memlock=-1 or no swap for the container"
            );
        }
    }
}

/// Locks what is in memory and what will be, each page when it is first used, so that it takes no more memory than before.
fn unswapped() -> Swap {
    let why = match lock() {
        Ok(()) => return Swap::Locked,
        Err(why) => why,
    };
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let denied = groups(&own).any(|group| {
        std::fs::read_to_string(Path::new(CGROUPS).join(group).join("memory.swap.max"))
            .is_ok_and(|most| most.trim() == "0")
    });
    if denied { Swap::Denied } else { Swap::Possible(why) }
}

fn lock() -> Result<(), Unlocked> {
    // A whole mapping counts from the start, also what of it is never used: a thread's stack alone is 2 MiB, so no finite limit will do.
    let limit = getrlimit(Resource::Memlock);
    let may_exceed = || capabilities(None).is_ok_and(|held| held.effective.contains(CapabilitySet::IPC_LOCK));
    let is_unlimited = limit.current.is_none() || setrlimit(Resource::Memlock, UNLIMITED).is_ok() || may_exceed();
    if let (false, Some(bytes)) = (is_unlimited, limit.current) {
        return Err(Unlocked::Limit(bytes));
    }
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).map_err(Unlocked::Refused)
}

/// The control group in a `/proc/PID/cgroup`, of the second version, and those that it is in, below the root of all.
fn groups(own: &str) -> impl Iterator<Item = PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::/")).map(PathBuf::from);
    let all: Vec<PathBuf> = path.iter().flat_map(|path| path.ancestors()).map(Path::to_owned).collect();
    all.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_group_is_looked_up_with_all_that_it_is_in() {
        let found: Vec<_> = groups("1:name=systemd:/x\n0::/system.slice/credbroker.service\n").collect();
        assert_eq!(found, ["system.slice/credbroker.service", "system.slice", ""].map(PathBuf::from));
        assert_eq!(groups("0::/\n").collect::<Vec<_>>(), [PathBuf::new()]);
        assert_eq!(groups("4:memory:/x\n").count(), 0);
    }
}
