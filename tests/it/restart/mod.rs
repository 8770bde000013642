//! What callers notice of a restart, and what the daemon and systemd have to say to each other for it.

mod callers;
mod freshness;
mod keys;
mod leases;
mod load;
mod sockets;
mod systemd;
mod variants;

use crate::documents::billing_for_orders;

/// `billing` for `orders` on the sockets that the supervisor holds, with `more` in `[server]`. A drain is as short as it can be.
fn activated(more: &str) -> String {
    format!("[server]\nlisten = [\"systemd:api\"]\n{more}\n{}", billing_for_orders())
}

/// The same for any `document`.
fn kept(document: &str) -> String {
    format!("[server]\nlisten = [\"systemd:api\"]\n{document}")
}
