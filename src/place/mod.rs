//! The place on the disk of a file that the broker writes: how it is written, known again, and taken away.
//!
//! A reader sees the old file or the new one, whole, and never without its mode and group: the content is written beside the place, into
//! a draft that is nobody else's to read until it has both, is on the disk, and is then renamed. A link in the place is replaced, never
//! followed. Each draft has a name of its own, so that two daemons with one configuration, as in a restart without a gap, never put
//! half of each other's into the place. A draft that a killed run has left is known by the form of its name, and taken away at the start.
//!
//! The threats (whoever may write in the directory can put another token into the reader's hands): a directory that everybody may
//! write in is refused, unless only its owner may replace what is in it (the sticky bit).

mod fault;

use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zeroize::Zeroizing;

pub use fault::Fault;

use crate::file;

/// What is longer, in bytes, was not written here.
const LONGEST: usize = 256 * 1024;
/// What the name of a draft ends with.
const DRAFT: &str = ".credbroker-draft";
/// Digits, in base 16, of the number between that and the name of the file.
const DIGITS: usize = 16;
/// The longest name of a file, in bytes, that leaves room for that of its draft.
pub const LONGEST_NAME: usize = 255 - 2 - DIGITS - DRAFT.len();

/// Where a file is, and who may read it.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    path: PathBuf,
    directory: PathBuf,
    mode: u32,
    group: Option<Group>,
}

/// A group of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    /// By number.
    Id(u32),
    /// By name, looked up whenever the file is written.
    Name(String),
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// By what a file is known again: any change of its content, its mode, its owner or its place is one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A file that an earlier run has left.
#[derive(Debug)]
pub struct Found {
    /// By what it is known again.
    pub mark: Mark,
    /// What is in it, if that can be read.
    pub content: Option<Zeroizing<Vec<u8>>>,
    /// When it was written.
    pub written_at: SystemTime,
}

impl Mark {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Is it the same content in the same file? Its mode, owner and group may have been changed.
    pub fn is_same_content(self, other: Self) -> bool {
        Self { changed: other.changed, ..self } == other
    }
}

impl Place {
    /// The place `path`, an absolute one that ends in a name, for a file of `mode` and `group`; without one, of the group that the
    /// directory gives it.
    pub fn new(path: PathBuf, mode: u32, group: Option<Group>) -> Self {
        let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
        Self { directory, path, mode, group }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its permission bits.
    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// Its group.
    pub fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// Puts a file with `content` in the place.
    ///
    /// # Errors
    /// [`Fault`]. What was in the place is still there.
    pub fn write(&self, content: &[u8]) -> Result<Mark, Fault> {
        self.check_directory()?;
        self.check_place()?;
        let path = self.draft();
        let group = self.group.as_ref().map(|group| Ok::<_, Fault>((group, group_id(group)?))).transpose()?;
        let mut refused = None;
        let give = |file: &File| {
            if let Some((group, id)) = group
                && file.metadata()?.gid() != id
            {
                fchown(file, None, Some(id)).inspect_err(|_| refused = Some(group.clone()))?;
            }
            // What is set outright minds no umask.
            file.set_permissions(Permissions::from_mode(self.mode))
        };
        let draft = file::create(&path, content, give).map_err(|cause| match refused {
            Some(group) => Fault::Group { path: self.path.clone(), group, cause },
            None => self.fault(cause),
        })?;
        self.install(&path, &draft).map_err(|cause| {
            // The old file is in its place, and says so; a draft that stays is taken away by the next run.
            let _ = file::remove(&path);
            self.fault(cause)
        })
    }

    fn install(&self, path: &Path, draft: &File) -> io::Result<Mark> {
        std::fs::rename(path, &self.path)?;
        file::sync_directory(&self.directory)?;
        Ok(Mark::of(&draft.metadata()?))
    }

    /// Takes the file away if it holds what the one known by `mark` held; another that somebody put there stays. Was it that?
    ///
    /// # Errors
    /// [`Fault`].
    pub fn remove(&self, mark: Mark) -> Result<bool, Fault> {
        let is_it = self.mark()?.is_some_and(|there| there.is_same_content(mark));
        if is_it {
            file::remove(&self.path)
                .and_then(|()| file::sync_directory(&self.directory))
                .map_err(|cause| self.fault(cause))?;
        }
        Ok(is_it)
    }

    /// By what the file in the place is known, if there is one.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn mark(&self) -> Result<Option<Mark>, Fault> {
        Ok(self.there()?.map(|there| Mark::of(&there)))
    }

