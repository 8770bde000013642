//! The notification protocol of systemd (sd_notify(3)): READY when the listeners are open, STATUS when it changes, WATCHDOG while
//! requests are answered, STOPPING when the drain begins, and descriptors that it keeps until the next process (FDSTORE).
//!
//! Readiness of the process is not readiness of the upstreams: the daemon starts, and serves what it can, when they are down.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use sd_notify::NotifyState;

use crate::environment::Environment;

/// systemd takes a message within this, or does without it. Nobody who asks for a token waits for that.
const PATIENCE: Duration = Duration::from_secs(1);
/// A message that a signal interrupts is sent so often.
const TRIES: usize = 3;

/// systemd, where `$NOTIFY_SOCKET` says that it listens; where it does not, nothing is told.
#[derive(Clone, Debug)]
pub struct Manager {
    socket: Option<String>,
    /// It does not know yet that requests are answered, and would in the end take the start or the reload for failed.
    waits: Arc<AtomicBool>,
    /// Held while it is told that requests are answered, or that a reload begins: the one is never taken for the end of the other.
    turn: Arc<Mutex<()>>,
    /// It took nothing the last time, which was said.
    is_deaf: Arc<AtomicBool>,
}

impl Manager {
    /// The one that started the process with this `environment`.
    pub fn of(environment: &Environment) -> Self {
        let socket = environment.var("NOTIFY_SOCKET").map(ToOwned::to_owned);
        Self { socket, waits: Arc::default(), turn: Arc::default(), is_deaf: Arc::default() }
    }

    /// Requests are answered from now on.
    pub fn ready(&self, status: &str) {
        let _turn = self.turn();
        self.tell_ready(status);
    }

    /// The same, if it is still [waiting](Self::waits) for that.
    pub fn ready_again(&self, status: &str) {
        let _turn = self.turn();
        if self.waits() {
            self.tell_ready(status);
        }
    }

    fn tell_ready(&self, status: &str) {
        let is_told = self.notify(&[NotifyState::Ready, NotifyState::Status(status)]);
        self.waits.store(!is_told, Ordering::Relaxed);
    }

    /// Did it not take that requests are answered? Then that is to be told again.
    pub fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    /// How things are, in words for people.
    pub fn status(&self, status: &str) {
        self.notify(&[NotifyState::Status(status)]);
    }

    /// Requests are being answered.
    pub fn alive(&self) {
        self.notify(&[NotifyState::Watchdog]);
    }

    /// The process is ending.
    pub fn stopping(&self) {
        self.notify(&[NotifyState::Stopping, NotifyState::Status("draining")]);
    }

    /// A new configuration is read; [`Manager::ready`] ends that, whatever came of it.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => {
                let _turn = self.turn();
                self.waits.store(false, Ordering::Relaxed);
                self.notify(&[NotifyState::Reloading, now, NotifyState::Status("reloading")]);
            }
            Err(cause) => tracing::warn!(%cause, "systemd could not be notified"),
        }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        // There is nothing in it that could be broken.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has it taken that, if it is there?
    fn notify(&self, states: &[NotifyState<'_>]) -> bool {
        let Some(socket) = &self.socket else { return true };
        let message = states.iter().fold(String::new(), |message, state| format!("{message}{state}\n"));
        // Not by the crate's own `notify`, which waits for ever for a systemd that hangs, and with it every signal.
        let told = connected(socket).and_then(|socket| send(&socket, message.as_bytes()));
        let was_deaf = self.is_deaf.swap(told.is_err(), Ordering::Relaxed);
        if let Some(cause) = told.as_ref().err().filter(|_| !was_deaf) {
            tracing::warn!(%cause, "systemd could not be notified; what it has to know is told again");
        }
        told.is_ok()
    }
}

/// How long systemd waits for [`Manager::alive`] before it takes the process for dead; `None` if it does not.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())
}

/// Where systemd keeps descriptors for the next process.
#[derive(Clone, Debug)]
pub struct Store {
    socket: String,
    /// How many.
    pub room: usize,
}

impl Store {
    /// `None` where there is none: systemd says by `$FDSTORE` that it is there (since version 254), and nothing is sent to whatever
    /// else may listen at `$NOTIFY_SOCKET`.
    pub fn of(environment: &Environment) -> Option<Self> {
        let room = environment.var("FDSTORE")?.parse().ok().filter(|room| *room > 0)?;
        Some(Self { socket: environment.var("NOTIFY_SOCKET")?.to_owned(), room })
    }

    /// Has `descriptor` kept as `name`, beside others of that name.
    ///
    /// # Errors
    /// What the system says. systemd itself answers nothing.
    pub fn keep(&self, name: &str, descriptor: impl AsFd) -> io::Result<()> {
        // It is looked at, not waited for: memory has no events.
        let message = format!("FDSTORE=1\nFDPOLL=0\nFDNAME={name}\n");
        let socket = connected(&self.socket)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        let descriptors = [descriptor.as_fd()];
        rights.push(SendAncillaryMessage::ScmRights(&descriptors));
        insisting(|| Ok(sendmsg(&socket, &[IoSlice::new(message.as_bytes())], &mut rights, SendFlags::NOSIGNAL)?))
    }

    /// Has nothing kept as `name` any more.
    ///
    /// # Errors
    /// What the system says.
    pub fn forget(&self, name: &str) -> io::Result<()> {
        send(&connected(&self.socket)?, format!("FDSTOREREMOVE=1\nFDNAME={name}\n").as_bytes())
    }
}

fn send(socket: &UnixDatagram, message: &[u8]) -> io::Result<()> {
    insisting(|| socket.send(message))
}

/// A signal that comes while systemd is busy is no reason not to tell it; that many of them come is none to wait for ever.
fn insisting(mut send: impl FnMut() -> io::Result<usize>) -> io::Result<()> {
    let was_interrupted =
        |sent: &io::Result<usize>| sent.as_ref().is_err_and(|cause| cause.kind() == io::ErrorKind::Interrupted);
    let sent = (0..TRIES).map(|_| send()).find(|sent| !was_interrupted(sent));
    sent.unwrap_or_else(|| Err(io::ErrorKind::Interrupted.into())).map(drop)
}

/// A name that begins with `@` is in the abstract namespace.
fn connected(path: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    match path.strip_prefix('@') {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(path)?,
    }
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}
