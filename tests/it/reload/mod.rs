//! SIGHUP: another configuration takes the place of the one in effect. What stays as it is goes on, connections too, and a bad
//! configuration changes nothing.

mod callers;
mod entries;
mod listeners;
mod load;
mod outputs;
mod refused;

use std::time::Duration;

use serde_json::Value;

use crate::daemon::Daemon;
use crate::documents::ORDERS;
use crate::site::Site;

/// A wait for what the daemon does within seconds, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// Puts `document` in the file, and sends the signal; the line that ends the reload.
pub async fn reload(site: &Site, daemon: &Daemon, document: &str) -> String {
    site.launch(document).configure(daemon.port);
    let log = daemon.logged().await;
    log.lines().rfind(|line| line.contains("SIGHUP")).unwrap().to_owned()
}

/// The same; it must be applied.
async fn applied(site: &Site, daemon: &Daemon, document: &str) {
    let line = reload(site, daemon, document).await;
    assert!(line.contains("in effect") && !line.contains("refused"), "{line}");
}

/// The same; it must be refused. What the status says of it.
async fn refused(site: &Site, daemon: &Daemon, document: &str) -> Value {
    let line = reload(site, daemon, document).await;
    assert!(line.contains("refused"), "{line}");
    configuration(daemon).await
}

async fn status(daemon: &Daemon) -> Value {
    daemon.get("/v1/status", ORDERS).await.json()
}

/// What the status says of the configuration.
async fn configuration(daemon: &Daemon) -> Value {
    status(daemon).await["configuration"].clone()
}
