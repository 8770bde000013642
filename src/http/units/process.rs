//! The cgroup of the process that connected to a unix socket: SO_PEERPIDFD (Linux 6.5) gives a descriptor of that process, its
//! `fdinfo` the number, `/proc/NUMBER/cgroup` the path.
//!
//! A number may be another process' a moment after its own has ended. So once the path is read the descriptor has to say that
//! its process still runs, for then the number was its own all along. A process that has ended, that is of another PID namespace, or
//! that `/proc` hides (`hidepid=`) is in no cgroup that is known.

use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::Path;

use nix::sys::socket::{getsockopt, sockopt::PeerPidfd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Where processes are.
const PROC: &str = "/proc";
/// A list of cgroups is no longer, in bytes: a path of them for each hierarchy, of which there are a dozen.
const LONGEST: u64 = 64 * 1024;

/// Why the cgroup of a process is not known.
#[derive(Debug, thiserror::Error)]
pub enum Doubt {
    /// The kernel is too old, or the process had ended already.
    #[error("the kernel gives no descriptor of the process (SO_PEERPIDFD): {0}")]
    NoDescriptor(#[source] io::Error),
    /// There is no number of it here.
    #[error("the process has ended, or is of another PID namespace")]
    NoNumber,
    /// Most often because it is another user's and `/proc` hides those.
    #[error("the cgroup of the process cannot be read in /proc: {0}")]
    Hidden(#[source] io::Error),
    /// What was read may be another process'.
    #[error("the process has ended while it was looked at")]
    Ended,
    /// It has no line of cgroup v2, or several.
    #[error("the process is in no cgroup of version 2")]
    NoCgroup,
}

/// The path of the cgroup that the process at the other end of `socket` is in: whoever connected, or made the pair.
///
/// # Errors
/// [`Doubt`], and each is as good as no cgroup.
pub fn cgroup_of_peer(socket: impl AsFd) -> Result<String, Doubt> {
    let descriptor = getsockopt(&socket, PeerPidfd).map_err(|errno| Doubt::NoDescriptor(errno.into()));
    cgroup_of(&descriptor?, Path::new(PROC))
}

/// Can processes be looked at here, also those of others?
///
/// # Errors
/// What stands in the way.
pub fn can_be_seen() -> Result<(), Doubt> {
    let (one, _other) = std::os::unix::net::UnixStream::pair().map_err(Doubt::NoDescriptor)?;
    cgroup_of_peer(&one)?;
    std::fs::metadata(Path::new(PROC).join("1/cgroup")).map(drop).map_err(Doubt::Hidden)
}

fn cgroup_of(descriptor: &OwnedFd, processes: &Path) -> Result<String, Doubt> {
    let number = number_of(descriptor)?;
    let mut text = String::new();
    let list = std::fs::File::open(processes.join(number.to_string()).join("cgroup"));
    let read = list.and_then(|list| list.take(LONGEST).read_to_string(&mut text));
    read.map_err(Doubt::Hidden)?;
    if has_ended(descriptor) {
        return Err(Doubt::Ended);
    }
    version_2(&text).map(ToOwned::to_owned).ok_or(Doubt::NoCgroup)
}

/// In this process' PID namespace: -1 when the process has ended, 0 when it is not in it.
fn number_of(descriptor: &OwnedFd) -> Result<u32, Doubt> {
    let info = std::fs::read_to_string(format!("{PROC}/self/fdinfo/{}", descriptor.as_raw_fd()));
    let info = info.map_err(Doubt::Hidden)?;
    let number = info.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    number.filter(|number| *number > 0).ok_or(Doubt::NoNumber)
}

/// The descriptor can be read from when all threads of its process have ended.
fn has_ended(descriptor: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(descriptor, PollFlags::IN)];
    poll(&mut polled, Some(&Timespec::default())) != Ok(0)
}

/// The path in the line of cgroup v2, which is that of hierarchy 0.
fn version_2(list: &str) -> Option<&str> {
    let mut paths = list.lines().filter_map(|line| line.strip_prefix("0::"));
    paths.next().filter(|_| paths.next().is_none())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::{Child, Command};

    use nix::errno::Errno;

    use super::*;

    /// A process that ends with the test.
    struct Sleeper(Child, OwnedFd);

    impl Sleeper {
        fn start() -> Self {
            let child = Command::new("sleep").arg("60").spawn().unwrap();
            let pid = rustix::process::Pid::from_child(&child);
            let descriptor = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
            Self(child, descriptor)
        }

        /// Ends it, so that nobody has taken note of its end yet.
        fn end(&mut self) {
            self.0.kill().unwrap();
            let mut polled = [PollFd::new(&self.1, PollFlags::IN)];
            let patience = Timespec { tv_sec: 10, tv_nsec: 0 };
            assert_eq!(poll(&mut polled, Some(&patience)), Ok(1), "it ends");
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn own() -> String {
        version_2(&fs::read_to_string("/proc/self/cgroup").unwrap()).unwrap().to_owned()
    }

    #[test]
    fn a_process_that_runs_is_in_its_cgroup() {
        let sleeper = Sleeper::start();
        assert_eq!(cgroup_of(&sleeper.1, Path::new(PROC)).unwrap(), own());
        can_be_seen().unwrap();
    }

    #[test]
    fn one_that_has_ended_is_in_none() {
        let mut sleeper = Sleeper::start();
        sleeper.end();
        let doubt = cgroup_of(&sleeper.1, Path::new(PROC)).unwrap_err();
        assert!(matches!(doubt, Doubt::Ended), "before it is waited for: {doubt}");
        sleeper.0.wait().unwrap();
        let doubt = cgroup_of(&sleeper.1, Path::new(PROC)).unwrap_err();
        assert!(matches!(doubt, Doubt::NoNumber), "its number may be another's now: {doubt}");
    }

    /// The list is a pipe here: what is read of it comes when the process has ended, as if its number were another's by then.
    #[test]
    fn what_is_read_after_the_end_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let mut sleeper = Sleeper::start();
        let place = dir.path().join(sleeper.0.id().to_string());
        fs::create_dir(&place).unwrap();
        let list = place.join("cgroup");
        rustix::fs::mknodat(rustix::fs::CWD, &list, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let descriptor = sleeper.1.try_clone().unwrap();
        let processes = dir.path().to_owned();
        let reader = std::thread::spawn(move || cgroup_of(&descriptor, &processes));
        // Opened when the reader has opened it, which has the number by then.
        let mut writer = fs::File::options().write(true).open(&list).unwrap();
        sleeper.end();
        io::Write::write_all(&mut writer, b"0::/system.slice/orders.service\n").unwrap();
        drop(writer);
        let doubt = reader.join().unwrap().unwrap_err();
        assert!(matches!(doubt, Doubt::Ended), "{doubt}");
    }

    #[test]
    fn one_that_proc_hides_is_in_none() {
        let sleeper = Sleeper::start();
        let empty = tempfile::tempdir().unwrap();
        let doubt = cgroup_of(&sleeper.1, empty.path()).unwrap_err();
        assert!(matches!(doubt, Doubt::Hidden(_)), "{doubt}");
    }

    /// As a kernel answers that does not know the option, or whose process had ended.
    #[test]
    fn without_a_descriptor_there_is_no_cgroup() {
        let datagram = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let doubt = cgroup_of_peer(&datagram).unwrap_err();
        assert!(matches!(doubt, Doubt::NoDescriptor(_)), "{doubt}");
        let file = fs::File::open("/").unwrap();
        let Doubt::NoDescriptor(cause) = cgroup_of_peer(&file).unwrap_err() else { panic!() };
        assert_eq!(cause.raw_os_error(), Some(Errno::ENOTSOCK as i32));
        let doubt = cgroup_of(&file.into(), Path::new(PROC)).unwrap_err();
        assert!(matches!(doubt, Doubt::NoNumber), "what is no process: {doubt}");
    }

    #[test]
    fn the_line_of_version_2_is_the_one_that_counts() {
        let hybrid = "4:memory:/a\n1:name=systemd:/0::/b\n0::/system.slice/orders.service\n";
        for (list, path) in [
            (hybrid, Some("/system.slice/orders.service")),
            ("0::/\n", Some("/")),
            ("4:memory:/a\n", None),
            ("", None),
            ("0::/a\n0::/b\n", None),
        ] {
            assert_eq!(version_2(list), path, "{list}");
        }
    }
}
