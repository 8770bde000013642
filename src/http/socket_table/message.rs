//! One question to the kernel's socket table and its answer, as bytes (sock_diag(7); `linux/inet_diag.h`). Nothing is done here.
//!
//! Netlink is in the machine's byte order, ports and addresses in the network's. The question, 72 bytes:
//!
//! | bytes | what |
//! |---|---|
//! | 0–15 | `nlmsghdr`: length, type 20 (`SOCK_DIAG_BY_FAMILY`), flags 1 (`NLM_F_REQUEST`: one socket, no dump), sequence, port id 0 |
//! | 16–23 | `inet_diag_req_v2`: family, protocol 6 (TCP), no extensions, one byte of nothing, the states wanted |
//! | 24–71 | `inet_diag_sockid`: source port, destination port, source and destination of 16 bytes each, interface, cookie (any) |
//!
//! Source is the end that is asked about. The answer has a `nlmsghdr` of the same type and sequence, and `inet_diag_msg` of 72
//! bytes: family, state, two bytes, the `inet_diag_sockid` of what was found, three counters, uid and inode. Attributes follow,
//! each with its length (its own four bytes in it), its type and its value, filled up to four bytes: among them the id of the
//! cgroup that the socket was made in (`INET_DIAG_CGROUP_ID`, eight bytes). Or it is of type 2 (`NLMSG_ERROR`): a negated errno,
//! ENOENT where there is no such socket.
//!
//! The kernel takes what fits best: where no connection is found, a socket that listens at the source; and a connection that
//! its process has closed is found with uid 0 and inode 0. So an answer counts for something only where it names both ends that
//! were asked for, and a socket in the state asked for that some process holds. A process that asks through an IPv6 socket for an IPv4
//! address (`::ffff:127.0.0.1`) is found by the IPv4 question and shown with family 10 and the mapped addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The length of a question, in bytes.
const QUESTION: u32 = 72;
/// The shortest answer, in bytes: a header and an `inet_diag_msg`.
const SHORTEST_ANSWER: usize = 88;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
const INET_DIAG_CGROUP_ID: u16 = 21;
/// The interface of the connection, which is the same in every network namespace: without it sockets that are bound to
/// it (`curl --interface lo`) are not found.
const LOOPBACK: u32 = 1;

/// What a socket has to be doing (`TCP_ESTABLISHED` and its neighbours in the kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is connected, and neither end has closed or half-closed it.
    Established = 1,
    /// It waits for connections.
    Listening = 10,
}

/// Which socket is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    near: SocketAddr,
    far: SocketAddr,
    state: State,
    sequence: u32,
}

/// What the kernel says about one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The user who made it, as this process' user namespace shows it.
    pub uid: u32,
    /// Which socket it is; never 0.
    pub inode: u32,
    /// The cgroup in which it was made, which stays with it. `None` where the kernel does not say, or not clearly.
    pub cgroup: Option<u64>,
}

/// Why an answer says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistrust {
    /// It is shorter or longer than it says, or not of the form above.
    #[error("the kernel's answer has another form than expected")]
    Form,
    /// It answers another question.
    #[error("the kernel's answer is to another question")]
    Stray,
    /// The kernel refused, with this errno.
    #[error("the kernel knows no such socket or refuses to say (errno {0})")]
    Refused(i32),
    /// It is about another socket.
    #[error("the kernel's answer is about another socket")]
    OtherSocket,
    /// The socket is in this state instead of the one that was asked for.
    #[error("the socket is in state {0}")]
    State(u8),
    /// No process holds the socket any more.
    #[error("no process holds the socket any more")]
    Orphan,
}

impl Question {
    /// About the end at `near` of the connection between `near` and `far`.
    pub fn connection(near: SocketAddr, far: SocketAddr, sequence: u32) -> Self {
        Self { near: canonical(near), far: canonical(far), state: State::Established, sequence }
    }

    /// About the socket that listens at `address`.
    pub fn listener(address: SocketAddr, sequence: u32) -> Self {
        let near = canonical(address);
        let nowhere: IpAddr = if near.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        Self { near, far: SocketAddr::new(nowhere, 0), state: State::Listening, sequence }
    }

