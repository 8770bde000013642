//! The rules of addresses to listen on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use super::Rules;
use crate::config::text::Text as _;
use crate::config::tree::{Kind, Node};
use crate::http::listen::Listen;

/// What a key asks for.
struct Claim<'a> {
    path: Vec<&'a str>,
    place: Range<usize>,
    /// The key as others are told of it.
    by: String,
    addresses: Vec<SocketAddr>,
}

impl<'a> Rules<'a> {
    /// There is somewhere to listen, and no address is given away twice.
    pub fn listeners(&mut self) {
        let path = ["server", "listen"];
        if let Some(Kind::List(listen)) = self.sound(&path).map(|node| &node.kind)
            && listen.is_empty()
        {
            self.report(&path, "expected at least one address to listen on");
        }
        let claims = self.claims();
        for (at, claim) in claims.iter().enumerate() {
            let clashes = |other: &&Claim<'_>| {
                other.addresses.iter().any(|one| claim.addresses.iter().any(|another| is_same(*one, *another)))
            };
            if let Some(other) = claims[..at].iter().find(clashes) {
                let message = format!("{} has this address already; give each listener one of its own", other.by);
                self.found.report(&claim.path, claim.place.clone(), &message);
            }
        }
    }

    /// The addresses of every listener that can be read, by what the listener is called.
    pub fn all_addresses(&self) -> Vec<(String, Vec<SocketAddr>)> {
        self.claims().into_iter().map(|claim| (claim.by, claim.addresses)).collect()
    }

    /// Who asks for which addresses, in the order in which they are had.
    fn claims(&self) -> Vec<Claim<'a>> {
        let mut claims = self.callers_listeners();
        if let Some(node) = self.sound(&["server", "admin_listen"]) {
            let address = node.text().and_then(|text| text.parse().ok());
            claims.extend(address.map(|address| claim(vec!["server", "admin_listen"], node, vec![address])));
        }
        let imds = self.sound(&["imds"]).map(|_| vec!["imds"]);
        let egress = self.entries("egress").iter().map(|entry| vec!["egress", &*entry.key]);
        for table in imds.into_iter().chain(egress) {
            let path = [&table[..], &["listen"]].concat();
            let Some(node) = self.sound(&path) else { continue };
            let listen = node.text().and_then(|text| Listen::read(text).ok());
            claims.extend(listen.map(|listen| claim(path, node, addresses(&listen))));
        }
        claims
    }

    /// `server.listen`, or what it is without one.
    fn callers_listeners(&self) -> Vec<Claim<'a>> {
        let path = vec!["server", "listen"];
        match self.sound(&path) {
            Some(Node { kind: Kind::List(lines), .. }) => {
                let read = |node: &'a Node| Some((node, Listen::read(node.text()?).ok()?));
                let of_line = |(node, listen)| Claim {
                    by: format!("`{listen}` of [server] listen"),
                    ..claim(path.clone(), node, addresses(&listen))
                };
                lines.iter().filter_map(read).map(of_line).collect()
            }
            _ if self.found.any_in(&path) => Vec::new(),
            _ => {
                let addresses = addresses(&Listen::Loopback(crate::config::document::DEFAULT_PORT));
                vec![Claim { place: self.tree.place(&path), path, by: "[server] listen".to_owned(), addresses }]
            }
        }
    }
}

fn claim<'a>(path: Vec<&'a str>, node: &Node, addresses: Vec<SocketAddr>) -> Claim<'a> {
    let (key, table) = path.split_last().map_or(("", &[][..]), |(key, table)| (*key, table));
    Claim { place: node.span.clone(), by: format!("[{}] {key}", table.join(".")), path, addresses }
}

fn addresses(listen: &Listen) -> Vec<SocketAddr> {
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    match listen {
        Listen::Loopback(port) => loopback.map(|ip| SocketAddr::new(ip, *port)).to_vec(),
        Listen::Address(address) => vec![*address],
        Listen::Unix(_) | Listen::Systemd(_) => Vec::new(),
    }
}

/// Could not both be had? Port 0 is a free one each time.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    let all = |ip: IpAddr| ip.is_unspecified();
    one.port() == other.port()
        && one.port() != 0
        && one.is_ipv4() == other.is_ipv4()
        && (one.ip() == other.ip() || all(one.ip()) || all(other.ip()))
}
