//! The life of the daemon: open the listeners, say that it is ready, serve, take over new configurations, drain.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use super::generation::{Generation, Lasting, Prepared};
use super::handover::Handover;
use super::reload::{self, Refused};
use super::surroundings::endpoints_are_safe;
use super::{CannotStart, Outside, pulse};
use crate::config::Config;
use crate::environment::Environment;
use crate::http::Surface;
use crate::http::listen::Inherited;
use crate::ops::systemd::{self, Manager};
use crate::source::upstream::Upstream;

/// How long nobody must have asked before a draining daemon ends early.
const QUIET: Duration = Duration::from_secs(1);
/// However short the drain, answers end their connections for so long before the rest of those are closed: whoever is about to ask
/// again on one that was kept is not cut off.
const LINGER: Duration = Duration::from_millis(250);
/// How often a draining daemon looks whether it is quiet.
const LOOK: Duration = Duration::from_millis(50);
/// How long requests that are being answered may take at the very end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// The same where nothing is drained: who has connected has his answer.
const LAST_ANSWERS_AT_LEAST: Duration = Duration::from_secs(1);

/// Runs the daemon with `config`, and with what stands in `file` later on, until it is told to end and has drained. Its sockets are
/// opened, or `inherited`, and what `hangups` has seen up to now is the first reload.
///
/// # Errors
/// [`CannotStart`], before anything is served.
pub async fn run(
    file: &Path,
    config: Config,
    mut inherited: Inherited,
    hangups: Hangups,
    outside: Outside,
) -> Result<(), CannotStart> {
    // Before the first listener: a signal that comes right after it opens is not lost.
    let mut signals = Signals::new(hangups)?;
    let systemd = Manager::of(&outside.environment);
    let mut handover = Handover::new(&config, &mut inherited, &outside);
    leave_others(&mut inherited, &outside.environment);
    endpoints_are_safe(&outside.environment)?;
    let upstream = Upstream::new(&outside.environment)?;
    let lasting = Lasting::new(&config, file.display().to_string(), upstream, inherited, outside);
    let first = Prepared::new(config, &lasting, None).await?;
    // Before the first caller, and before anything is asked for without one.
    handover.take_up(first.surface()).await;
    let first = first.begin(&lasting, None);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listeners = listeners(&first), "serving");
    systemd.ready(&pulse::status(first.surface()));

    let watching = tokio::spawn(lasting.outside.clock.clone().keep_watch());
    let (standing, seen) = watch::channel(Arc::clone(first.surface()));
    let surface_now = move || Arc::clone(&seen.borrow());
    let handover = Arc::new(Mutex::new(handover));
    let telling = tokio::spawn(pulse::tell(surface_now.clone(), Arc::clone(&handover), systemd.clone()));
    let feeding = systemd::watchdog().map(|limit| tokio::spawn(pulse::feed(limit, surface_now, systemd.clone())));
    let told = async |next: &Generation| {
        // What the next configuration holds is never left as that of this one, nor the other way round.
        let mut handover = handover.lock().await;
        standing.send_replace(Arc::clone(next.surface()));
        handover.configure(next.config(), &lasting.outside.environment);
        drop(handover);
        systemd.ready(&pulse::status(next.surface()));
    };
    let mut last = serve(file, first, &lasting, &systemd, &mut signals, told).await;
    let (surface, drain) = (Arc::clone(last.surface()), last.config().server.drain);
    systemd.stopping();
    drained(&surface, drain, &lasting.outside, &mut signals).await;
    watching.abort();
    surface.callers.end(None).await;
    let audit = lasting.audit;
    last.let_go_of_sockets();
    lasting.server.finish(drain.clamp(LAST_ANSWERS_AT_LEAST, LAST_ANSWERS)).await;
    // Not in the middle of it.
    let mut handover = handover.lock().await;
    telling.abort();
    handover.leave(&surface).await;
    feeding.iter().for_each(JoinHandle::abort);
    drop(last);
    audit.finish();
    tracing::info!("ended");
    Ok(())
}

