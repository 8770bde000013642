//! What an operator does to a daemon: reloads, and restarts; and what the daemon takes meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;

use super::account::Account;
use super::entries::{Moved, SCOPES, document};
use super::grants::Event;
use super::looks::look;
use crate::daemon::Launch;
use crate::documents::ORDERS;
use crate::process::variable;
use crate::site::Site;
use crate::supervisor::Supervisor;
use crate::waiting::{until, wall};

const PATIENCE: Duration = Duration::from_secs(20);

pub struct Operator {
    pub service: Supervisor,
    pub restarts: bool,
    pub rng: Rng,
    pub account: Arc<Mutex<Account>>,
    /// The address that stands before the upstream.
    pub upstream: String,
    pub done: Done,
}

/// What was done how often.
#[derive(Default)]
pub struct Done {
    pub reloads: u64,
    pub refused: u64,
    pub restarts: u64,
    pub kills: u64,
}

/// A daemon to be started, of the build that is to be looked at.
pub fn launch(site: &Site, upstream: &str, document: &str) -> Launch {
    let launch = site.launch(document).env("AWS_ENDPOINT_URL", upstream).env("CREDBROKER_LOG", "error");
    match variable("CREDBROKER_BIN") {
        Some(binary) => launch.binary(&binary),
        None => launch,
    }
}

impl Operator {
    /// Does one thing after the other until `stop`, and looks once a second.
    pub async fn go_on(&mut self, site: &Site, stop: &AtomicBool) {
        let mut pause = self.rng.u32(2..10);
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let look = look(&self.service.daemon).await;
            self.account.lock().unwrap().looks(look);
            pause -= 1;
            if pause == 0 {
                self.act(site).await;
                pause = self.rng.u32(2..10);
            }
        }
    }

    async fn act(&mut self, site: &Site) {
        match self.rng.u8(0..12) {
            0..2 => self.breaks_the_file(site).await,
            2..6 => self.reloads(site).await,
            // Drawn all the same, so that both daemons have the same reloads.
            _ if !self.restarts => self.reloads(site).await,
            6..10 => {
                self.happens(Event::Stop);
                self.service.restart().await;
                self.done.restarts += 1;
            }
            _ => {
                self.happens(Event::Kill);
                self.service.kill().await;
                self.done.kills += 1;
            }
        }
    }

    fn happens(&self, event: Event) {
        self.account.lock().unwrap().happens(event, wall());
    }

    async fn reloads(&mut self, site: &Site) {
        let scope = SCOPES.get(self.rng.usize(0..=SCOPES.len())).copied();
        let moved = Moved { scope, guest: self.rng.bool() };
        // Once to be loaded again, and once for the next process to start with.
        let launch = || launch(site, &self.upstream, &document(moved));
        launch().configure(self.service.daemon.port);
        let next = launch();
        self.service.launch_with(next);
        self.signals("reloads_applied").await;
        self.done.reloads += 1;
    }

    async fn breaks_the_file(&mut self, site: &Site) {
        let broken =
            ["[tokens.billing\n", "[tokens.billing]\nform = \"cognito\"\n", "[callers.c]\nallow = [\"tokens.no\"]\n"];
        let broken = self.rng.choice(broken).unwrap();
        launch(site, &self.upstream, &format!("[server]\nlisten = [\"systemd:api\"]\n{broken}"))
            .configure(self.service.daemon.port);
        self.signals("reloads_refused").await;
        self.done.refused += 1;
    }

    /// Sends the signal, and waits until one more of these is counted.
    async fn signals(&self, counted: &str) {
        let daemon = &self.service.daemon;
        let count = async || daemon.get("/v1/status", ORDERS).await.json()["configuration"][counted].as_u64().unwrap();
        let before = count().await;
        daemon.running.signal("HUP").await;
        until(counted, PATIENCE, async || (count().await > before).then_some(())).await;
    }
}
