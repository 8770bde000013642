//! The rules of `[egress.*]`: whom it serves, what that caller may have, and where it listens and leads to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::{Rules, name_of};
use crate::config::text::{Text as _, UpstreamUrl};
use crate::config::tree::{Kind, Node};
use crate::http::listen::Listen;
use crate::source::upstream::is_loopback;

/// Longer than the first nothing was meant to wait, shorter than the second no network is.
const IDLE: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_600);

/// A listener of the daemon: which key it is of, and what it holds.
struct Listener {
    path: Vec<String>,
    listen: Listen,
}

impl Rules<'_> {
    /// The rules of `egress.NAME`.
    pub fn egress(&mut self, name: &str) {
        self.added(name);
        self.kernel_knows(name);
        self.listens_alone(name);
        self.leads_elsewhere(name);
        let path = ["egress", name, "idle_timeout"];
        let idle = self.text(&path).and_then(|text| Duration::read(text).ok());
        if idle.is_some_and(|idle| !IDLE.contains(&idle)) {
            self.report(&path, "expected from 1s to 1h");
        }
    }

    /// What is added is the caller's to have, and nobody's in particular.
    fn added(&mut self, name: &str) {
        let caller = self.text(&["egress", name, "caller"]);
        for path in [&["egress", name, "bearer"][..], &["egress", name, "sigv4", "credentials"]] {
            let Some(added) = self.text(path).filter(|added| name_of(added).is_some()) else { continue };
            if let Some(by) = self.subject_stage(&self.edges(), added) {
                let message = format!("{by} is for the user of a subject token, and nobody brings one to an egress");
                self.report(path, &message);
            }
            let allowed = caller.and_then(|caller| self.sound(&["callers", caller, "allow"]));
            let Some(Kind::List(allowed)) = allowed.map(|node| &node.kind) else { continue };
            if !allowed.iter().filter_map(Node::text).any(|grant| grant == added) {
                let caller = caller.unwrap_or_default();
                let message =
                    format!("callers.{caller} may not have {added}; add it to the allow list of callers.{caller}");
                self.report(path, &message);
            }
        }
    }

    /// A program that cannot add a header shows nothing of itself: the kernel has to know it.
    fn kernel_knows(&mut self, name: &str) {
        let path = ["egress", name, "caller"];
        let Some(caller) = self.text(&path) else { return };
        let table = self.tree.member("callers").and_then(|callers| callers.node.member(caller));
        let Some(table) = table.filter(|table| !table.node.damaged) else { return };
        if !["uid", "unit"].iter().any(|factor| table.node.member(factor).is_some()) {
            let message = format!(
                "callers.{caller} has no uid, and a program that cannot add a header shows no token: give callers.{caller} a uid"
            );
            self.report(&path, &message);
        }
    }

    fn listens_alone(&mut self, name: &str) {
        let path = ["egress", name, "listen"];
        let Some(own) = self.text(&path).and_then(|text| Listen::read(text).ok()) else { return };
        let other = self.listeners_of_all().into_iter().take_while(|other| other.path != path);
        let clash = other.filter(|other| overlap(&other.listen, &own)).map(|other| other.path.join(".")).next();
        if let Some(other) = clash {
            self.report(&path, &format!("{own} is the address of {other} already; give it one of its own"));
        }
    }

    /// A request that came back would be forwarded again, for ever.
    fn leads_elsewhere(&mut self, name: &str) {
        let path = ["egress", name, "upstream"];
        let Some(url) = self.text(&path).and_then(|text| UpstreamUrl::read(text).ok()) else { return };
        let port = url.0.port_or_known_default().filter(|_| is_loopback(&url.0));
        let own = self.listeners_of_all().into_iter().find(|own| port.is_some() && port_of(&own.listen) == port);
        if let Some(own) = own {
            let message =
                format!("this is {} of this daemon itself: name the address of the service", own.path.join("."));
            self.report(&path, &message);
        }
    }

    /// Every listener that can be read, in the order in which a clash is told.
    fn listeners_of_all(&self) -> Vec<Listener> {
        let mut all = Vec::new();
        let mut add = |path: &[&str], node: Option<&Node>| {
            let texts = match node.map(|node| &node.kind) {
                Some(Kind::List(items)) => items.iter().filter_map(Node::text).collect(),
                Some(_) => node.and_then(Node::text).into_iter().collect(),
                None => Vec::new(),
            };
            let read = |text: &str| Listen::read(text).ok().or_else(|| text.parse().ok().map(Listen::Address));
            let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
            all.extend(texts.into_iter().filter_map(read).map(|listen| Listener { path: path.clone(), listen }));
        };
        let listen = ["server", "listen"];
        add(&listen, self.sound(&listen));
        add(&["server", "admin_listen"], self.sound(&["server", "admin_listen"]));
        add(&["imds", "listen"], self.sound(&["imds", "listen"]));
        for egress in self.entries("egress") {
            let path = ["egress", &egress.key, "listen"];
            add(&path, self.sound(&path));
        }
        if self.tree.member("server").and_then(|server| server.node.member("listen")).is_none() {
            all.insert(0, Listener { path: listen.map(ToOwned::to_owned).to_vec(), listen: Listen::Loopback(2778) });
        }
        all
    }
}

fn port_of(listen: &Listen) -> Option<u16> {
    match listen {
        Listen::Loopback(port) => Some(*port),
        Listen::Address(address) => Some(address.port()),
        Listen::Unix(_) | Listen::Systemd(_) => None,
    }
}

/// Can only one of them be had?
fn overlap(one: &Listen, other: &Listen) -> bool {
    let of_both = |port: u16| {
        [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].map(|ip| SocketAddr::new(ip, port)).to_vec()
    };
    let addresses = |listen: &Listen| match listen {
        Listen::Loopback(port) => of_both(*port),
        Listen::Address(address) => vec![*address],
        Listen::Unix(_) | Listen::Systemd(_) => Vec::new(),
    };
    let same = |one: &SocketAddr, other: &SocketAddr| {
        let covers = |a: &IpAddr, b: &IpAddr| a == b || (a.is_unspecified() && a.is_ipv4() == b.is_ipv4());
        one.port() == other.port()
            && one.port() != 0
            && (covers(&one.ip(), &other.ip()) || covers(&other.ip(), &one.ip()))
    };
    let (ones, others) = (addresses(one), addresses(other));
    (ones.is_empty() && one == other) || ones.iter().any(|one| others.iter().any(|other| same(one, other)))
}