/// What systemd passed that is nothing of ours stands in the way of nobody, nor does it take up room where leases are kept.
fn leave_others(inherited: &mut Inherited, environment: &Environment) {
    let store = systemd::Store::of(environment);
    for name in inherited.close_others() {
        tracing::warn!(name, "what systemd passed under this name is no socket and is not used");
        if let Some(Err(cause)) = store.as_ref().map(|store| store.forget(&name)) {
            tracing::warn!(%cause, "systemd could not be notified");
        }
    }
}

/// Goes on answering until nobody asks any more, at most for `drain`, or until the daemon is told again to end.
async fn drained(surface: &Surface, drain: Duration, outside: &Outside, signals: &mut Signals) {
    tracing::info!("draining");
    surface.life.drain();
    surface.callers.rest();
    tokio::select! {
        () = quiet(surface, drain.max(LINGER), outside) => {},
        () = signals.end() => tracing::info!("told again: ending at once"),
    }
}

/// Serves until the daemon is told to end, with each configuration that is put in effect, which others are `told`; the last one
/// is returned.
async fn serve(
    file: &Path,
    first: Generation,
    lasting: &Lasting,
    systemd: &Manager,
    signals: &mut Signals,
    told: impl AsyncFn(&Generation),
) -> Generation {
    let mut current = first;
    // To end comes first, also while a configuration is made ready.
    while signals.says_reload().await {
        systemd.reloading();
        let prepared = tokio::select! {
            biased;
            () = signals.end_alone() => {
                tracing::info!("SIGHUP: given up, the daemon is ending");
                return current;
            }
            prepared = reload::prepare(file, lasting, &current) => prepared,
        };
        current = apply(prepared, current, lasting).await;
        told(&current).await;
    }
    current
}

/// Puts what is `prepared` in effect, or says why not. Each ends with one line that names the signal.
async fn apply(prepared: Result<Prepared, Refused>, current: Generation, lasting: &Lasting) -> Generation {
    match prepared {
        Ok(prepared) => {
            let mut next = prepared.begin(lasting, Some(current));
            // Whoever is told that it is in effect finds the addresses free that were taken away, and the tokens of callers in their files.
            tokio::join!(lasting.server.settled(), next.settled());
            let generation = lasting.reloads.applied();
            tracing::info!(
                generation,
                listeners = listeners(&next),
                "SIGHUP: the configuration was loaded and is in effect"
            );
            next
        }
        Err(refused) => {
            let problems = refused.lines();
            problems.iter().for_each(|problem| tracing::error!(problem, "the configuration cannot be loaded"));
            tracing::error!(
                problems = problems.len(),
                "SIGHUP: the configuration was refused; the one in effect stays"
            );
            lasting.reloads.refused(problems);
            current
        }
    }
}

fn listeners(generation: &Generation) -> String {
    generation.surface().listeners.join(", ")
}

/// Waits until nobody has asked for a while, at most for `drain`.
async fn quiet(surface: &Surface, drain: Duration, outside: &Outside) {
    let end = outside.clock.now().plus(drain);
    let mut over = surface.life.over();
    let mut since = outside.clock.now();
    while outside.clock.now() < end {
        tokio::time::sleep(LOOK).await;
        if surface.life.over() != over || !surface.life.is_idle() {
            over = surface.life.over();
            since = outside.clock.now();
        } else if outside.clock.now().since(since) >= QUIET {
            return;
        }
    }
}

/// The signal at which the configuration is loaded, which ends nobody any more from its first `watch` on.
pub struct Hangups(Signal);

impl Hangups {
    /// Watches for it, within a runtime.
    ///
    /// # Errors
    /// [`CannotStart::Signals`].
    pub fn watch() -> Result<Self, CannotStart> {
        Ok(Self(signal(SignalKind::hangup())?))
    }
}

/// The signals that the daemon knows.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new(Hangups(hangup): Hangups) -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())?, hangup })
    }

    /// Waits for the next one. Is it the one at which the configuration is loaded? Several of those that came meanwhile are one.
    async fn says_reload(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => false,
            _ = self.hangup.recv() => true,
        }
    }

    /// Waits for the one that ends the daemon.
    async fn end_alone(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {},
            _ = self.interrupt.recv() => {},
        }
    }

    /// The same for a daemon that is ending, and loads nothing any more.
    async fn end(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => tracing::warn!("SIGHUP: passed over, the daemon is ending"),
            }
        }
    }
}
