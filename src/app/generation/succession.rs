//! One configuration takes the place of another: nothing that can fail or wait lies between the first step and the last.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::super::Outside;
use super::super::listeners::{Line, Listener};
use super::prepared::Prepared;
use super::{Generation, Lasting, imds_line, line_of};
use crate::clock::Moment;
use crate::config::Config;
use crate::current::Current;
use crate::egress::Egress;
use crate::files::Keeping;
use crate::http::imds::Imds;
use crate::http::serve::Server;
use crate::http::{Door, Surface};
use crate::policy::{Directory, Grant};
use crate::source::Ask;

/// When each of what is always kept is first asked for.
pub type Plan = BTreeMap<(Grant, Ask), Moment>;

impl Prepared {
    /// Takes the place of what was in effect `before`, at once.
    pub fn begin(self, lasting: &Lasting, mut before: Option<Generation>) -> Generation {
        let Self { config, made, surface, listeners, egress, imds, units, room, audit, pause } = self;
        let server = &lasting.server;
        if let Some(audit) = audit {
            lasting.audit.follow(audit);
        }
        surface.store.govern();
        if let Some(units) = units {
            server.units().replace(units);
        }
        server.resize(room);
        let door = in_place(before.as_ref().map(|before| &before.door), Door::new(&surface));
        let egress = egress_in_place(egress, &config, before.as_ref());
        let imds_before = before.as_ref().filter(|before| before.imds_line() == imds_line(&config));
        let imds = imds.map(|imds| in_place(imds_before.and_then(|before| before.imds.as_ref()), imds));
        for listener in listeners.all() {
            serve(listener, server, &config, &door, &egress, imds.as_ref());
        }
        if let Some(before) = &mut before {
            before.listeners.leave(&listeners);
            before.let_go_of_sockets();
        }
        let planned = plan(&surface, &config, &lasting.outside, before.as_ref());
        let tasks = begun(&surface, &planned);
        drop(pause);
        let (mut keeping, callers) = before.map_or_else(
            || (Keeping::default(), None),
            |before| (before.keeping, Some(Arc::clone(&before.surface.callers))),
        );
        keeping.turn_to(&surface.files);
        // Now that nobody is let in any more who may have less than before.
        surface.store.forget_callers_but(|grant| surface.callers.allowed(grant));
        let now = lasting.outside.clock.now();
        let succession = callers.map(|before| tokio::spawn(succeed(before, Arc::clone(&surface.callers), now)));
        Generation { config, made, surface, listeners, door, egress, imds, keeping, planned, _tasks: tasks, succession }
    }
}

/// Where it listens says which one is replaced: its name may be another.
fn egress_in_place(
    egress: BTreeMap<String, Egress>,
    config: &Config,
    before: Option<&Generation>,
) -> BTreeMap<String, Current<Egress>> {
    let place = |(name, egress): (String, Egress)| {
        let line = line_of(config, &name);
        let standing = line.and_then(|line| before.and_then(|before| before.egress_on(&line)));
        (name, in_place(standing, egress))
    };
    egress.into_iter().map(place).collect()
}

/// The tasks of one configuration.
fn begun(surface: &Arc<Surface>, planned: &Plan) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for ((grant, ask), at) in planned.clone() {
        tasks.spawn(prefetch(Arc::clone(surface), grant, ask, at));
    }
    tasks.spawn(Arc::clone(&surface.callers).keep_looking(surface.clock.clone()));
    tasks
}

/// What is made for callers that stay is in its files at once, and what was made for the others is gone.
async fn succeed(before: Arc<Directory>, next: Arc<Directory>, now: Moment) {
    next.look(now).await;
    before.end(Some(&next)).await;
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
