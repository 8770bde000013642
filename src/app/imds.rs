//! The metadata service of `[imds]`: its socket, and what it knows.

use std::sync::Arc;

use super::warn_where_blind;
use crate::config::Config;
use crate::environment::Environment;
use crate::http::Surface;
use crate::http::imds::{self, Imds};
use crate::http::listen::{self, CannotListen, Socketed};
use crate::http::serve::Server;

/// A metadata service whose socket is open.
pub struct Opened {
    socket: Socketed,
    service: imds::Config,
    region: Option<String>,
}

/// Opens the socket of the metadata service, if there is one in `config`.
///
/// # Errors
/// [`CannotListen`] names the address and the reason.
pub fn open(config: &Config, environment: &Environment) -> Result<Option<Opened>, CannotListen> {
    let Some(service) = config.imds.clone() else { return Ok(None) };
    let region = config.aws.region.clone().or_else(|| environment.region().map(ToOwned::to_owned));
    Ok(Some(Opened { socket: listen::open_apart("imds", service.listen)?, service, region }))
}

impl Opened {
    /// Where it listens.
    pub fn socket(&self) -> &Socketed {
        &self.socket
    }

    /// What it is called in log and status.
    pub fn name(&self) -> String {
        format!("imds {}", self.socket.name())
    }

    /// Serves what `surface` holds, in a task of its own.
    pub fn serve(self, server: &Server, surface: &Arc<Surface>) {
        warn_where_blind(std::slice::from_ref(&self.socket), &surface.callers, Some(&self.service.caller));
        server.accept_callers(self.socket, Imds::new(surface, &self.service, self.region.as_deref()));
    }
}
