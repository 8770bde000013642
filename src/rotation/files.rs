//! The files of a rotation: the token's own, the one that waits to take its place, and the note about both.
//!
//! Whatever is written is on the disk before the next step: the content first, then the directory that names it.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::Uid;
use secrecy::{ExposeSecret as _, SecretString};

use super::form::{self, Form};
use super::lock::Lock;
use super::next::{Fingerprint, Record};
use crate::{file, secret};

/// No secret or note is longer, in bytes.
const LONGEST: usize = 64 * 1024;

/// Where the files of one rotation are. Held as long as it lives: no other rotation works with them.
pub struct Files {
    /// The token's file; where it was a link, what that leads to.
    pub file: PathBuf,
    /// What waits to take its place.
    pub next: PathBuf,
    /// The note.
    pub record: PathBuf,
    draft: PathBuf,
    directory: PathBuf,
    _lock: Lock,
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
    #[error("another rotation of {0} is at work; wait for its end")]
    Busy(PathBuf),
    /// Another file cannot take its place, or should not.
    #[error("{path} {fault}")]
    Fixed {
        /// Which file.
        path: PathBuf,
        /// Why, and what to do.
        fault: &'static str,
    },
    /// Not a file that a rotation has left.
    #[error(
        "{0} is a link, not a plain file, or neither yours nor of the owner of the secret's file; look at who put it there, and move it away"
    )]
    Planted(PathBuf),
}

impl Files {
    /// Those of the secret in `file`, which must be there and be one that another can take the place of.
    ///
    /// # Errors
    /// [`Trouble`] if it is not, a file can not be made beside it, or another rotation is at work with it. Nothing is changed.
    pub fn hold(file: &Path) -> Result<Self, Trouble> {
        let file = file.canonicalize().map_err(system(file))?;
        if let Some(fault) = form::obstacle(&file).map_err(system(&file))? {
            return Err(Trouble::Fixed { path: file, fault });
        }
        let directory = file.parent().unwrap_or(Path::new("/")).to_owned();
        let beside = |ending: &str| {
            let mut name = file.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        let lock = locked(&file, &beside(".rotation.lock"))?;
        let (next, record, draft) = (beside(".next"), beside(".rotation"), beside(".rotation.new"));
        let files = Self { next, record, draft, file, directory, _lock: lock };
        for path in [&files.next, &files.record, &files.draft] {
            files.has(path)?;
        }
        files.try_out()?;
        Ok(files)
    }

    /// Can a file with the form of the token's be made beside it?
    fn try_out(&self) -> Result<(), Trouble> {
        remove(&self.draft)?;
        self.create(&self.draft, b"")?;
        remove(&self.draft)
    }

    /// Is there a file of ours at `path`?
    fn has(&self, path: &Path) -> Result<bool, Trouble> {
        match path.symlink_metadata() {
            Ok(there) if there.is_file() && is_ours(&self.file, there.uid()) => Ok(true),
            Ok(_) => Err(Trouble::Planted(path.to_owned())),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(system(path)(cause)),
        }
    }

    /// The note, if there is one.
    ///
    /// # Errors
    /// [`Trouble`] if it cannot be read or is none.
    pub fn noted(&self) -> Result<Option<Record>, Trouble> {
        if !self.has(&self.record)? {
            return Ok(None);
        }
        let bytes = file::read(&self.record, LONGEST)
            .map_err(|cause| secret::Unreadable::File { path: self.record.clone(), cause })?;
        serde_json::from_slice(&bytes).map(Some).map_err(|_| Trouble::Note(self.record.clone()))
    }

    /// What stands for the secret in the token's file.
    ///
    /// # Errors
    /// [`Trouble`] if there is none.
    pub fn installed(&self) -> Result<Fingerprint, Trouble> {
        Ok(fingerprint(&secret::read_file(&self.file)?))
    }

    /// What stands for the secret that waits: nothing where there is no such file, nothing's where there is no secret in it.
    ///
    /// # Errors
    /// [`Trouble`] if it is a file that no rotation made.
    pub fn waiting(&self) -> Result<Option<Fingerprint>, Trouble> {
        if !self.has(&self.next)? {
            return Ok(None);
        }
        let secret = secret::read_file(&self.next);
        Ok(Some(secret.map_or_else(|_| Fingerprint(String::new()), |secret| fingerprint(&secret))))
    }

    /// Writes the note, at once as a whole.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn note(&self, record: &Record) -> Result<(), Trouble> {
        remove(&self.draft)?;
        let text = serde_json::to_vec(record).map_err(|cause| system(&self.draft)(cause.into()))?;
        self.create(&self.draft, &text)?;
        std::fs::rename(&self.draft, &self.record).map_err(system(&self.record))?;
        self.sync()
    }

    /// Puts `secret` beside the token's file, in the form of that: mode, owner, access list, and the newline at the end if it has one.
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

    /// Puts what waits in the place of the token's file, in the form that this has now.
    ///
    /// # Errors
    /// [`Trouble`]; the directory may not have been written where the file is already in its place.
    pub fn install(&self) -> Result<(), Trouble> {
        let form = Form::of(&self.file).map_err(system(&self.file))?;
        let give = || {
            let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
            form.give(&OpenOptions::new().read(true).custom_flags(flags.bits()).open(&self.next)?)
        };
        give().map_err(system(&self.next))?;
        std::fs::rename(&self.next, &self.file).map_err(system(&self.file))?;
        self.sync()
    }

    /// Leaves nothing but the token's file. The note goes last: without it nobody knows what the other was.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn clear(&self) -> Result<(), Trouble> {
        remove(&self.next)?;
        remove(&self.draft)?;
        self.sync()?;
        remove(&self.record)?;
        self.sync()
    }

    /// A new file in the form of the token's.
    fn create(&self, path: &Path, content: &[u8]) -> Result<(), Trouble> {
        let form = Form::of(&self.file).map_err(system(&self.file))?;
        file::create(path, content, |made| form.give(made)).map(drop).map_err(system(path))
    }

    fn sync(&self) -> Result<(), Trouble> {
        file::sync_directory(&self.directory).map_err(system(&self.directory))
    }
}

/// What stands for `secret`.
#[expect(clippy::disallowed_methods, reason = "the digest stands for the secret")]
pub fn fingerprint(secret: &SecretString) -> Fingerprint {
    let digest = secret::sha256([secret.expose_secret().as_bytes()]);
    Fingerprint(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn locked(file: &Path, path: &Path) -> Result<Lock, Trouble> {
    match Lock::take(path, |uid| is_ours(file, uid)) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(Trouble::Busy(file.to_owned())),
        // As the system answers to O_NOFOLLOW, and as the lock does.
        Err(_) if path.symlink_metadata().is_ok_and(|there| !there.is_file() || !is_ours(file, there.uid())) => {
            Err(Trouble::Planted(path.to_owned()))
        }
        Err(cause) => Err(system(path)(cause)),
    }
}

/// Is `uid` one that a rotation of `file` works as, or gives its files to?
fn is_ours(file: &Path, uid: u32) -> bool {
    uid == Uid::effective().as_raw() || file.metadata().is_ok_and(|own| own.uid() == uid)
}

fn remove(path: &Path) -> Result<(), Trouble> {
    file::remove(path).map_err(system(path))
}

fn system(path: &Path) -> impl Fn(io::Error) -> Trouble + '_ {
    |cause| Trouble::System { path: path.to_owned(), cause }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
