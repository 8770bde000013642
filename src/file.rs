//! Plain files: read whole and never further than a limit, made whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;
use zeroize::Zeroizing;

/// Why a file could not be read. Stands behind the name of the file in a message.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// What the system said.
    #[error("cannot be read: {0}")]
    System(#[from] io::Error),
    /// A directory, a FIFO, a device.
    #[error("is not a plain file")]
    NotPlain,
    /// Longer than the limit, which is given in bytes.
    #[error("is longer than {} KiB", .0 / 1024)]
    TooLong(usize),
}

impl Unreadable {
    /// Is it the machine's trouble of the moment, such as no descriptors left, rather than something about the file?
    pub fn is_passing(&self) -> bool {
        use io::ErrorKind::{IsADirectory, NotADirectory, NotFound, PermissionDenied};
        let lasting =
            |cause: &io::Error| matches!(cause.kind(), IsADirectory | NotADirectory | NotFound | PermissionDenied);
        matches!(self, Self::System(cause) if !lasting(cause))
    }
}

/// Reads the plain file at `path`, of at most `longest` bytes. The bytes are wiped when they are dropped.
///
/// # Errors
/// [`Unreadable`].
pub fn read(path: &Path, longest: usize) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    // Without O_NONBLOCK the open of a FIFO would hang until somebody writes to it.
    let flags = OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Unreadable::NotPlain);
    }
    // Room from the start, because a buffer that grows leaves copies behind.
    let expected = usize::try_from(metadata.len()).unwrap_or(longest).min(longest);
    let mut bytes = Zeroizing::new(Vec::with_capacity(expected + 64));
    file.take(longest as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > longest { Err(Unreadable::TooLong(longest)) } else { Ok(bytes) }
}

/// Makes the file `path` with `content`. Nothing may be there yet, not even a link. It is its owner's alone until `give` gives it
/// its form, which is before anything is in it. The content is on the disk when this returns; the directory that names it is not.
///
/// # Errors
/// What the system says. Then there is no such file.
pub fn create(path: &Path, content: &[u8], give: impl FnOnce(&File) -> io::Result<()>) -> io::Result<File> {
    // O_EXCL: a link is not followed.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let filled = give(&file).and_then(|()| file.write_all(content)).and_then(|()| file.sync_all());
    if let Err(cause) = filled {
        // Of the two causes the first one says more.
        let _ = std::fs::remove_file(path);
        return Err(cause);
    }
    Ok(file)
}

/// Removes `path`, a link itself and not what it leads to. That there is none is as good.
///
/// # Errors
/// What the system says.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

/// Has the names in `directory` written to the disk.
///
/// # Errors
/// What the system says.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use nix::libc::{EACCES, EIO, EMFILE, ENFILE, ENOENT};

    use super::*;

    #[test]
    fn a_file_is_read_up_to_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, [b'x'; 1024]).unwrap();
        assert_eq!(read(&path, 1024).unwrap().len(), 1024);
        assert!(matches!(read(&path, 1023), Err(Unreadable::TooLong(1023))));
        assert!(matches!(read(&dir.path().join("none"), 1), Err(Unreadable::System(_))));
    }

    #[test]
    fn a_file_is_made_whole_or_not_at_all_and_in_the_place_of_nothing() {
        use std::os::unix::fs::{MetadataExt as _, symlink};
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("file"), dir.path().join("other"));
        let given = |file: &File| {
            let there = file.metadata()?;
            assert_eq!((there.mode() & 0o777, there.len()), (0o600, 0), "its owner's alone, and empty");
            Ok(())
        };
        create(&path, b"content", given).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"content");
        assert_eq!(create(&path, b"other", |_| Ok(())).unwrap_err().kind(), io::ErrorKind::AlreadyExists);

        remove(&path).unwrap();
        remove(&path).unwrap();
        symlink(&other, &path).unwrap();
        assert_eq!(create(&path, b"other", |_| Ok(())).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(!other.exists());
        remove(&path).unwrap();
        create(&path, b"content", |_| Err(io::Error::from_raw_os_error(EIO))).unwrap_err();
        assert!(!path.exists());
        sync_directory(dir.path()).unwrap();
    }

    #[test]
    fn trouble_of_the_moment_is_told_from_trouble_with_the_file() {
        let system = |code| Unreadable::System(io::Error::from_raw_os_error(code));

        assert!([EMFILE, ENFILE, EIO].map(system).iter().all(Unreadable::is_passing));
        assert!(![ENOENT, EACCES].map(system).iter().any(Unreadable::is_passing));
        assert!(!Unreadable::NotPlain.is_passing());
    }

    #[test]
    fn what_is_no_plain_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [&path, dir.path(), Path::new("/dev/zero")] {
            assert!(matches!(read(path, 1024), Err(Unreadable::NotPlain)), "{}", path.display());
        }
    }
}
