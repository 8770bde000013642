//! One rotation at a time: a lock on a file of our own, which nobody else may open. A lock on the directory could be held by whoever
//! may look into it, and on NFS by nobody.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

/// So often the file may be removed by its last holder between our opening and our locking it.
const MOST_TRIES: usize = 16;

/// Held as long as it lives; then the file is gone.
pub struct Lock {
    path: PathBuf,
    held: Flock<File>,
}

impl Lock {
    /// Takes it with the file at `path`, whose owner `owner` finds right; `None` if another holds it.
    ///
    /// # Errors
    /// What the system says; `PermissionDenied` for a file that is a link, not plain, or of another owner.
    pub fn take(path: &Path, is_ours: impl Fn(u32) -> bool) -> io::Result<Option<Self>> {
        for _ in 0..MOST_TRIES {
            let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).mode(0o600).custom_flags(flags.bits()).open(path)?;
            let metadata = file.metadata()?;
            if !metadata.is_file() || !is_ours(metadata.uid()) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let held = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(held) => held,
                Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
                Err((_, cause)) => return Err(cause.into()),
            };
            let lock = Self { path: path.to_owned(), held };
            if lock.is_there() {
                return Ok(Some(lock));
            }
        }
        Ok(None)
    }

    /// Is the file that is locked the one that others would open?
    fn is_there(&self) -> bool {
        let place = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let (held, there) = (self.held.metadata().map(place), self.path.symlink_metadata().map(place));
        matches!((held, there), (Ok(held), Ok(there)) if held == there)
    }
}

impl Drop for Lock {
    /// Removed while it is still locked: who has opened it by then finds it gone once he locks it, and makes another.
    fn drop(&mut self) {
        if self.is_there() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_held_by_one_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let take = || Lock::take(&path, |_| true).unwrap();
        let first = take().unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert!(take().is_none());
        drop(first);
        assert!(!path.exists());
        // As a kill leaves it.
        std::fs::write(&path, "").unwrap();
        assert!(take().is_some());
    }

    #[test]
    fn one_that_was_removed_takes_nobody_elses_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::take(&path, |_| true).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = Lock::take(&path, |_| true).unwrap();
        drop(first);
        assert!(second.is_some() && path.exists());
    }
}
