//! The sockets callers come in by.
//!
//! `loopback:PORT` holds 127.0.0.1 and ::1 together, so that nobody else on the machine can take the other one and be asked
//! in our place by whoever says `localhost`. The backlog is long: with the usual 128 a burst of callers waits a second.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, IntoRawFd as _, RawFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::environment::Environment;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;
/// What the kernel keeps of answers that are not taken, for each connection. On its own it lets this grow to megabytes, and whoever
/// asks again and again without reading would fill the memory of the machine with them.
const UNTAKEN: usize = 64 * 1024;
/// The descriptors of this process, by their numbers.
const OWN: &str = "/proc/self/fd";

/// Where callers come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// 127.0.0.1 and ::1 together.
    Loopback(u16),
    /// One loopback address.
    Address(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
    /// Sockets that systemd holds, by `FileDescriptorName=`.
    Systemd(String),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(port) => write!(f, "loopback:{port}"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}

/// A bound socket.
#[derive(Debug)]
pub enum Socketed {
    /// TCP, and who holds it.
    Tcp(TcpListener, Holder),
    /// A unix socket, and its file, if it was made here. The file goes first, in the order of the fields: as long as the
    /// listener is open, a successor leaves the file alone and its inode is not used again.
    Unix(Option<SocketFile>, UnixListener),
}

/// Who holds a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// This process alone: when it ends, whoever has not been accepted is reset.
    Here,
    /// systemd too: whoever has not been accepted waits for the next process.
    Systemd,
}

/// The file of a unix socket that was bound here. It is removed when this is dropped, unless another one took its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl SocketFile {
    /// The file that was just bound at `path`.
    fn bound(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), inode: inode(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|now| now == self.inode) {
            // Gone already is as good.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Which file it is: the device and the number on it.
fn inode(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {fault}")]
pub struct CannotListen {
    address: String,
    fault: String,
}

impl CannotListen {
    /// The same with a word more on what to do.
    #[must_use]
    pub fn hinting(mut self, hint: &str) -> Self {
        self.fault += hint;
        self
    }
}

impl Socketed {
    /// Does it stay open when this process ends?
    pub fn outlives_us(&self) -> bool {
        match self {
            Self::Tcp(_, holder) => *holder == Holder::Systemd,
            Self::Unix(file, _) => file.is_none(),
        }
    }

    /// Is it what callers find at this `path`?
    pub fn is_at(&self, path: &Path) -> bool {
        matches!(self, Self::Unix(Some(file), _) if inode(path).is_ok_and(|there| there == file.inode))
    }

    /// Has somebody taken its file away, so that nobody finds it any more?
    pub fn is_lost(&self) -> bool {
        let is_gone = |file: &SocketFile| inode(&file.path).is_err_and(|cause| cause.kind() == io::ErrorKind::NotFound);
        matches!(self, Self::Unix(Some(file), _) if is_gone(file))
    }

    /// What it is called in logs and status.
    pub fn name(&self) -> String {
        match self {
            Self::Tcp(listener, _) => {
                listener.local_addr().map_or_else(|_| "tcp".to_owned(), |address| address.to_string())
            }
            Self::Unix(_, listener) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                path.map_or_else(|| "unix".to_owned(), |path| format!("unix:{}", path.display()))
            }
        }
    }
}

/// The sockets that systemd passed at the start, with the names of their units. They stay open for every configuration to come.
#[derive(Debug)]
pub struct Inherited(Vec<(String, Passed)>);

/// A socket that systemd passed.
#[derive(Debug)]
enum Passed {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
    /// Nothing that could be listened on.
    Other(Option<RawFd>),
}

/// The sockets that systemd passed, for the `listen` lines of one configuration.
pub struct Offer<'a> {
    inherited: &'a Inherited,
    /// Those that no line has taken yet.
    left: Vec<usize>,
}

impl Inherited {
    /// Takes what was passed to this process and no other (sd_listen_fds(3)). Must be called once, before anything else is opened or
    /// started: what is open then is what was passed.
    ///
    /// # Errors
    /// [`CannotListen`] if fewer are open than were announced. To take the others would be to take what this process opens later on.
    pub fn take(environment: &Environment) -> Result<Self, CannotListen> {
        let own = std::process::id().to_string();
        let number = |name| environment.var(name).and_then(|text| text.parse::<usize>().ok());
        let announced = number("LISTEN_FDS").filter(|_| environment.var("LISTEN_PID") == Some(&*own)).unwrap_or(0);
        let first = number("LISTEN_FDS_FIRST_FD").unwrap_or(3);
        let open = (first..).take(announced).take_while(|number| is_open(*number)).count();
        if open < announced {
            let fault = format!("$LISTEN_FDS announces {announced} descriptors, of which {open} are open");
            return Err(CannotListen { address: "what systemd passes".to_owned(), fault });
        }
        let fds = if announced == 0 { ListenFd::empty() } else { ListenFd::from_env() };
        Ok(Self::named(fds, environment.var("LISTEN_FDNAMES").unwrap_or_default()))
    }

