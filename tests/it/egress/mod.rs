//! `[egress.*]`: what a program sends to the forward address arrives at the upstream with the credential and nothing else changed.

mod audited;
mod breaking;
mod credential;
mod forwarding;
mod refusing;
pub mod service;
mod signing;
mod streaming;

use nix::unistd::geteuid;

use crate::client::{Answer, Ask, Way, raw};
use crate::daemon::{Daemon, free_port};
use crate::documents::{BILLING, ORDERS};
use crate::site::Site;
use service::Service;

/// The caller of a forward address, known by the uid of these tests; its token is for other listeners.
fn caller(allow: &[&str]) -> String {
    let uid = geteuid();
    format!("[callers.orders]\nallow = {allow:?}\nuid = {uid}\ntoken = {{ file = \"DIR/orders.token\" }}\n")
}

fn table(port: u16, upstream: &str, keys: &str) -> String {
    format!("[egress.billing]\nlisten = \"loopback:{port}\"\nupstream = \"{upstream}\"\ncaller = \"orders\"\n{keys}")
}

/// What comes back from a forward address, which is no part of the described API.
async fn over(way: &Way, ask: &Ask) -> Answer {
    ask.over(way).await.unwrap_or_else(|cause| panic!("no answer over {way:?}: {cause}"))
}

/// A daemon with a forward address for the user of these tests.
struct Forward {
    site: Site,
    daemon: Daemon,
    port: u16,
}

impl Forward {
    /// To `service`, with `tokens.billing`.
    async fn to(service: &Service) -> Self {
        Self::with(Site::open().await, &service.url(), "bearer = \"tokens.billing\"\nidle_timeout = \"2s\"\n").await
    }

    /// To `upstream`, with `keys` in its table.
    async fn with(site: Site, upstream: &str, keys: &str) -> Self {
        Self::of(site, upstream, keys, &format!("{BILLING}{}", caller(&["tokens.billing"]))).await
    }

    /// With these entries and callers.
    async fn of(site: Site, upstream: &str, keys: &str, rest: &str) -> Self {
        let port = free_port();
        let daemon = site.daemon(&format!("{rest}{}", table(port, upstream, keys))).await;
        Self { site, daemon, port }
    }

    /// With another build of the daemon, if one is named, at its usual log level.
    async fn launched(site: Site, upstream: &str, binary: Option<String>) -> Self {
        let port = free_port();
        let rest = format!("{BILLING}{}", caller(&["tokens.billing"]));
        let mut launch = site.launch(&format!("{rest}{}", table(port, upstream, "bearer = \"tokens.billing\"\n")));
        if let Some(binary) = binary {
            launch = launch.binary(&binary);
        }
        let daemon = launch.env("CREDBROKER_LOG", "info").start().await;
        Self { site, daemon, port }
    }

    fn v4(&self) -> Way {
        Way::V4(self.port)
    }

    async fn ask(&self, ask: Ask) -> Answer {
        over(&self.v4(), &ask).await
    }

    /// Sends bytes as they are and reads until the connection ends.
    async fn raw(&self, bytes: &str) -> String {
        raw(self.port, bytes).await
    }

    /// Its row in the status.
    async fn row(&self) -> serde_json::Value {
        let means_it = Ask::get("/v1/status").bearer(ORDERS);
        self.daemon.ask(means_it).await.json()["egress"][0].clone()
    }

    /// The token that is held.
    async fn token(&self) -> String {
        self.daemon.get("/v1/tokens/billing", ORDERS).await.token()
    }
}
