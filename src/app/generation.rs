//! One configuration in effect: everything that is made from it. The next one is made beside it, takes over what stays as it is,
//! and then takes its place at once: nothing that can fail or wait lies between the first step of that and the last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::issuers;
use super::listeners::{Line, Listener, Listeners};
use super::made::Made;
use super::metadata::Stages;
use super::{CannotStart, Outside, assemble, egress, files, imds, warn_where_blind};
use crate::clock::Moment;
use crate::config::Config;
use crate::current::Current;
use crate::egress::Egress;
use crate::files::Keeping;
use crate::http::imds::Imds;
use crate::http::listen::Inherited;
use crate::http::load::Load;
use crate::http::refusals::Refusals;
use crate::http::reloads::Reloads;
use crate::http::serve::Server;
use crate::http::status::{Fees, Row};
use crate::http::units::Units;
use crate::http::{Door, Life, Surface};
use crate::ops::audit::{Audit, Reopened};
use crate::policy::directory::Pause;
use crate::policy::{Directory, Grant};
use crate::source::Ask;
use crate::source::upstream::Upstream;

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
}

type Plan = BTreeMap<(Grant, Ask), Moment>;

/// One that could be in effect.
pub struct Prepared {
    config: Config,
    made: Made,
    surface: Arc<Surface>,
    listeners: Listeners,
    egress: BTreeMap<String, Egress>,
    imds: Option<Imds>,
    units: Option<Option<Arc<Units>>>,
    room: usize,
    audit: Option<Reopened>,
    pause: Option<Pause>,
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

impl Prepared {
    /// Makes everything out of `config` that it takes, beside what is in effect `before`, of which nothing is touched.
    ///
    /// # Errors
    /// [`CannotStart`], after which everything is as it was.
    pub async fn new(config: Config, lasting: &Lasting, before: Option<&Generation>) -> Result<Self, CannotStart> {
        let Lasting { outside, upstream, .. } = lasting;
        let audit = reopened(&config, lasting).await?;
        let listeners = Listeners::open(&config, &lasting.inherited, outside, before.map(|before| &before.listeners))?;
        let (callers, pause) = callers(&config, outside, before).await;
        warn(&config, &listeners, &callers, before);
        let units = units(&callers, outside, before);

        let made = before.map(|before| &before.made);
        let metadata = Stages::new(upstream.clone(), outside, made.map(|made| &made.metadata));
        let key_sets = made.map(|made| &made.key_sets);
        let (issuers, key_sets) = issuers::issuers(&config.issuers, upstream, &metadata, outside, key_sets)?;
        let (store, made) = assemble::entries(&config, upstream, metadata, outside, made)?;
        let made = Made { key_sets, metadata: made.metadata.complete(), ..made };
        let over = before.map(|before| &*before.surface);
        let files = files::files(&config.files, &made, outside, &lasting.audit, over.map(|over| &over.files))?;
        let room = lasting.room(&config, before.map(|before| &before.config));
        let tallies = egress::tallies(&config, &listeners, outside, before);
        let surface = Arc::new(Surface {
            kept: store.always_kept(|grant| callers.allowed(grant)),
            store,
            files,
            issuers: Arc::new(issuers),
            load: Load::new(room, &config.callers, outside.clock.clone(), over.map(|over| &over.load)),
            callers,
            clock: outside.clock.clone(),
            fees: Fees::of(config.cognito_fee_per_1000),
            listeners: listeners.names(&config),
            egress: tallies.iter().map(|tally| Arc::clone(tally) as Arc<dyn Row>).collect(),
            audit: lasting.audit.clone(),
            refusals: Arc::clone(&lasting.refusals),
            life: Arc::clone(&lasting.life),
            reloads: Arc::clone(&lasting.reloads),
            places: Arc::clone(lasting.server.places()),
        });
        let egress = egress::egress(&config, &surface, tallies, upstream, before);
        let imds = imds::imds(&config, &surface, outside, before);
        Ok(Self { config, made, surface, listeners, egress, imds, units, room, audit, pause })
    }

    /// What requests will be answered with.
    pub fn surface(&self) -> &Surface {
        &self.surface
    }

