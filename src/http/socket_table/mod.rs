//! Who is at the other end of a loopback TCP connection, by the kernel's own socket table: netlink, NETLINK_SOCK_DIAG. No
//! privilege is needed, and it takes microseconds; [`message`] has the wire contract.
//!
//! It is asked once per connection, right after it was accepted; also where no caller is known by uid, because the log says who
//! was refused. What it says is the user who made the socket: a process that makes it as root and drops its privileges
//! afterwards is root here. Every doubt, and every failure to ask, leaves the user unknown, and a caller that is known by uid is
//! refused; there is no second try. The doubts:
//!
//! - The connection is not established, or nobody holds the peer's socket: the peer has closed or half-closed it. The kernel
//!   then says uid 0.
//! - Our own end is not in the same table, or no longer. The table is that of this process' network namespace; a listener
//!   that was inherited may belong to another one. And a peer that resets its connection, which can still be read from,
//!   leaves its port to the next process, who would answer in its place. Our own end is asked about after the peer's: while
//!   it stands, nobody else can be at the other one.
//! - The user is the overflow uid, which stands for all those who do not exist in this process' user namespace.
//!
//! Each lookup has a netlink socket of its own. One that is kept would save two of nine system calls, and would have to be shared
//! by the accept loops and cleared of answers that nobody read.
//!
//! The same entry names the cgroup that the socket was made in, which [`super::units`] knows the systemd unit of.

pub mod message;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recvfrom, sendto, socket_with};
use tokio::net::{TcpListener, TcpStream};

use super::listen::Socketed;
use super::units::Units;
use crate::policy::Process;
use message::{Entry, Mistrust, Question};

/// Where the kernel says which uid stands for those it cannot name.
const OVERFLOW: &str = "/proc/sys/kernel/overflowuid";
/// What that is unless it was changed.
const USUAL_OVERFLOW: u32 = 65_534;
/// Room for an answer with its attributes, in bytes; a longer one is cut off and not believed. They are about 150.
const ROOM: usize = 1024;

/// The kernel's table of sockets, that of this process' network namespace.
#[derive(Clone, Copy, Debug)]
pub struct SocketTable {
    overflow: u32,
}

/// Why it is not known who is at the other end.
#[derive(Debug, thiserror::Error)]
enum Doubt {
    /// Netlink failed: most often a sandbox without it.
    #[error("the kernel cannot be asked: {0}")]
    Netlink(#[from] Errno),
    /// The connection does not even have addresses any more.
    #[error("the connection is gone: {0}")]
    Gone(#[from] io::Error),
    /// The message did not come from the kernel.
    #[error("somebody else answered in place of the kernel")]
    Impostor,
    #[error(transparent)]
    Answer(#[from] Mistrust),
    #[error("the socket is not in the table of this process' network namespace, or no longer")]
    Elsewhere,
    #[error("the user does not exist in this process' user namespace")]
    Overflow,
}

impl SocketTable {
    /// The table, if `socket`, which takes TCP connections, stands in it. It is not asked in vain at every connection where it
    /// cannot be: a kernel that has no sock_diag looks for a module each time.
    pub fn seeing(socket: &Socketed) -> Option<Self> {
        match socket {
            Socketed::Tcp(listener, _) => holds(listener).ok().map(|_| Self::new()),
            Socketed::Unix(..) => None,
        }
    }

    fn new() -> Self {
        // In a sandbox that hides it the usual one is the best guess.
        let overflow = std::fs::read_to_string(OVERFLOW).ok().and_then(|text| text.trim().parse().ok());
        Self { overflow: overflow.unwrap_or(USUAL_OVERFLOW) }
    }

    /// The process at the other end of a connection that was just accepted, of which nothing is known if there is any doubt.
    /// Never waits. Its unit is one of `units`.
    pub fn process_of_peer(self, stream: &TcpStream, units: Option<&Units>) -> Process {
        let known = || self.entry_at(stream.peer_addr()?, stream.local_addr()?, stream);
        match known() {
            Ok(entry) => {
                let unit = units.zip(entry.cgroup).and_then(|(units, id)| units.of_cgroup(id));
                Process { uid: Some(entry.uid), unit, ..Process::default() }
            }
            Err(doubt) => {
                tracing::debug!(%doubt, "the uid of a caller over TCP is not known");
                Process::default()
            }
        }
    }

    fn entry_at(self, peer: SocketAddr, own: SocketAddr, held: impl AsFd) -> Result<Entry, Doubt> {
        let netlink = Netlink::open()?;
        let entry = netlink.ask(&Question::connection(peer, own, 1))?;
        is_this(netlink.ask(&Question::connection(own, peer, 2))?, held)?;
        if entry.uid == self.overflow { Err(Doubt::Overflow) } else { Ok(entry) }
    }
}

/// Says in the log at which of `sockets` the `callers`, who are known by uid or unit, will be unknown, and what to do.
pub fn warn_where_blind(sockets: &[Arc<Socketed>], callers: &[String]) {
    if callers.is_empty() {
        return;
    }
    for socket in sockets {
        let Socketed::Tcp(listener, _) = &**socket else { continue };
        let Err(doubt) = holds(listener) else { continue };
        tracing::warn!(
            listener = socket.name(),
            callers = callers.join(", "),
            %doubt,
            "callers known by uid or unit will be refused at this listener: the kernel's socket table, which tells both over TCP, \
             cannot be used; let the daemon have netlink sockets (systemd: RestrictAddressFamilies= with AF_NETLINK), a kernel \
             with tcp_diag and the network namespace of the listener, or let these callers use a unix socket"
        );
    }
}

/// Does the table, which has to hold `listener`, tell in which cgroups sockets were made? `None` where it cannot be used at all.
pub fn tells_cgroups(listener: &TcpListener) -> Option<bool> {
    holds(listener).ok().map(|entry| entry.cgroup.is_some())
}

/// The entry of `listener`.
fn holds(listener: &TcpListener) -> Result<Entry, Doubt> {
    let entry = Netlink::open()?.ask(&Question::listener(listener.local_addr()?, 1))?;
    is_this(entry, listener).map(|()| entry)
}

/// Is `entry` about the socket that is held here?
fn is_this(entry: Entry, held: impl AsFd) -> Result<(), Doubt> {
    if rustix::fs::fstat(held)?.st_ino == u64::from(entry.inode) { Ok(()) } else { Err(Doubt::Elsewhere) }
}

/// A way to ask.
struct Netlink(OwnedFd);

impl Netlink {
    fn open() -> Result<Self, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG)).map(Self)
    }

    /// The kernel answers while it is asked, so there is nothing to wait for.
    fn ask(&self, question: &Question) -> Result<Entry, Doubt> {
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(&self.0, &question.bytes(), SendFlags::empty(), &kernel)?;
        let mut room = [0; ROOM];
        let (length, _, from) = recvfrom(&self.0, &mut room, RecvFlags::empty())?;
        let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
        if from.is_none_or(|from| from.pid() != 0) {
            return Err(Doubt::Impostor);
        }
        Ok(question.answered(&room[..length])?)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
