//! From the configuration to the forward addresses: the sockets of each, its row in the status, and what answers there.

use std::sync::Arc;

use super::{Outside, warn_where_blind};
use crate::config::Egress as Configured;
use crate::egress::{self, Egress, PLACES, Tally};
use crate::http::Surface;
use crate::http::listen::{self, CannotListen, Inherited, Socketed};
use crate::http::serve::Server;
use crate::http::status::Row;
use crate::source::upstream::Upstream;

/// A forward address whose sockets are open.
pub struct Opened {
    config: egress::Config,
    sockets: Vec<Socketed>,
    tally: Arc<Tally>,
}

/// Opens the sockets of every forward address.
///
/// # Errors
/// If one cannot be had.
pub fn open(
    configured: &[Configured],
    inherited: &mut Inherited,
    outside: &Outside,
) -> Result<Vec<Opened>, CannotListen> {
    let open = |one: &Configured| {
        let sockets = listen::open(&one.listen, inherited)?;
        let names = sockets.iter().map(Socketed::name).collect();
        let tally = Arc::new(Tally::new(one.forward.clone(), names, outside.clock.clone()));
        Ok(Opened { config: one.forward.clone(), sockets, tally })
    };
    configured.iter().map(open).collect()
}

/// The file descriptors that the connections of so many forward addresses need: one to the program, one to the upstream.
pub fn descriptors(addresses: usize) -> u64 {
    u64::try_from(2 * PLACES * addresses).unwrap_or(u64::MAX)
}

impl Opened {
    /// What its sockets are called in log and status.
    pub fn names(&self) -> Vec<String> {
        self.sockets.iter().map(|socket| format!("egress.{} {}", self.config.name, socket.name())).collect()
    }

    /// Its row in the status.
    pub fn row(&self) -> Arc<dyn Row> {
        Arc::clone(&self.tally) as Arc<dyn Row>
    }

    /// Begins to answer.
    pub fn serve(self, server: &Server, surface: &Arc<Surface>, upstream: &Upstream) {
        warn_where_blind(&self.sockets, &surface.callers, Some(&self.config.caller));
        let egress = Egress::new(self.config, Arc::clone(surface), self.tally, upstream);
        server.accept_apart(self.sockets, PLACES, egress.limits(), &egress);
    }
}
