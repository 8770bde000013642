//! What callers notice of a restart, and what the daemon and systemd have to say to each other for it.

mod sockets;

use crate::documents::billing_for_orders;

/// A daemon on the sockets that the supervisor holds, with `more` in its `[server]`.
fn activated(more: &str) -> String {
    format!("[server]\nlisten = [\"systemd:api\"]\n{more}\n{}", billing_for_orders())
}
