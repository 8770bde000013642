//! The metadata service: what EC2 would answer, to one caller.

mod answers;
mod audited;
mod clients;
mod refused;
mod setting;
mod upstream;

use crate::client::{Ask, Way};
use crate::daemon::{Daemon, Launch};
use crate::documents::{REPORTS, ROLES, caller};
use crate::site::Site;
use crate::waiting::limited;

pub const TOKEN: &str = "/latest/api/token";
pub const ROLE: &str = "/latest/meta-data/iam/security-credentials/orders";
pub const TTL: &str = "X-aws-ec2-metadata-token-ttl-seconds";
pub const SESSION: &str = "X-aws-ec2-metadata-token";

/// A daemon with a metadata service.
pub struct Service {
    pub daemon: Daemon,
    pub port: u16,
}

/// The roles of the demo world, and a service at `listen` that hands out `credentials.orders` to whoever runs as `uid`.
pub fn document(listen: &str, uid: u32) -> String {
    format!(
        "{ROLES}[imds]\nlisten = \"{listen}\"\ncredentials = \"credentials.orders\"\ncaller = \"app\"\n\
         [callers.app]\nallow = [\"credentials.orders\"]\nuid = {uid}\n{}",
        caller("reports", &[])
    )
}

/// Who these tests run as.
pub fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

impl Service {
    /// For this process.
    async fn open(site: &Site) -> Self {
        Self::launch(site.launch(&document("127.0.0.1:0", own_uid()))).await
    }

    pub async fn launch(launch: Launch) -> Self {
        let daemon = launch.start().await;
        let status = daemon.get("/v1/status", REPORTS).await.json();
        let listeners = status["listeners"].as_array().unwrap();
        let named = |listener: &serde_json::Value| {
            listener.as_str().unwrap().strip_prefix("imds 127.0.0.1:").map(|port| port.parse().unwrap())
        };
        let port = listeners.iter().find_map(named).unwrap_or_else(|| panic!("no such listener: {status}"));
        Self { daemon, port }
    }

    fn way(&self) -> Way {
        Way::V4(self.port)
    }

    pub async fn ask(&self, ask: Ask) -> crate::client::Answer {
        self.daemon.ask_over(&self.way(), ask).await
    }

    /// The token of a session that lasts for six hours.
    pub async fn session(&self) -> String {
        let opened = self.ask(Ask::of(http::Method::PUT, TOKEN).header(TTL, "21600")).await;
        assert_eq!(opened.status, 200, "{}", opened.text);
        opened.text
    }

    /// Gets `path` in a session of its own.
    async fn get(&self, path: &str) -> crate::client::Answer {
        let session = self.session().await;
        self.ask(Ask::get(path).header(SESSION, &session)).await
    }
}
