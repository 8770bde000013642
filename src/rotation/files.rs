//! The files of a rotation: the token's own, the one that waits to take its place, and the note about both.
//!
//! Whatever is written is on the disk before the next step: the content first, then the directory that names it.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret as _, SecretString};

use super::next::{Fingerprint, Record};
use crate::{file, secret};

/// No secret or note is longer, in bytes.
const LONGEST: usize = 64 * 1024;

/// Where the files of one rotation are. Held as long as it lives: no other rotation works in the same directory.
pub struct Files {
    /// The token's file; where it was a link, what that leads to.
    pub file: PathBuf,
    /// What waits to take its place.
    pub next: PathBuf,
    /// The note.
    pub record: PathBuf,
    directory: PathBuf,
    _lock: Flock<File>,
}

/// A file could not be worked with.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// What the system said.
    #[error("{path}: {cause}; check the path, and run it as a user who may write there, root as a rule")]
    System {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file does not hold a secret.
    #[error(transparent)]
    Secret(#[from] secret::Unreadable),
    /// The note is not one.
    #[error("{0} is not a note of credbroker; move it away after comparing the app client's secrets with the file")]
    Note(PathBuf),
    /// Somebody else is at it.
    #[error("another rotation is at work in {0}; wait for its end")]
    Busy(PathBuf),
}

impl Files {
    /// Those of the secret in `file`, which must be there.
    ///
    /// # Errors
    /// [`Trouble`] if it is not, or another rotation is at work in its directory.
    pub fn hold(file: &Path) -> Result<Self, Trouble> {
        let file = file.canonicalize().map_err(system(file))?;
        let directory = file.parent().unwrap_or(Path::new("/")).to_owned();
        let held = File::open(&directory).map_err(system(&directory))?;
        let lock = Flock::lock(held, FlockArg::LockExclusiveNonblock).map_err(|(_, cause)| match cause {
            Errno::EWOULDBLOCK => Trouble::Busy(directory.clone()),
            cause => system(&directory)(cause.into()),
        })?;
        let beside = |ending: &str| {
            let mut name = file.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        Ok(Self { next: beside(".next"), record: beside(".rotation"), file, directory, _lock: lock })
    }

    /// The note, if there is one.
    ///
    /// # Errors
    /// [`Trouble`] if it cannot be read or is none.
    pub fn noted(&self) -> Result<Option<Record>, Trouble> {
        if !self.record.exists() {
            return Ok(None);
        }
        let bytes = file::read(&self.record, LONGEST)
            .map_err(|cause| secret::Unreadable::File { path: self.record.clone(), cause })?;
        serde_json::from_slice(&bytes).map(Some).map_err(|_| Trouble::Note(self.record.clone()))
    }

    /// What stands for the secret in `path`; nothing where there is no such file or no secret in it.
    pub fn fingerprint(&self, path: &Path) -> Option<Fingerprint> {
        match secret::read_file(path) {
            Ok(secret) => Some(fingerprint(&secret)),
            Err(_) => path.exists().then(|| Fingerprint(String::new())),
        }
    }

    /// Writes the note, at once as a whole.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn note(&self, record: &Record) -> Result<(), Trouble> {
        let mut name = self.record.clone().into_os_string();
        name.push(".new");
        let draft = PathBuf::from(name);
        remove(&draft)?;
        let text = serde_json::to_vec(record).map_err(|cause| system(&draft)(cause.into()))?;
        self.create(&draft, &text)?;
        std::fs::rename(&draft, &self.record).map_err(system(&self.record))?;
        self.sync()
    }

    /// Puts `secret` beside the token's file, in the form of that: mode, owner, and the newline at the end if it has one.
    ///
    /// # Errors
    /// [`Trouble`].
    #[expect(clippy::disallowed_methods, reason = "a secret's own file is where it belongs")]
    pub fn put_beside(&self, secret: &SecretString) -> Result<(), Trouble> {
        let old = file::read(&self.file, LONGEST)
            .map_err(|cause| secret::Unreadable::File { path: self.file.clone(), cause })?;
        let mut content = zeroize::Zeroizing::new(Vec::with_capacity(secret.expose_secret().len() + 1));
        content.extend_from_slice(secret.expose_secret().as_bytes());
        content.extend(old.ends_with(b"\n").then_some(b'\n'));
        remove(&self.next)?;
        self.create(&self.next, &content)?;
        self.sync()
    }

    /// Puts what waits in the place of the token's file.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn install(&self) -> Result<(), Trouble> {
        std::fs::rename(&self.next, &self.file).map_err(system(&self.file))?;
        self.sync()
    }

    /// Leaves nothing but the token's file. The note goes last: without it nobody knows what the other was.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn clear(&self) -> Result<(), Trouble> {
        remove(&self.next)?;
        self.sync()?;
        remove(&self.record)?;
        self.sync()
    }

    /// A new file with the mode and the owner of the token's.
    fn create(&self, path: &Path, content: &[u8]) -> Result<(), Trouble> {
        let like = self.file.metadata().map_err(system(&self.file))?;
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            let own = file.metadata()?;
            if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
                fchown(&file, Some(like.uid()), Some(like.gid()))?;
            }
            file.set_permissions(Permissions::from_mode(like.mode() & 0o777))?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().map_err(system(path))
    }

    fn sync(&self) -> Result<(), Trouble> {
        File::open(&self.directory).and_then(|held| held.sync_all()).map_err(system(&self.directory))
    }
}

