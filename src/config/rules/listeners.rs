//! The rules of addresses to listen on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Rules;
use crate::config::text::Text as _;
use crate::config::tree::{Kind, Node};
use crate::http::listen::Listen;

impl<'a> Rules<'a> {
    /// There is somewhere to listen, and no address is given away twice.
    pub fn listeners(&mut self) {
        let path = ["server", "listen"];
        if let Some(Kind::List(listen)) = self.sound(&path).map(|node| &node.kind)
            && listen.is_empty()
        {
            self.report(&path, "expected at least one address to listen on");
        }
        let mut taken: Vec<(String, Vec<SocketAddr>)> = Vec::new();
        for (path, addresses) in self.all_addresses_by_path() {
            let is_taken = |others: &[SocketAddr]| {
                others.iter().any(|other| addresses.iter().any(|address| is_same(*other, *address)))
            };
            if let Some((other, _)) = taken.iter().find(|(_, others)| path[0] != "server" && is_taken(others)) {
                self.report(&path, &format!("{other} has this address already; give each listener one of its own"));
            }
            taken.push((called(&path), addresses));
        }
    }

    /// The addresses of every listener that can be read, by what the listener is called.
    pub fn all_addresses(&self) -> Vec<(String, Vec<SocketAddr>)> {
        self.all_addresses_by_path().into_iter().map(|(path, addresses)| (called(&path), addresses)).collect()
    }

    fn all_addresses_by_path(&self) -> Vec<(Vec<&'a str>, Vec<SocketAddr>)> {
        let admin = self.text(&["server", "admin_listen"]).and_then(|text| text.parse().ok());
        let mut all = vec![
            (vec!["server", "listen"], self.server_addresses()),
            (vec!["server", "admin_listen"], admin.into_iter().collect()),
        ];
        let imds = self.sound(&["imds"]).map(|_| vec!["imds", "listen"]);
        let egress = self.entries("egress").iter().map(|entry| vec!["egress", &entry.key, "listen"]);
        for path in imds.into_iter().chain(egress) {
            if let Some(listen) = self.text(&path).and_then(|text| Listen::read(text).ok()) {
                let addresses = addresses(&listen);
                all.push((path, addresses));
            }
        }
        all
    }

    /// The addresses of `server.listen`, or what it is without one.
    fn server_addresses(&self) -> Vec<SocketAddr> {
        let path = ["server", "listen"];
        let lines: Vec<Listen> = match self.sound(&path).map(|node| &node.kind) {
            Some(Kind::List(lines)) => {
                lines.iter().filter_map(Node::text).filter_map(|line| Listen::read(line).ok()).collect()
            }
            _ if self.found.any_in(&path) => Vec::new(),
            _ => vec![Listen::Loopback(crate::config::document::DEFAULT_PORT)],
        };
        lines.iter().flat_map(addresses).collect()
    }
}

/// What a listener is called, such as `[server] listen`.
fn called(path: &[&str]) -> String {
    let (key, table) = path.split_last().unwrap_or((&"", &[]));
    format!("[{}] {key}", table.join("."))
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
