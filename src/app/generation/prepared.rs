//! A configuration that could be in effect: made beside the one that is, of which nothing is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::listeners::{Line, Listeners};
use super::super::made::Made;
use super::super::metadata::Stages;
use super::super::{CannotStart, Outside, assemble, egress, files, imds, issuers, warn_where_blind};
use super::{Generation, Lasting};
use crate::config::Config;
use crate::egress::Egress;
use crate::http::Surface;
use crate::http::imds::Imds;
use crate::http::load::Load;
use crate::http::status::{Fees, Row};
use crate::http::units::Units;
use crate::ops::audit::Reopened;
use crate::policy::Directory;
use crate::policy::directory::Pause;

/// One that could be in effect.
pub struct Prepared {
    pub(super) config: Config,
    pub(super) made: Made,
    pub(super) surface: Arc<Surface>,
    pub(super) listeners: Listeners,
    pub(super) egress: BTreeMap<String, Egress>,
    pub(super) imds: Option<Imds>,
    pub(super) units: Option<Option<Arc<Units>>>,
    pub(super) room: usize,
    pub(super) audit: Option<Reopened>,
    pub(super) pause: Option<Pause>,
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
            log: outside.log.clone(),
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
