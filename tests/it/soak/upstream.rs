//! What goes wrong upstream.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};
use fastrand::Rng;

use super::account::Account;
use super::entries::LIVES;
use super::gate::Gate;
use super::grants::Event;
use crate::documents::M2M_CLIENT;
use crate::site::Site;
use crate::waiting::wall;

pub struct Troubles {
    pub gate: Gate,
    pub rng: Rng,
    pub account: Arc<Mutex<Account>>,
    /// How many there were.
    pub count: u64,
}

impl Troubles {
    /// One trouble after the other, with calm between them, until `stop`; at the end all is well.
    pub async fn go_on(&mut self, site: &Site, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            self.pause(1_000..8_000, stop).await;
            self.count += 1;
            match self.rng.u8(0..8) {
                0 => self.secret(site).await,
                1 | 2 => self.refuses(stop).await,
                _ => {
                    site.control().fault(self.fault());
                    self.pause(500..12_000, stop).await;
                    site.control().clear_faults();
                }
            }
        }
    }

    async fn refuses(&mut self, stop: &AtomicBool) {
        self.account.lock().unwrap().happens(Event::Shut, wall());
        self.gate.shut().await;
        self.pause(500..12_000, stop).await;
        self.gate.open().await;
    }

    /// The client has another secret; the file is replaced a little earlier or later.
    async fn secret(&mut self, site: &Site) {
        let secret = format!("billingsecret{:026}", self.rng.u64(..));
        let is_file_first = self.rng.bool();
        let between = Duration::from_millis(self.rng.u64(0..2_500));
        if is_file_first {
            site.replace("billing.secret", &secret);
            tokio::time::sleep(between).await;
            site.control().set_client_secret(M2M_CLIENT, &secret);
        } else {
            site.control().set_client_secret(M2M_CLIENT, &secret);
            tokio::time::sleep(between).await;
            site.replace("billing.secret", &secret);
        }
    }

    fn fault(&mut self) -> Fault {
        let rng = &mut self.rng;
        let kind = match rng.u8(0..7) {
            0 => FaultKind::Status { status: 503, body: "<html>down</html>".to_owned(), headers: [].into() },
            1 => FaultKind::Throttle { retry_after: None },
            2 => FaultKind::Throttle { retry_after: Some(rng.u64(1..30)) },
            3 => FaultKind::Delay { milliseconds: rng.u64(100..4_000) },
            4 => FaultKind::Cut { after_bytes: rng.usize(0..60) },
            5 => FaultKind::Garbage { body: "<html>hello</html>".to_owned(), content_type: "text/html".to_owned() },
            _ => FaultKind::Hang {},
        };
        let operation = if rng.bool() { "*" } else { rng.choice(&LIVES).unwrap().operation };
        Fault::always(operation, kind)
    }

    async fn pause(&mut self, milliseconds: std::ops::Range<u64>, stop: &AtomicBool) {
        let mut left = self.rng.u64(milliseconds);
        while left > 0 && !stop.load(Ordering::Relaxed) {
            let step = left.min(500);
            tokio::time::sleep(Duration::from_millis(step)).await;
            left -= step;
        }
    }
}
