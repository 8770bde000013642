//! Where requests come in. A listener is what it is for and the line that says where; as long as both stand in the configuration, and
//! nobody has taken its file away, it is never closed, and what answers there is replaced while it is open.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::surroundings::not_ourselves;
use super::{CannotStart, Outside};
use crate::config::Config;
use crate::current::Current;
use crate::egress::{Egress, PLACES};
use crate::http::Door;
use crate::http::imds::Imds;
use crate::http::listen::{self, CannotListen, Inherited, Listen, Offer, Socketed};
use crate::http::serve::{Gate, Server};

/// What a listener is for, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Callers.
    Callers(Listen),
    /// A program whose requests are forwarded.
    Egress(Listen),
    /// Health and readiness.
    Admin(SocketAddr),
    /// The metadata service.
    Imds(SocketAddr),
}

/// One listener: open, and accepted from since it was first in use.
#[derive(Debug)]
pub struct Listener {
    line: Line,
    sockets: Vec<Arc<Socketed>>,
    gate: OnceLock<Arc<Gate>>,
}

/// Every listener of one configuration.
#[derive(Debug)]
pub struct Listeners(Vec<Arc<Listener>>);

impl Line {
    fn all(config: &Config) -> Vec<Self> {
        let callers = config.server.listen.iter().cloned().map(Self::Callers);
        let egress = config.egress.iter().map(|egress| Self::Egress(egress.listen.clone()));
        let admin = config.server.admin_listen.map(Self::Admin);
        let imds = config.imds.as_ref().map(|imds| Self::Imds(imds.listen));
        callers.chain(egress).chain(admin).chain(imds).collect()
    }

    fn open(&self, offer: &mut Offer<'_>) -> Result<Vec<Socketed>, CannotListen> {
        match self {
            Self::Callers(line) | Self::Egress(line) => listen::open(line, offer),
            Self::Admin(address) => Ok(vec![listen::open_apart("admin_listen", *address)?]),
            Self::Imds(address) => Ok(vec![listen::open_apart("imds", *address)?]),
        }
    }

    /// Takes what systemd has passed for it out of `offer`, for a listener that is open already.
    fn claim(&self, offer: &mut Offer<'_>) {
        if let Self::Callers(Listen::Systemd(name)) | Self::Egress(Listen::Systemd(name)) = self {
            offer.claim(name);
        }
    }

    fn port(&self) -> Option<u16> {
        match self {
            Self::Callers(Listen::Loopback(port)) | Self::Egress(Listen::Loopback(port)) => Some(*port),
            Self::Callers(Listen::Address(address)) | Self::Egress(Listen::Address(address)) => Some(address.port()),
            Self::Admin(address) | Self::Imds(address) => Some(address.port()),
            Self::Callers(_) | Self::Egress(_) => None,
        }
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::Callers(Listen::Unix(path)) | Self::Egress(Listen::Unix(path)) => Some(path),
            _ => None,
        }
    }
}

impl Listener {
    /// What it is for.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// Its sockets.
    pub fn sockets(&self) -> &[Arc<Socketed>] {
        &self.sockets
    }

    /// What its sockets are called.
    pub fn names(&self) -> Vec<String> {
        self.sockets.iter().map(|socket| socket.name()).collect()
    }

    /// Is it in use?
    pub fn is_in_use(&self) -> bool {
        self.gate.get().is_some()
    }

    /// Is it one that nobody finds any more?
    fn is_lost(&self) -> bool {
        self.sockets.iter().any(|socket| socket.is_lost())
    }

    /// Callers are answered from now on, if they are not yet.
    pub fn serve_callers(&self, server: &Server, door: &Current<Door>) {
        self.gate.get_or_init(|| match self.line {
            Line::Admin(_) => server.accept_admin(&self.sockets, door),
            _ => server.accept_callers(&self.sockets, door),
        });
    }

    /// Requests are forwarded from now on, if they are not yet.
    pub fn serve_egress(&self, server: &Server, egress: &Current<Egress>) {
        self.gate.get_or_init(|| server.accept_apart(&self.sockets, PLACES, egress));
    }

    /// The metadata service answers from now on, if it does not yet.
    pub fn serve_imds(&self, server: &Server, imds: &Current<Imds>) {
        self.gate.get_or_init(|| server.accept_callers(&self.sockets, imds));
    }
}

