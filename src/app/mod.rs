//! The composition root: the one place that knows everybody. [`assemble`] makes the entries out of the configuration, [`issuers`]
//! those that hold keys, [`files`] what is written to the disk, [`listeners`] where requests come in; a [`generation`] is all of it, and
//! what stays as it is goes on in the next one ([`made`]). [`lifecycle`] serves, [`reload`]s and drains; [`rotation`] is one token's
//! secret instead of the daemon.

pub mod assemble;
mod definitions;
mod egress;
mod files;
mod generation;
mod handover;
mod imds;
pub mod issuers;
mod lifecycle;
mod listeners;
mod made;
pub mod metadata;
mod origin;
mod pulse;
mod quotas;
mod reload;
mod rotation;
mod surroundings;
mod time;

use std::sync::Arc;
use std::time::Duration;

pub use lifecycle::{Hangups, run};
pub use quotas::Quotas;
pub use rotation::{CannotRotate, rotate};
pub use time::time_of_sts;

use crate::clock::Clock;
use crate::environment::Environment;
use crate::http::listen::{CannotListen, Socketed};
use crate::http::{socket_table, units};
use crate::ops::audit::CannotAudit;
use crate::ops::log::Losses;
use crate::policy::Directory;
use crate::refresh::schedule::{Freshness, Keep};
use crate::source::upstream::BadBundle;

/// How what has no table of its own is kept fresh.
const AS_USED: Freshness = Freshness { ahead: 0.75, keep: Keep::Used, outage_cover: None, life_left: Duration::ZERO };

/// Everything impure that the daemon needs, in one value.
#[derive(Clone, Debug)]
pub struct Outside {
    /// The process environment.
    pub environment: Arc<Environment>,
    /// The time.
    pub clock: Clock,
    /// What this machine calls itself.
    pub host: Arc<str>,
    /// What upstreams have of it: it is shared by all that this process asks, whatever is reloaded.
    pub quotas: Quotas,
    /// What the log loses.
    pub log: Losses,
}

impl Outside {
    /// The outside of this process.
    pub fn of_process() -> Self {
        let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        Self {
            environment: Arc::new(Environment::of_process()),
            clock: Clock::system(),
            host: host.unwrap_or_else(|| "localhost".to_owned()).into(),
            quotas: Quotas::default(),
            log: Losses::default(),
        }
    }
}

/// Says in the log which of `callers`, or whether the `only` one that they are for, will be unknown at `sockets`.
fn warn_where_blind(sockets: &[Arc<Socketed>], callers: &Directory, only: Option<&str>) {
    let concerned = |mut names: Vec<String>| {
        names.retain(|name| only.is_none_or(|only| only == name));
        names
    };
    socket_table::warn_where_blind(sockets, &concerned(callers.known_by_process()));
    units::warn_where_blind(sockets, &concerned(callers.known_by_unit()));
}

/// Why the daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum CannotStart {
    /// A listener cannot be opened.
    #[error(transparent)]
    Listen(#[from] CannotListen),
    /// The CA bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] BadBundle),
    /// A variable of the environment would send secrets where they do not belong.
    #[error("{variable}: {fault}")]
    Environment {
        /// Which variable.
        variable: &'static str,
        /// What is wrong and what to do.
        fault: String,
    },
    /// An entry needs another that is not there; the check of the configuration excludes it.
    #[error("{0} cannot be made out of this configuration; this is a mistake of credbroker, please report it")]
    Unmade(String),
    /// There can be no audit log as it is configured.
    #[error(transparent)]
    Audit(#[from] CannotAudit),
    /// Signals cannot be received.
    #[error("signals cannot be received: {0}")]
    Signals(#[from] std::io::Error),
}