    fn named(mut fds: ListenFd, names: &str) -> Self {
        let given = names.split(':').filter(|_| !names.is_empty());
        // What sd_listen_fds_with_names(3) calls those without one.
        let names = given.chain(std::iter::repeat("unknown")).take(fds.len()).map(ToOwned::to_owned);
        Self(names.enumerate().map(|(index, name)| (name, Passed::take(&mut fds, index))).collect())
    }

    /// Takes the descriptors called `name` that are no sockets but were kept for us (`FDSTORE=`), opened anew for reading.
    /// Those that cannot be are closed all the same.
    pub fn kept(&mut self, name: &str) -> Vec<io::Result<fs::File>> {
        let is_kept = |(called, passed): &mut (String, Passed)| called == name && matches!(passed, Passed::Other(_));
        let kept = self.0.extract_if(.., is_kept).filter_map(|(_, passed)| match passed {
            Passed::Other(descriptor) => descriptor,
            Passed::Tcp(_) | Passed::Unix(_) => None,
        });
        kept.map(opened_anew).collect()
    }

    /// Closes what is no socket, so that no line could take it and nobody waits at it: what another version has left with systemd, or a
    /// unit has opened (`OpenFile=`). What that was called.
    pub fn close_others(&mut self) -> Vec<String> {
        let is_other =
            |(_, passed): &mut (String, Passed)| matches!(passed, Passed::Other(Some(number)) if !is_socket(*number));
        let others = self.0.extract_if(.., is_other).map(|(name, passed)| {
            if let Passed::Other(Some(number)) = passed {
                // There is nothing left to be done about it.
                let _ = nix::unistd::close(number);
            }
            name
        });
        others.collect()
    }

    /// All of them, for the lines of one configuration.
    pub fn offer(&self) -> Offer<'_> {
        Offer { inherited: self, left: (0..self.0.len()).collect() }
    }
}

impl Passed {
    fn take(fds: &mut ListenFd, index: usize) -> Self {
        if let Ok(Some(tcp)) = fds.take_tcp_listener(index) {
            return if listens(&tcp) { Self::Tcp(tcp) } else { Self::Other(Some(tcp.into_raw_fd())) };
        }
        match fds.take_unix_listener(index) {
            Ok(Some(unix)) if listens(&unix) => Self::Unix(unix),
            Ok(Some(unix)) => Self::Other(Some(unix.into_raw_fd())),
            _ => Self::Other(fds.take_raw_fd(index).ok().flatten()),
        }
    }

    /// Another descriptor of the socket.
    fn listener(&self) -> Result<Socketed, String> {
        match self {
            Self::Tcp(tcp) => tcp.try_clone().map_err(|cause| cause.to_string()).and_then(tcp_from),
            Self::Unix(unix) => {
                let listener = unix.try_clone().and_then(|unix| {
                    unix.set_nonblocking(true)?;
                    UnixListener::from_std(unix)
                });
                listener.map(|listener| Socketed::Unix(None, listener)).map_err(|cause| cause.to_string())
            }
            Self::Other(_) => {
                Err("one of those that systemd passed is not a TCP or unix stream socket that listens (ListenStream=)"
                    .to_owned())
            }
        }
    }
}

