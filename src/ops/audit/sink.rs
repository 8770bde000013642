//! Where audit lines end: standard output, journald, a file. Trouble there is said once in the diagnostic log, and once more when it is
//! over.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::To;
use crate::ops::lines::Sink;

/// A way out of the process.
pub trait Way: Send + 'static {
    /// Writes `lines` in their order.
    ///
    /// # Errors
    /// How many of them are lost, and why.
    fn write(&mut self, lines: &[Vec<u8>]) -> Result<(), (u64, io::Error)>;
}

/// A way whose trouble is told.
pub struct Told<W> {
    to: String,
    way: W,
    /// How many lines were lost since it was told, while there is trouble.
    trouble: Option<u64>,
}

impl<W> Told<W> {
    /// Nothing to tell yet.
    pub fn new(to: &To, way: W) -> Self {
        Self { to: to.to_string(), way, trouble: None }
    }
}

impl<W: Way> Sink for Told<W> {
    fn write(&mut self, lines: &[Vec<u8>]) -> u64 {
        let to = &*self.to;
        match self.way.write(lines) {
            Ok(()) => {
                if let Some(lost) = self.trouble.take() {
                    tracing::warn!(to, lost, "audit lines are written again; some were lost meanwhile");
                }
                0
            }
            Err((lost, cause)) => {
                if self.trouble.is_none() {
                    tracing::error!(to, %cause, "audit lines cannot be written and are lost");
                }
                self.trouble = Some(self.trouble.unwrap_or_default() + lost);
                lost
            }
        }
    }

    fn tell(&mut self, lost: u64) {
        tracing::warn!(to = &*self.to, lost, "audit lines were lost: they are not taken fast enough");
    }
}

/// All of them or none.
fn all_or_none(lines: &[Vec<u8>], write: impl FnOnce(&[u8]) -> io::Result<()>) -> Result<(), (u64, io::Error)> {
    write(&lines.concat()).map_err(|cause| (lines.len() as u64, cause))
}

/// Standard output.
pub struct Stdout(File);

impl Stdout {
    /// A descriptor of its own, since what the library has around it is locked and flushed line by line.
    ///
    /// # Errors
    /// If there is no standard output, or no descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
    }
}

impl Way for Stdout {
    fn write(&mut self, lines: &[Vec<u8>]) -> Result<(), (u64, io::Error)> {
        all_or_none(lines, |text| self.0.write_all(text))
    }
}

/// journald, a datagram for each line.
pub struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// The one at `path`, whether it is there already or not.
    ///
    /// # Errors
    /// If there is no descriptor left.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { socket: UnixDatagram::unbound()?, path: path.to_owned() })
    }
}

impl Way for Journal {
    fn write(&mut self, lines: &[Vec<u8>]) -> Result<(), (u64, io::Error)> {
        // By its path each time: one that was started anew has another socket there.
        let failed = lines.iter().filter_map(|line| self.socket.send_to(line, &self.path).err());
        let (mut lost, mut first) = (0, None);
        for cause in failed {
            lost += 1;
            first.get_or_insert(cause);
        }
        first.map_or(Ok(()), |cause| Err((lost, cause)))
    }
}

/// A file that is appended to, its owner's alone. Where it is renamed or removed, as by logrotate, another one is begun.
pub struct LogFile {
    path: PathBuf,
    file: Option<File>,
}

impl LogFile {
    /// The one at `path`, which is opened when there is something to write.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None }
    }

    /// The file that stands at the path now.
    fn current(&mut self) -> io::Result<&mut File> {
        let is_there = |file: &File| {
            let (held, there) = (file.metadata().ok()?, std::fs::symlink_metadata(&self.path).ok()?);
            ((held.dev(), held.ino()) == (there.dev(), there.ino())).then_some(())
        };
        let held = self.file.take().filter(|file| is_there(file).is_some());
        let file = held.map_or_else(|| open(&self.path), Ok)?;
        Ok(self.file.insert(file))
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Without O_NONBLOCK the open of a FIFO would hang until somebody reads it.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags.bits()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a plain file")) }
}

impl Way for LogFile {
    fn write(&mut self, lines: &[Vec<u8>]) -> Result<(), (u64, io::Error)> {
        all_or_none(lines, |text| {
            let file = self.current()?;
            let end = file.metadata()?.len();
            file.write_all(text).inspect_err(|_| {
                // No half of a line stays on a full disk.
                let _ = file.set_len(end);
            })
        })
    }
}