    /// The file that an earlier run has left, if it is a plain one. Drafts that it left are taken away.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn find(&self) -> Result<Option<Found>, Fault> {
        self.clear_drafts();
        let Some(there) = self.there()?.filter(Metadata::is_file) else { return Ok(None) };
        let content = file::read(&self.path, LONGEST).ok();
        let written_at = there.modified().map_err(|cause| self.fault(cause))?;
        Ok(Some(Found { mark: Mark::of(&there), content, written_at }))
    }

    fn there(&self) -> Result<Option<Metadata>, Fault> {
        match self.path.symlink_metadata() {
            Ok(there) => Ok(Some(there)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(self.fault(cause)),
        }
    }

    fn check_directory(&self) -> Result<(), Fault> {
        const STICKY: u32 = 0o1000;
        const BY_ALL: u32 = 0o002;
        let mode = self.directory.metadata().map_err(|cause| self.fault(cause))?.mode();
        if mode & BY_ALL != 0 && mode & STICKY == 0 {
            return Err(Fault::OpenToAll(self.directory.clone()));
        }
        Ok(())
    }

    /// A device, a pipe or a socket is not replaced: root who names /dev/null would take it from everybody.
    fn check_place(&self) -> Result<(), Fault> {
        let makes_way = |there: &Metadata| there.is_file() || there.is_symlink();
        if self.there()?.as_ref().is_none_or(makes_way) { Ok(()) } else { Err(Fault::InTheWay(self.path.clone())) }
    }

    /// Another name each time.
    fn draft(&self) -> PathBuf {
        let mut name = std::ffi::OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(format!(".{:0DIGITS$x}{DRAFT}", fastrand::u64(..)));
        self.directory.join(name)
    }

    /// Takes the drafts away that an earlier run has left.
    pub fn clear_drafts(&self) {
        // Whatever is wrong with the directory stops the file from being written, too, and is said then.
        for entry in std::fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            if self.is_draft(&entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                let _ = file::remove(&entry.path());
            }
        }
    }

    /// Is it the name of a draft of this file?
    fn is_draft(&self, name: &OsStr) -> bool {
        let own = self.path.file_name().unwrap_or_default().as_bytes();
        let rest = name.as_bytes().strip_prefix(b".").and_then(|name| name.strip_prefix(own));
        let number = rest.and_then(|rest| rest.strip_prefix(b".")).and_then(|rest| rest.strip_suffix(DRAFT.as_bytes()));
        number.is_some_and(|number| number.len() == DIGITS && number.iter().all(u8::is_ascii_hexdigit))
    }

    /// What the system said, with what to do.
    fn fault(&self, cause: io::Error) -> Fault {
        use io::ErrorKind as Kind;
        match cause.kind() {
            // It can also be the draft that is not there any more.
            Kind::NotFound if !self.directory.is_dir() => Fault::NoDirectory(self.directory.clone()),
            Kind::NotADirectory => Fault::NotADirectory(self.directory.clone()),
            Kind::StorageFull | Kind::QuotaExceeded => Fault::Full { directory: self.directory.clone(), cause },
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => {
                Fault::Closed { directory: self.directory.clone(), cause }
            }
            Kind::IsADirectory => Fault::InTheWay(self.path.clone()),
            Kind::ResourceBusy => Fault::Mounted(self.path.clone()),
            _ => Fault::System { path: self.path.clone(), cause },
        }
    }
}

fn group_id(group: &Group) -> Result<u32, Fault> {
    let name = match group {
        Group::Id(id) => return Ok(*id),
        Group::Name(name) => name,
    };
    match nix::unistd::Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(Fault::NoGroup(name.clone())),
        Err(cause) => Err(Fault::GroupUnknown(name.clone(), cause)),
    }
}

#[cfg(test)]
mod tests;