impl Offer<'_> {
    /// Counts the sockets called `name` as taken. Are there any left?
    pub fn claim(&mut self, name: &str) -> bool {
        !self.take(name).is_empty()
    }

    fn take(&mut self, name: &str) -> Vec<usize> {
        let (wanted, left) = self.left.iter().partition(|index| self.inherited.0[**index].0 == name);
        self.left = left;
        wanted
    }

    /// All sockets called `name`.
    fn called(&mut self, name: &str) -> Result<Vec<Socketed>, String> {
        let wanted = self.take(name);
        if wanted.is_empty() {
            let all: Vec<String> = self.inherited.0.iter().map(|(name, _)| name.clone()).collect();
            let names = if all.is_empty() { "none".to_owned() } else { distinct(&all).join(", ") };
            return Err(format!(
                "systemd passed no socket of that name (passed: {names}); set FileDescriptorName={name} in the socket unit"
            ));
        }
        wanted.into_iter().map(|index| self.inherited.0[index].1.listener()).collect()
    }

    /// To be called when every `listen` line has been opened.
    ///
    /// # Errors
    /// [`CannotListen`] names the sockets that no line took: callers could connect to them and would never be answered.
    pub fn finish(self) -> Result<(), CannotListen> {
        let lines = self.lines_left();
        if lines.is_empty() {
            return Ok(());
        }
        let fault = format!(
            "systemd passed sockets of that name, and whoever connects to them would wait for ever; \
             add {lines:?} to [server] listen, or stop the socket unit"
        );
        Err(CannotListen { address: lines.join(", "), fault })
    }

    /// The `listen` lines that would take what is left.
    fn lines_left(&self) -> Vec<String> {
        let names: Vec<String> = self.left.iter().map(|index| self.inherited.0[*index].0.clone()).collect();
        distinct(&names).into_iter().map(|name| Listen::Systemd(name.to_owned()).to_string()).collect()
    }

    /// What to do about an address that cannot be had because it may be systemd that holds it.
    fn hint(&self) -> String {
        let lines = self.lines_left();
        if lines.is_empty() {
            String::new()
        } else {
            format!("; systemd passed sockets: listen = {lines:?} takes them")
        }
    }
}

/// Is a descriptor of this number open? Without `/proc` that cannot be seen, and what was announced is believed.
fn is_open(number: usize) -> bool {
    fs::symlink_metadata(format!("{OWN}/{number}")).is_ok() || !Path::new(OWN).exists()
}

fn is_socket(number: RawFd) -> bool {
    fs::metadata(format!("{OWN}/{number}")).is_ok_and(|there| there.file_type().is_socket())
}

fn listens(socket: &impl AsFd) -> bool {
    SockRef::from(socket).is_listener().unwrap_or(false)
}

/// A file of its own for what `descriptor` is open for; it is closed.
fn opened_anew(descriptor: RawFd) -> io::Result<fs::File> {
    // Whatever it is, the open waits for nobody.
    let flags = nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_CLOEXEC;
    let path = format!("{OWN}/{descriptor}");
    let file = fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(path);
    // Else the memory would be held as long as this process runs.
    nix::unistd::close(descriptor)?;
    file
}

/// Each name once, sorted.
fn distinct(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

fn tcp_from(listener: std::net::TcpListener) -> Result<Socketed, String> {
    let address = listener.local_addr().map_err(|cause| cause.to_string())?;
    if !address.ip().is_loopback() {
        return Err(format!("the socket that systemd passed is bound to {address}, which other machines can reach"));
    }
    let bounded = SockRef::from(&listener).set_send_buffer_size(UNTAKEN);
    bounded.and_then(|()| listener.set_nonblocking(true)).map_err(|cause| cause.to_string())?;
    let listener = TcpListener::from_std(listener).map_err(|cause| cause.to_string())?;
    Ok(Socketed::Tcp(listener, Holder::Systemd))
}

/// Opens the sockets of one `listen` line.
///
/// # Errors
/// [`CannotListen`] names the address and the reason.
pub fn open(listen: &Listen, offer: &mut Offer<'_>) -> Result<Vec<Socketed>, CannotListen> {
    let fail = |fault: String| CannotListen { address: listen.to_string(), fault };
    let opened = match listen {
        Listen::Loopback(port) => both_families(*port),
        Listen::Address(address) => tcp(*address).map(|tcp| vec![own(tcp)]).map_err(|cause| in_words(&cause)),
        Listen::Unix(path) => unix(path).map(|unix| vec![unix]),
        Listen::Systemd(name) => return offer.called(name).map_err(fail),
    };
    opened.map_err(|fault| fail(fault + &offer.hint()))
}

/// Opens the address of a listener of its own, which the configuration calls `key`: `admin_listen`, which may be one that
/// other machines reach, or `[imds]`.
///
/// # Errors
/// [`CannotListen`] names the address and the reason.
pub fn open_apart(key: &str, address: SocketAddr) -> Result<Socketed, CannotListen> {
    let fail = |cause: io::Error| CannotListen { address: format!("{key} {address}"), fault: in_words(&cause) };
    tcp(address).map(own).map_err(fail)
}

fn own(listener: TcpListener) -> Socketed {
    Socketed::Tcp(listener, Holder::Here)
}

fn both_families(port: u16) -> Result<Vec<Socketed>, String> {
    let v4 = tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
        .map_err(|cause| format!("127.0.0.1: {}", in_words(&cause)))?;
    let port = v4.local_addr().map_err(|cause| cause.to_string())?.port();
    match tcp(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port)) {
        Ok(v6) => Ok(vec![own(v4), own(v6)]),
        // Without IPv6 on this machine nobody else can hold the address either.
        Err(cause) if is_without_ipv6(&cause) => Ok(vec![own(v4)]),
        Err(cause) => Err(format!(
            "::1: {}; both families are held or none, since whoever holds ::1 would be asked by programs that say localhost",
            in_words(&cause)
        )),
    }
}

