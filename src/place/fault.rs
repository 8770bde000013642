//! Why a file could not be written or removed, in the words of whoever has to mend it.

use std::io;
use std::path::PathBuf;

use super::Group;

/// Why a file could not be written or removed, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no such group.
    #[error("there is no group {0} on this machine: create it, or name another")]
    NoGroup(String),
    /// The groups cannot be looked up.
    #[error("the group {0} cannot be looked up: {1}")]
    GroupUnknown(String, nix::errno::Errno),
    /// The file cannot be given to its group.
    #[error(
        "{path} cannot be given to group {group} ({cause}): make the daemon's user a member of it, under systemd by SupplementaryGroups={group}"
    )]
    Group {
        /// Which file.
        path: PathBuf,
        /// Which group.
        group: Group,
        /// Why.
        cause: io::Error,
    },
    /// There is no directory for it.
    #[error("the directory {0} is not there: create it, and let the daemon's user write in it")]
    NoDirectory(PathBuf),
    /// What should be its directory, or lead there, is something else.
    #[error("{0} is not a directory, or something on the way to it is none: move that away, or name another path")]
    NotADirectory(PathBuf),
    /// The disk has no room, or the daemon's user no more of it.
    #[error("there is no room for it in {directory} ({cause}): free some, or name another directory")]
    Full {
        /// Which directory.
        directory: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Anybody could replace it.
    #[error(
        "everybody may write in {0}, and so replace what is in it: take that from it (chmod o-w), or name another directory"
    )]
    OpenToAll(PathBuf),
    /// The directory does not let us.
    #[error(
        "the daemon's user may not write in {directory} ({cause}): let it, and under systemd name the directory in ReadWritePaths="
    )]
    Closed {
        /// Which directory.
        directory: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Something else is in its way.
    #[error("{0} is not a plain file that could be replaced: move it away")]
    InTheWay(PathBuf),
    /// Another file cannot take its place.
    #[error("{0} is mounted by itself, so no other file can take its place: mount the directory it is in instead")]
    Mounted(PathBuf),
    /// Anything else.
    #[error("{path}: {cause}")]
    System {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}