impl Listeners {
    /// Those of nobody.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Those of `config`. What is open in `before` stays so, where callers can still find it; the others are opened, and not in use yet.
    ///
    /// # Errors
    /// If one cannot be had. Those that were opened are closed again.
    pub fn open(
        config: &Config,
        inherited: &Inherited,
        outside: &Outside,
        before: Option<&Self>,
    ) -> Result<Self, CannotStart> {
        let mut offer = inherited.offer();
        let (apart, lines): (Vec<_>, Vec<_>) =
            Line::all(config).into_iter().partition(|line| matches!(line, Line::Admin(_) | Line::Imds(_)));
        let mut all = Vec::new();
        for line in lines {
            all.push(Self::listener(line, &mut offer, before)?);
        }
        let mut none_left = inherited.offer();
        all.iter().for_each(|listener| listener.line.claim(&mut none_left));
        none_left.finish()?;
        for line in apart {
            all.push(Self::listener(line, &mut offer, before)?);
        }
        let asked_for_identity = |listener: &&Arc<Listener>| matches!(listener.line, Line::Callers(_) | Line::Imds(_));
        let sockets = all.iter().filter(asked_for_identity).flat_map(|listener| &listener.sockets);
        not_ourselves(&outside.environment, &sockets.map(Arc::as_ref))?;
        Ok(Self(all))
    }

    fn listener(line: Line, offer: &mut Offer<'_>, before: Option<&Self>) -> Result<Arc<Listener>, CannotListen> {
        let open = before.and_then(|before| before.on(&line));
        if let Some(open) = open.filter(|open| !open.is_lost()) {
            line.claim(offer);
            return Ok(Arc::clone(open));
        }
        let sockets = match (line.open(offer), open) {
            (Ok(sockets), _) => sockets,
            // It was so before, and a reload is not for that to be mended first.
            (Err(fault), Some(open)) => {
                tracing::warn!(%fault, "the file of a unix socket is gone, and the socket cannot be opened again");
                return Ok(Arc::clone(open));
            }
            (Err(fault), None) => return Err(hinted(fault, before.and_then(|before| before.holds(&line)))),
        };
        let sockets = sockets.into_iter().map(Arc::new).collect();
        Ok(Arc::new(Listener { line, sockets, gate: OnceLock::new() }))
    }

    /// The one of `line`.
    pub fn on(&self, line: &Line) -> Option<&Arc<Listener>> {
        self.0.iter().find(|listener| listener.line == *line)
    }

    /// All of them.
    pub fn all(&self) -> &[Arc<Listener>] {
        &self.0
    }

    /// What has the port or the file of `line` open.
    fn holds(&self, line: &Line) -> Option<String> {
        let has_port = |listener: &Listener| listener.line.port().is_some_and(|port| line.port() == Some(port));
        let has_file = |listener: &Listener| {
            line.path().is_some_and(|path| listener.sockets.iter().any(|socket| socket.is_at(path)))
        };
        let holder = self.0.iter().find(|listener| has_port(listener) || has_file(listener))?;
        Some(holder.names().join(", "))
    }

    /// What they are called where somebody looks. All but the callers' own have their kind before the address, so that nobody
    /// takes them for one of those.
    pub fn names(&self, config: &Config) -> Vec<String> {
        let named = |listener: &Arc<Listener>| {
            let kind = match &listener.line {
                Line::Callers(_) => String::new(),
                Line::Admin(_) => "admin ".to_owned(),
                Line::Imds(_) => "imds ".to_owned(),
                Line::Egress(line) => {
                    let egress = config.egress.iter().find(|egress| egress.listen == *line);
                    egress.map(|egress| format!("egress.{} ", egress.forward.name)).unwrap_or_default()
                }
            };
            listener.names().into_iter().map(move |name| format!("{kind}{name}")).collect::<Vec<_>>()
        };
        let place = |listener: &&Arc<Listener>| match listener.line {
            Line::Callers(_) => 0,
            Line::Admin(_) => 1,
            Line::Imds(_) => 2,
            Line::Egress(_) => 3,
        };
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_by_key(place);
        all.into_iter().flat_map(named).collect()
    }

    /// Closes those that are not among `next`. Their connections end after the answer under way.
    pub fn leave(&self, next: &Self) {
        for listener in &self.0 {
            if !next.0.iter().any(|other| Arc::ptr_eq(listener, other))
                && let Some(gate) = listener.gate.get().cloned()
            {
                gate.shut();
                tokio::spawn(async move { gate.close().await });
            }
        }
    }
}

fn hinted(fault: CannotListen, ours: Option<String>) -> CannotListen {
    match ours {
        Some(ours) => fault.hinting(&format!(
            "; this daemon itself has it open as {ours}: take that away in one reload and add this in the next"
        )),
        None => fault,
    }
}
