//! The notification protocol of systemd (sd_notify(3)): READY when the listeners are open, STOPPING when the drain begins.
//!
//! Readiness of the process is not readiness of the upstreams: the daemon starts, and serves what it can, when they are down.

use sd_notify::NotifyState;

/// Tells systemd, if it is there, that requests are answered from now on.
pub fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
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

fn notify(states: &[NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(states) {
        tracing::warn!(%cause, "systemd could not be notified");
    }
}