    /// Takes the place of what was in effect `before`, at once.
    pub fn begin(self, lasting: &Lasting, before: Option<Generation>) -> Generation {
        let Self { config, made, surface, listeners, egress, imds, units, room, audit, pause } = self;
        let server = &lasting.server;
        if let Some(audit) = audit {
            lasting.audit.follow(audit);
        }
        surface.store.govern();
        surface.store.forget_callers_but(&config.callers.iter().map(|caller| &*caller.name).collect());
        if let Some(units) = units {
            server.units().replace(units);
        }
        server.resize(room);
        let door = in_place(before.as_ref().map(|before| &before.door), Door::new(&surface));
        // Where it listens says which one is replaced: its name may be another.
        let places = |line: &Line| before.as_ref().and_then(|before| before.egress_on(line));
        let egress: BTreeMap<String, Current<Egress>> = egress
            .into_iter()
            .map(|(name, egress)| {
                let line = line_of(&config, &name);
                (name, in_place(line.as_ref().and_then(places), egress))
            })
            .collect();
        let imds_before = before.as_ref().filter(|before| before.imds_line() == imds_line(&config));
        let imds = imds.map(|imds| in_place(imds_before.and_then(|before| before.imds.as_ref()), imds));
        for listener in listeners.all() {
            serve(listener, server, &config, &door, &egress, imds.as_ref());
        }
        if let Some(before) = &before {
            before.listeners.leave(&listeners);
        }
        let planned = plan(&surface, &config, &lasting.outside, before.as_ref());
        let mut tasks = JoinSet::new();
        for ((grant, ask), at) in planned.clone() {
            tasks.spawn(prefetch(Arc::clone(&surface), grant, ask, at));
        }
        let (clock, callers) = (lasting.outside.clock.clone(), Arc::clone(&surface.callers));
        tasks.spawn(callers.keep_looking(clock));
        drop(pause);
        let (mut keeping, callers) = before.map_or_else(
            || (Keeping::default(), None),
            |before| (before.keeping, Some(Arc::clone(&before.surface.callers))),
        );
        keeping.turn_to(&surface.files);
        if let Some(before) = callers {
            tokio::spawn(succeed(before, Arc::clone(&surface.callers), lasting.outside.clock.now()));
        }
        Generation { config, made, surface, listeners, door, egress, imds, keeping, planned, _tasks: tasks }
    }
}

/// What is made for callers that stay is in its files at once, and what was made for the others is gone.
async fn succeed(before: Arc<Directory>, next: Arc<Directory>, now: Moment) {
    next.look(now).await;
    before.end(Some(&next)).await;
}

impl Generation {
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

/// `value` where something stands already, or where nothing does yet.
fn in_place<T>(before: Option<&Current<T>>, value: T) -> Current<T> {
    match before {
        Some(standing) => {
            drop(standing.replace(value));
            standing.clone()
        }
        None => Current::new(value),
    }
}

fn serve(
    listener: &Listener,
    server: &Server,
    config: &Config,
    door: &Current<Door>,
    egress: &BTreeMap<String, Current<Egress>>,
    imds: Option<&Current<Imds>>,
) {
    match listener.line() {
        Line::Callers(_) | Line::Admin(_) => listener.serve_callers(server, door),
        Line::Imds(_) => imds.into_iter().for_each(|imds| listener.serve_imds(server, imds)),
        Line::Egress(listen) => {
            let found = config.egress.iter().find(|egress| egress.listen == *listen);
            let current = found.and_then(|found| egress.get(&found.forward.name));
            current.into_iter().for_each(|egress| listener.serve_egress(server, egress));
        }
    }
}

/// The audit log as it is to be, where that is not as it is.
async fn reopened(config: &Config, lasting: &Lasting) -> Result<Option<Reopened>, CannotStart> {
    let (audit, config) = (lasting.audit.clone(), config.audit.clone());
    let (environment, clock) = (Arc::clone(&lasting.outside.environment), lasting.outside.clock.clone());
    // Its key is read from a place that may hang.
    let opened = lasting.beside(move || audit.changed(&config, &environment, &clock)).await;
    Ok(opened.ok_or_else(|| CannotStart::Unmade("the audit log".to_owned()))??)
}

async fn callers(config: &Config, outside: &Outside, before: Option<&Generation>) -> (Arc<Directory>, Option<Pause>) {
    let now = outside.clock.now();
    if let Some(before) = before {
        let (callers, pause) = before.surface.callers.succeeded_by(config.callers.clone(), now).await;
        return (Arc::new(callers), Some(pause));
    }
    let callers = Arc::new(Directory::new(config.callers.clone()));
    // Before anybody is served: whoever waits for the file of its token may ask as soon as it is there.
    callers.look(now).await;
    (callers, None)
}

/// Says what cannot work at the listeners, where that was not said before.
fn warn(config: &Config, listeners: &Listeners, callers: &Directory, before: Option<&Generation>) {
    let known = |callers: &Directory| (callers.known_by_process(), callers.known_by_unit());
    let is_old = before.is_some_and(|before| known(&before.surface.callers) == known(callers));
    for listener in listeners.all().iter().filter(|listener| !is_old || !listener.is_in_use()) {
        let only = match listener.line() {
            Line::Callers(_) => None,
            Line::Admin(_) => continue,
            Line::Imds(_) => config.imds.as_ref().map(|imds| imds.caller.as_str()),
            Line::Egress(listen) => {
                let found = config.egress.iter().find(|egress| egress.listen == *listen);
                found.map(|egress| egress.forward.caller.as_str())
            }
        };
        warn_where_blind(listener.sockets(), callers, only);
    }
}

/// Where processes are looked for by unit, if that is another place than before.
fn units(callers: &Directory, outside: &Outside, before: Option<&Generation>) -> Option<Option<Arc<Units>>> {
    let wanted = |callers: &Directory| callers.units().collect::<BTreeSet<_>>();
    let is_same = before.is_some_and(|before| wanted(&before.surface.callers) == wanted(callers));
    (!is_same).then(|| Units::new(callers.units(), outside.clock.clone()))
}

/// When each of what is always kept is first asked for: spread over a window, so that a fleet does not start as one. What was planned
/// before stays so, however often the configuration is loaded.
fn plan(surface: &Surface, config: &Config, outside: &Outside, before: Option<&Generation>) -> Plan {
    let now = outside.clock.now();
    let spread = |fraction: f64| -> Duration { config.spread.mul_f64(fraction) };
    let of = |kept: &(Grant, Ask)| {
        let planned = before.and_then(|before| before.planned.get(kept).copied());
        (kept.clone(), planned.unwrap_or_else(|| now.plus(spread(fastrand::f64()))))
    };
    surface.kept.iter().map(of).collect()
}

async fn prefetch(surface: Arc<Surface>, grant: Grant, ask: Ask, at: Moment) {
    surface.clock.sleep_until(at).await;
    surface.store.prefetch(&grant, &ask);
}
