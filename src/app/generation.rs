//! One configuration in effect: everything that is made from it. The next one is made beside it ([`prepared`]), takes over what stays as
//! it is, and then takes its place at once ([`succession`]).

mod prepared;
mod succession;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};

pub use self::prepared::Prepared;
use self::succession::Plan;
use super::listeners::{Line, Listeners};
use super::made::Made;
use super::{Outside, egress};
use crate::config::Config;
use crate::current::Current;
use crate::egress::Egress;
use crate::files::Keeping;
use crate::http::imds::Imds;
use crate::http::listen::Inherited;
use crate::http::refusals::Refusals;
use crate::http::reloads::Reloads;
use crate::http::serve::Server;
use crate::http::{Door, Life, Surface};
use crate::ops::audit::Audit;
use crate::source::upstream::Upstream;

/// A file system that does not take the tokens of callers within this hangs.
const SUCCESSION: Duration = Duration::from_secs(1);

/// What outlives every configuration.
pub struct Lasting {
    /// Everything impure.
    pub outside: Outside,
    /// The way out.
    pub upstream: Upstream,
    /// The sockets that systemd passed.
    pub inherited: Inherited,
    /// The accept loops, and the places of callers.
    pub server: Server,
    /// How the process is doing.
    pub life: Arc<Life>,
    /// Which configuration is in effect.
    pub reloads: Arc<Reloads>,
    /// Where decisions are written down, wherever that is at the moment.
    pub audit: Audit,
    /// Which refusals the log has told of.
    pub refusals: Arc<Refusals>,
    /// Held by whoever reads what a reload needs: where that hangs, one thread does, however often it is tried.
    pub reading: Arc<Mutex<()>>,
}

/// One configuration, and what is made from it.
pub struct Generation {
    config: Config,
    made: Made,
    surface: Arc<Surface>,
    listeners: Listeners,
    door: Current<Door>,
    egress: BTreeMap<String, Current<Egress>>,
    imds: Option<Current<Imds>>,
    keeping: Keeping,
    /// When each of what is always kept is first asked for.
    planned: Plan,
    /// They end with it.
    _tasks: JoinSet<()>,
    /// Ends when the files of callers' tokens are those of this one.
    succession: Option<JoinHandle<()>>,
}

impl Lasting {
    /// What a daemon has that starts with `config`.
    pub fn new(config: &Config, file: String, upstream: Upstream, inherited: Inherited, outside: Outside) -> Self {
        let clock = outside.clock.clone();
        Self {
            server: Server::new(config.server.max_connections, egress::descriptors(config), clock.clone()),
            life: Arc::new(Life::new(clock.now())),
            reloads: Arc::new(Reloads::new(file, clock.clone())),
            audit: Audit::default(),
            refusals: Arc::new(Refusals::new(clock)),
            reading: Arc::default(),
            outside,
            upstream,
            inherited,
        }
    }

    /// What `read` gives, beside the runtime, as it may hang; `None` if it panics.
    pub async fn beside<T: Send + 'static>(&self, read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let turn = Arc::clone(&self.reading).lock_owned().await;
        let reading = tokio::task::spawn_blocking(move || {
            let read = read();
            drop(turn);
            read
        });
        reading.await.ok()
    }

    /// How many callers' connections there will be room for, where they were as many as now `before`.
    fn room(&self, config: &Config, before: Option<&Config>) -> usize {
        let of = |config: &Config| (config.server.max_connections, egress::descriptors(config));
        if before.is_none_or(|before| of(before) == of(config)) {
            return self.server.places().tally().most;
        }
        self.server.room(config.server.max_connections, egress::descriptors(config))
    }
}

impl Generation {
    /// Returns when callers' tokens are in their files, and those that were made before and are good no more are not; or should be.
    pub async fn settled(&mut self) {
        if let Some(succession) = self.succession.take() {
            let _ = tokio::time::timeout(SUCCESSION, succession).await;
        }
    }

    /// What requests are answered with.
    pub fn surface(&self) -> &Arc<Surface> {
        &self.surface
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What answers at the forward addresses, by their names.
    pub fn egress(&self) -> &BTreeMap<String, Current<Egress>> {
        &self.egress
    }

    /// What answers as the metadata service.
    pub fn imds(&self) -> Option<&Current<Imds>> {
        self.imds.as_ref()
    }

    /// Its sockets are open no longer than somebody accepts at them: whoever comes later is refused at once, where he would else wait
    /// for the end and be reset.
    pub fn let_go_of_sockets(&mut self) {
        self.listeners = Listeners::none();
    }

    fn egress_on(&self, line: &Line) -> Option<&Current<Egress>> {
        let Line::Egress(listen) = line else { return None };
        let found = self.config.egress.iter().find(|egress| egress.listen == *listen)?;
        self.egress.get(&found.forward.name)
    }

    fn imds_line(&self) -> Option<Line> {
        imds_line(&self.config)
    }
}

fn imds_line(config: &Config) -> Option<Line> {
    config.imds.as_ref().map(|imds| Line::Imds(imds.listen))
}

fn line_of(config: &Config, egress: &str) -> Option<Line> {
    let found = config.egress.iter().find(|other| other.forward.name == egress)?;
    Some(Line::Egress(found.listen.clone()))
}
