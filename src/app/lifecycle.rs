//! The life of the daemon: open the listeners, say that it is ready, serve, drain.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use url::Url;

use super::metadata::Stages;
use super::{CannotStart, Outside, assemble, egress, imds, issuers, warn_where_blind};
use crate::config::{self, Config};
use crate::environment::Environment;
use crate::http::listen::{self, Inherited, Socketed};
use crate::http::load::Load;
use crate::http::refusals::Refusals;
use crate::http::serve::Server;
use crate::http::status::Fees;
use crate::http::units::Units;
use crate::http::{Door, Life, Surface};
use crate::ops::audit::Audit;
use crate::ops::systemd;
use crate::policy::Directory;
use crate::source::upstream::Upstream;

/// How long nobody must have asked before a draining daemon ends early.
const QUIET: Duration = Duration::from_secs(1);
/// How often a draining daemon looks whether it is quiet.
const LOOK: Duration = Duration::from_millis(50);
/// How long requests that are being answered may take at the very end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// The variables that point the SDK somewhere else.
const ENDPOINTS: [&str; 5] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_COGNITO_IDENTITY",
    "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
];

/// The variables by which the SDK finds an identity over HTTP.
const IDENTITIES: [&str; 2] = ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_SERVICE_ENDPOINT"];

/// Runs the daemon until it is told to end and has drained.
///
/// # Errors
/// [`CannotStart`], before anything is served.
pub async fn run(config: Config, outside: Outside) -> Result<(), CannotStart> {
    // Before the first listener: a signal that comes right after it opens is not lost.
    let mut signals = Signals::new()?;
    let inherited = Inherited::take(&outside.environment);
    endpoints_are_safe(&outside.environment)?;
    let upstream = Upstream::new(&outside.environment)?;
    let audit = Audit::open(&config.audit, &outside.environment, &outside.clock)?;
    let listeners = Listeners::open(&config, inherited, &outside)?;

    let (drain, most, spread) = (config.server.drain, config.server.max_connections, config.spread);
    let fees = Fees::of(config.cognito_fee_per_1000);
    let limited = config.callers.clone();
    let callers = Arc::new(Directory::new(limited.clone()));
    // Before anybody is served: whoever waits for the file of its token may ask as soon as it is there.
    callers.look(outside.clock.now()).await;
    warn_where_blind(&listeners.sockets, &callers, None);
    let units = Units::new(callers.units(), outside.clock.clone());
    let metadata = Stages::new(upstream.clone(), &outside);
    let issuers = Arc::new(issuers::issuers(&config.issuers, &upstream, &metadata, &outside)?);
    let (store, files) = assemble::store(config, &upstream, metadata, &outside, &audit)?;
    let (stop, stopped) = watch::channel(false);
    let server = Server::new(most, egress::descriptors(listeners.forward.len()), units, outside.clock.clone(), stopped);
    let surface = Arc::new(Surface {
        kept: store.always_kept(|grant| callers.allowed(grant)),
        store,
        files,
        issuers,
        callers: Arc::clone(&callers),
        clock: outside.clock.clone(),
        fees,
        listeners: listeners.names(),
        egress: listeners.forward.iter().map(egress::Opened::row).collect(),
        audit: audit.clone(),
        refusals: Refusals::new(outside.clock.clone()),
        life: Arc::new(Life::new(outside.clock.now())),
        load: Load::new(server.places().tally().most, &limited, outside.clock.clone()),
        places: Arc::clone(server.places()),
    });
    listeners.serve(&server, &surface, &upstream);
    let listeners = surface.listeners.join(", ");
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listeners, "serving");
    systemd::ready(&format!("serving on {listeners}"));
    prefetch(&surface, spread, &outside);
    let watching = tokio::spawn(outside.clock.clone().keep_watch());
    let looking = tokio::spawn(Arc::clone(&callers).keep_looking(outside.clock.clone()));
    let keeping = surface.files.keep();

    signals.end().await;
    tracing::info!("draining");
    systemd::stopping();
    surface.life.drain();
    callers.rest();
    tokio::select! {
        () = quiet(&surface, drain, &outside) => {},
        () = signals.end() => tracing::info!("told again: ending at once"),
    }
    looking.abort();
    watching.abort();
    callers.end().await;
    drop(keeping);
    let _ = stop.send(true);
    server.finish(LAST_ANSWERS.min(drain)).await;
    audit.finish();
    tracing::info!("ended");
    Ok(())
}

/// Where requests come in, opened.
struct Listeners {
    sockets: Vec<Socketed>,
    forward: Vec<egress::Opened>,
    admin: Option<Socketed>,
    imds: Option<imds::Opened>,
}

impl Listeners {
    fn open(config: &Config, mut inherited: Inherited, outside: &Outside) -> Result<Self, CannotStart> {
        let mut sockets = Vec::new();
        for line in &config.server.listen {
            sockets.extend(listen::open(line, &mut inherited)?);
        }
        let forward = egress::open(&config.egress, &mut inherited, outside)?;
        inherited.finish()?;
        let admin = config.server.admin_listen;
        let admin = admin.map(|address| listen::open_apart("admin_listen", address)).transpose()?;
        let imds = imds::open(config, &outside.environment)?;
        not_ourselves(&outside.environment, &sockets.iter().chain(imds.as_ref().map(imds::Opened::socket)))?;
        Ok(Self { sockets, forward, admin, imds })
    }