fn is_without_ipv6(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::AddrNotAvailable
        || cause.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32)
}

fn in_words(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "the address is in use by another process".to_owned(),
        io::ErrorKind::PermissionDenied => "the daemon's user may not use this address".to_owned(),
        _ => cause.to_string(),
    }
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart may not wait for connections of the last process to time out. Linux lets nobody take a listening address by it.
    socket.set_reuse_address(true)?;
    socket.set_send_buffer_size(UNTAKEN)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn unix(path: &Path) -> Result<Socketed, String> {
    clear_stale(path)?;
    let fail = |cause: io::Error| in_words(&cause);
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None).map_err(fail)?;
    let address = socket2::SockAddr::unix(path).map_err(fail)?;
    socket.bind(&address).map_err(fail)?;
    let file = SocketFile::bound(path).map_err(fail)?;
    // Who may ask is decided by the uid that the kernel tells, not by who may connect.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(fail)?;
    socket.listen(BACKLOG).map_err(fail)?;
    UnixListener::from_std(socket.into()).map(|listener| Socketed::Unix(Some(file), listener)).map_err(fail)
}

/// Removes the socket of a process that is gone; refuses to touch anything else.
fn clear_stale(path: &Path) -> Result<(), String> {
    match fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(cause.to_string()),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            Err("there is a file of that name, and it is no socket".to_owned())
        }
        Ok(_) => match knock(path) {
            Err(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(|cause| cause.to_string())
            }
            // Also where its backlog is full, which a connect that waits would wait for.
            Err(cause) if cause.kind() != io::ErrorKind::WouldBlock => Err(cause.to_string()),
            _ => Err("another process listens there".to_owned()),
        },
    }
}

/// Connects without waiting.
fn knock(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.connect(&socket2::SockAddr::unix(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn loopback_holds_both_families_or_neither() {
        let bound = both_families(0).unwrap();
        let port = match &bound[0] {
            Socketed::Tcp(v4, _) => v4.local_addr().unwrap().port(),
            Socketed::Unix(..) => panic!("no unix socket was asked for"),
        };
        assert!(tcp(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port)).is_err(), "::1 is held too");
        drop(bound);
        let _squatter = tcp(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port)).unwrap();
        let error = both_families(port).unwrap_err();
        assert!(error.contains("::1") && error.contains("in use"), "{error}");
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_a_live_one_and_a_file_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let held = unix(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        assert!(unix(&path).unwrap_err().contains("another process"));
        drop(held);
        assert!(!path.exists(), "its file goes with it");
        let full = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        full.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        full.listen(0).unwrap();
        let _waiting = std::os::unix::net::UnixStream::connect(&path).unwrap();
        assert!(unix(&path).unwrap_err().contains("another process"), "its backlog is full");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        assert!(unix(&path).unwrap_err().contains("no socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn the_socket_of_a_successor_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        let first = unix(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = unix(&path).unwrap();
        drop(first);
        assert!(std::os::unix::net::UnixStream::connect(&path).is_ok(), "it is the second one's now");
        drop(second);
        assert!(!path.exists());
    }

    /// As in a process that inherited the environment, but is not the one that systemd started.
    #[tokio::test]
    async fn names_without_sockets_are_no_sockets() {
        let inherited = Inherited::named(ListenFd::empty(), "api:api");
        let mut offer = inherited.offer();
        assert!(offer.hint().is_empty());
        let error = open(&Listen::Systemd("api".to_owned()), &mut offer).unwrap_err().to_string();
        assert!(error.contains("systemd:api") && error.contains("passed: none"), "{error}");
        assert!(offer.finish().is_ok());
    }

    #[test]
    fn what_no_line_takes_is_named_once() {
        let inherited = Inherited(["api", "admin", "api"].map(|name| (name.to_owned(), Passed::Other(None))).into());
        let mut offer = inherited.offer();
        assert!(offer.claim("admin") && !offer.claim("admin"));
        assert_eq!(offer.hint(), r#"; systemd passed sockets: listen = ["systemd:api"] takes them"#);
        let error = offer.finish().unwrap_err().to_string();
        assert!(error.starts_with("cannot listen on systemd:api: ") && !error.contains("admin"), "{error}");
    }
}