    /// The message that asks.
    pub fn bytes(&self) -> Vec<u8> {
        let family = if self.near.is_ipv4() { AF_INET } else { AF_INET6 };
        [
            &QUESTION.to_ne_bytes()[..],
            &SOCK_DIAG_BY_FAMILY.to_ne_bytes(),
            &NLM_F_REQUEST.to_ne_bytes(),
            &self.sequence.to_ne_bytes(),
            &[0; 4],
            &[family, IPPROTO_TCP, 0, 0],
            &(1_u32 << self.state as u8).to_ne_bytes(),
            &self.near.port().to_be_bytes(),
            &self.far.port().to_be_bytes(),
            &sixteen(self.near.ip()),
            &sixteen(self.far.ip()),
            &LOOPBACK.to_ne_bytes(),
            &[0xff; 8],
        ]
        .concat()
    }

    /// What `answer`, one whole message, says.
    ///
    /// # Errors
    /// [`Mistrust`] at the first thing that is not as it has to be.
    pub fn answered(&self, answer: &[u8]) -> Result<Entry, Mistrust> {
        let kind = self.kind_of(answer)?;
        if kind == NLMSG_ERROR {
            let errno = field(answer, 16).map(i32::from_ne_bytes)?;
            return Err(Mistrust::Refused(errno.saturating_neg()));
        }
        if kind != SOCK_DIAG_BY_FAMILY || answer.len() < SHORTEST_ANSWER {
            return Err(Mistrust::Form);
        }
        let [family, state] = field(answer, 16)?;
        if ends(answer, family)? != (self.near, self.far) {
            return Err(Mistrust::OtherSocket);
        }
        if state != self.state as u8 {
            return Err(Mistrust::State(state));
        }
        let entry = Entry {
            uid: field(answer, 80).map(u32::from_ne_bytes)?,
            inode: field(answer, 84).map(u32::from_ne_bytes)?,
            cgroup: answer.get(SHORTEST_ANSWER..).and_then(cgroup),
        };
        if entry.inode == 0 { Err(Mistrust::Orphan) } else { Ok(entry) }
    }

    /// The type of a message that is whole and an answer to this.
    fn kind_of(&self, answer: &[u8]) -> Result<u16, Mistrust> {
        let length = field(answer, 0).map(u32::from_ne_bytes)?;
        if usize::try_from(length) != Ok(answer.len()) {
            return Err(Mistrust::Form);
        }
        if field(answer, 8).map(u32::from_ne_bytes)? != self.sequence {
            return Err(Mistrust::Stray);
        }
        field(answer, 4).map(u16::from_ne_bytes)
    }
}

/// Source and destination of the socket in an answer.
fn ends(answer: &[u8], family: u8) -> Result<(SocketAddr, SocketAddr), Mistrust> {
    let end = |port, address| -> Result<SocketAddr, Mistrust> {
        let address: [u8; 16] = field(answer, address)?;
        let ip: IpAddr = match family {
            AF_INET => Ipv4Addr::from(field::<4>(&address, 0)?).into(),
            AF_INET6 => Ipv6Addr::from(address).into(),
            _ => return Err(Mistrust::OtherSocket),
        };
        Ok(canonical(SocketAddr::new(ip, field(answer, port).map(u16::from_be_bytes)?)))
    };
    Ok((end(20, 24)?, end(22, 40)?))
}

/// The cgroup that is named among `attributes`: once, and all of them have the form that they have to have.
fn cgroup(mut attributes: &[u8]) -> Option<u64> {
    let mut found = None;
    while !attributes.is_empty() {
        let length = usize::from(u16::from_ne_bytes(field(attributes, 0).ok()?));
        let kind = u16::from_ne_bytes(field(attributes, 2).ok()?);
        let value = attributes.get(4..length)?;
        if kind == INET_DIAG_CGROUP_ID {
            let id = u64::from_ne_bytes(value.try_into().ok()?);
            found = if id == 0 || found.is_some() { return None } else { Some(id) };
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    found
}

/// `N` bytes from `at`.
fn field<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Mistrust> {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().ok_or(Mistrust::Form)
}

/// An IPv4 address as such, also where it is written as an IPv6 one.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn sixteen(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&v4.octets());
            bytes
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
