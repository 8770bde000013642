//! From the configuration to the forward addresses: the row of each in the status, and what answers there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Outside;
use super::generation::Generation;
use super::listeners::{Line, Listeners};
use crate::config::{Config, Egress as Configured};
use crate::egress::{Egress, PLACES, Tally};
use crate::http::Surface;
use crate::source::upstream::Upstream;

/// The file descriptors that the connections of the forward addresses of `config` need: one to the program, one to the upstream.
pub fn descriptors(config: &Config) -> u64 {
    u64::try_from(2 * PLACES * config.egress.len()).unwrap_or(u64::MAX)
}

/// Is the forward address called `name` as it was, so that it goes on?
fn stays<'a>(config: &Config, name: &str, before: Option<&'a Generation>) -> Option<&'a Generation> {
    let of = |config: &Config| config.egress.iter().position(|egress| egress.forward.name == name);
    before.filter(|before| match (of(config), of(before.config())) {
        (Some(now), Some(then)) => config.egress[now] == before.config().egress[then],
        _ => false,
    })
}

/// The row of each forward address, in their order; one that stays as it is keeps its counts.
pub fn tallies(
    config: &Config,
    listeners: &Listeners,
    outside: &Outside,
    before: Option<&Generation>,
) -> Vec<Arc<Tally>> {
    let tally = |egress: &Configured| {
        let kept = stays(config, &egress.forward.name, before);
        if let Some(standing) = kept.and_then(|before| before.egress().get(&egress.forward.name)) {
            return Arc::clone(standing.get().tally());
        }
        let line = Line::Egress(egress.listen.clone());
        let names = listeners.on(&line).map(|listener| listener.names()).unwrap_or_default();
        Arc::new(Tally::new(egress.forward.clone(), names, outside.clock.clone()))
    };
    config.egress.iter().map(tally).collect()
}

/// What answers at each, by its name, with the credentials of `surface`.
pub fn egress(
    config: &Config,
    surface: &Arc<Surface>,
    tallies: Vec<Arc<Tally>>,
    upstream: &Upstream,
    before: Option<&Generation>,
) -> BTreeMap<String, Egress> {
    let made = |(egress, tally): (&Configured, Arc<Tally>)| {
        let name = egress.forward.name.clone();
        let standing = stays(config, &name, before).and_then(|before| before.egress().get(&name));
        let now = match standing {
            Some(standing) => standing.get().over(Arc::clone(surface)),
            None => Egress::new(egress.forward.clone(), Arc::clone(surface), tally, upstream),
        };
        (name, now)
    };
    config.egress.iter().zip(tallies).map(made).collect()
}