/// What stands for `secret`.
#[expect(clippy::disallowed_methods, reason = "the digest stands for the secret")]
pub fn fingerprint(secret: &SecretString) -> Fingerprint {
    let digest = digest(&SHA256, secret.expose_secret().as_bytes());
    Fingerprint(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn remove(path: &Path) -> Result<(), Trouble> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(system(path)(cause)),
        _ => Ok(()),
    }
}

fn system(path: &Path) -> impl Fn(io::Error) -> Trouble + '_ {
    |cause| Trouble::System { path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(content: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, content).unwrap();
        (dir, path)
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o777
    }

    #[test]
    fn the_new_file_takes_the_form_of_the_old_one() {
        let (_dir, path) = site("old\n");
        std::fs::set_permissions(&path, Permissions::from_mode(0o440)).unwrap();
        let files = Files::hold(&path).unwrap();
        files.put_beside(&SecretString::from("new")).unwrap();
        assert_eq!((std::fs::read_to_string(&files.next).unwrap().as_str(), mode(&files.next)), ("new\n", 0o440));
        files.install().unwrap();
        assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("new\n", 0o440));
        assert!(!files.next.exists());
    }

    #[test]
    fn what_a_link_leads_to_is_replaced() {
        let (dir, path) = site("old");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let files = Files::hold(&link).unwrap();
        files.put_beside(&SecretString::from("new")).unwrap();
        files.install().unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new", "no newline is added either");
    }

    #[test]
    fn two_rotations_do_not_meet() {
        let (dir, path) = site("old");
        let first = Files::hold(&path).unwrap();
        assert!(matches!(Files::hold(&path), Err(Trouble::Busy(busy)) if busy == dir.path().canonicalize().unwrap()));
        drop(first);
        assert!(Files::hold(&path).is_ok());
    }

    #[test]
    fn a_note_is_read_back_and_holds_no_secret() {
        let (_dir, path) = site("old");
        let files = Files::hold(&path).unwrap();
        assert_eq!(files.noted().unwrap(), None);
        let secret = SecretString::from("the new secret of forty-eight characters");
        let record = Record { client_id: "app".into(), old: "a".into(), new: None, fingerprint: fingerprint(&secret) };
        files.note(&record).unwrap();
        assert_eq!(files.noted().unwrap(), Some(record));
        assert!(!std::fs::read_to_string(&files.record).unwrap().contains("forty-eight"));
        std::fs::write(&files.record, "{").unwrap();
        assert!(matches!(files.noted(), Err(Trouble::Note(_))));
        files.clear().unwrap();
        assert!(!files.record.exists() && path.exists());
    }
}