    /// What they are called where somebody looks. All but the callers' own have their kind before the address, so that nobody
    /// takes them for one of those.
    fn names(&self) -> Vec<String> {
        let admin = self.admin.iter().map(|socket| format!("admin {}", socket.name()));
        let imds = self.imds.iter().map(imds::Opened::name);
        let forward = self.forward.iter().flat_map(egress::Opened::names);
        self.sockets.iter().map(Socketed::name).chain(admin).chain(imds).chain(forward).collect()
    }

    fn serve(self, server: &Server, surface: &Arc<Surface>, upstream: &Upstream) {
        let door = Door::new(surface);
        for socket in self.sockets {
            server.accept_callers(socket, door.clone());
        }
        if let Some(admin) = self.admin {
            server.accept_admin(admin, door);
        }
        for address in self.forward {
            address.serve(server, surface, upstream);
        }
        if let Some(imds) = self.imds {
            imds.serve(server, surface);
        }
    }
}

/// Starts the fetches of the `keep = "always"` entries, spread over a window so that a fleet does not start as one.
fn prefetch(surface: &Arc<Surface>, spread: Duration, outside: &Outside) {
    for (entry, ask) in surface.kept.clone() {
        let (surface, clock) = (Arc::clone(surface), outside.clock.clone());
        let at = clock.now().plus(spread.mul_f64(fastrand::f64()));
        tokio::spawn(async move {
            clock.sleep_until(at).await;
            surface.store.prefetch(&entry, &ask);
        });
    }
}

/// Waits until nobody has asked for a while, at most for `drain`.
async fn quiet(surface: &Surface, drain: Duration, outside: &Outside) {
    let end = outside.clock.now().plus(drain);
    let mut answered = surface.life.answered();
    let mut since = outside.clock.now();
    while outside.clock.now() < end {
        tokio::time::sleep(LOOK).await;
        if surface.life.answered() != answered || !surface.life.is_idle() {
            answered = surface.life.answered();
            since = outside.clock.now();
        } else if outside.clock.now().since(since) >= QUIET {
            return;
        }
    }
}

/// The signals that the daemon knows.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the one that ends the daemon.
    async fn end(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => tracing::warn!(
                    "SIGHUP: reload is not built yet in this version; restart to apply a new configuration"
                ),
            }
        }
    }
}

/// Secrets go to AWS or to this machine, never over plain http to another.
pub(super) fn endpoints_are_safe(environment: &Environment) -> Result<(), CannotStart> {
    for variable in ENDPOINTS {
        let Some(value) = environment.var(variable) else { continue };
        let fault = match Url::parse(value) {
            Err(cause) => format!("is not a URL: {cause}"),
            Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && config::is_loopback(&url)) => continue,
            Ok(_) => "must be an https URL; plain http is accepted for loopback only".to_owned(),
        };
        return Err(CannotStart::Environment { variable, fault });
    }
    Ok(())
}

/// The broker's own identity must not come from the broker: it would wait for itself.
fn not_ourselves<'a>(
    environment: &Environment,
    sockets: &(impl Iterator<Item = &'a Socketed> + Clone),
) -> Result<(), CannotStart> {
    for variable in IDENTITIES {
        let Some(url) = environment.var(variable).and_then(|value| Url::parse(value).ok()) else { continue };
        let ours = |socket: &Socketed| match socket {
            Socketed::Tcp(listener) => {
                listener.local_addr().is_ok_and(|own| Some(own.port()) == url.port_or_known_default())
            }
            Socketed::Unix(..) => false,
        };
        if config::is_loopback(&url) && sockets.clone().any(ours) {
            let fault =
                "points at this daemon itself; unset it for the daemon and give it an identity of its own".to_owned();
            return Err(CannotStart::Environment { variable, fault });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_https_or_here() {
        for (value, good) in [
            ("https://sts.example", true),
            ("http://127.0.0.1:5000", true),
            ("http://sts.example", false),
            ("sts.example", false),
        ] {
            let outcome = endpoints_are_safe(&Environment::from([("AWS_ENDPOINT_URL_STS", value)]));
            assert_eq!(outcome.is_ok(), good, "{value}");
        }
    }

    #[tokio::test]
    async fn a_daemon_does_not_ask_itself() {
        let mut inherited = Inherited::take(&Environment::default());
        let sockets = listen::open(&listen::Listen::Loopback(0), &mut inherited).unwrap();
        let name = sockets[0].name();
        for (variable, uri) in [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{name}/v1/credentials/x")),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{name}/")),
        ] {
            let own = Environment::from([(variable, uri.as_str())]);
            let error = not_ourselves(&own, &sockets.iter()).unwrap_err().to_string();
            assert!(error.contains("itself") && error.starts_with(variable), "{error}");
        }
        for (variable, uri) in [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254"),
        ] {
            assert!(not_ourselves(&Environment::from([(variable, uri)]), &sockets.iter()).is_ok(), "{uri}");
        }
    }
}
