//! The rules of addresses to listen on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Rules;
use crate::config::text::{LoopbackAddress, Text as _};
use crate::config::tree::{Kind, Node};
use crate::http::listen::Listen;

impl Rules<'_> {
    /// There is somewhere to listen, and no address is given away twice.
    pub fn listeners(&mut self) {
        let path = ["server", "listen"];
        if let Some(Kind::List(listen)) = self.sound(&path).map(|node| &node.kind)
            && listen.is_empty()
        {
            self.report(&path, "expected at least one address to listen on");
        }
        let admin: Vec<SocketAddr> =
            self.text(&["server", "admin_listen"]).and_then(|text| text.parse().ok()).into_iter().collect();
        let mut taken =
            vec![("[server] listen".to_owned(), self.server_addresses()), ("[server] admin_listen".to_owned(), admin)];
        let others = self.sound(&["imds"]).map(|_| vec!["imds"]);
        let egress = self.entries("egress").iter().map(|entry| vec!["egress", &entry.key]);
        for table in others.into_iter().chain(egress) {
            let path = [&table[..], &["listen"]].concat();
            let Some(address) = self.text(&path).and_then(|text| LoopbackAddress::read(text).ok()) else { continue };
            let clash = taken.iter().find(|(_, others)| others.iter().any(|other| is_same(*other, address.0)));
            if let Some((other, _)) = clash {
                self.report(&path, &format!("{other} has this address already; give each listener one of its own"));
            }
            taken.push((format!("[{}] listen", table.join(".")), vec![address.0]));
        }
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
