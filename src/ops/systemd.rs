//! The notification protocol of systemd (sd_notify(3)): READY when the listeners are open, STATUS when it changes, WATCHDOG while
//! requests are answered, STOPPING when the drain begins, and descriptors that it keeps until the next process (FDSTORE).
//!
//! Readiness of the process is not readiness of the upstreams: the daemon starts, and serves what it can, when they are down.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use sd_notify::NotifyState;

use crate::environment::Environment;

/// systemd takes a message within this, or it is tried again later.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tells systemd, if it is there, that requests are answered from now on.
pub fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells systemd, if it is there, how things are, in words for people.
pub fn status(status: &str) {
    notify(&[NotifyState::Status(status)]);
}

/// Tells systemd, if it is there, that requests are being answered.
pub fn alive() {
    notify(&[NotifyState::Watchdog]);
}

/// Tells systemd, if it is there, that the process is ending.
pub fn stopping() {
    notify(&[NotifyState::Stopping, NotifyState::Status("draining")]);
}

/// Tells systemd, if it is there, that a new configuration is read; [`ready`] ends that, whatever came of it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now, NotifyState::Status("reloading")]),
        Err(cause) => tracing::warn!(%cause, "systemd could not be notified"),
    }
}

/// How long systemd waits for [`alive`] before it takes the process for dead; `None` if it does not.
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
        let socket = self.connected()?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        let descriptors = [descriptor.as_fd()];
        rights.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(&socket, &[IoSlice::new(message.as_bytes())], &mut rights, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Has nothing kept as `name` any more.
    ///
    /// # Errors
    /// What the system says.
    pub fn forget(&self, name: &str) -> io::Result<()> {
        self.connected()?.send(format!("FDSTOREREMOVE=1\nFDNAME={name}\n").as_bytes()).map(drop)
    }

    fn connected(&self) -> io::Result<UnixDatagram> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(&self.socket)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(socket)
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(states) {
        tracing::warn!(%cause, "systemd could not be notified");
    }
}
