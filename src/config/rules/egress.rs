//! The rules of `[egress.*]`: whom it serves, what that caller may have, and where it listens and leads to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Rules, name_of};
use crate::config::text::{Text as _, UpstreamUrl};
use crate::config::tree::{Kind, Node};
use crate::source::upstream::is_loopback;

/// Longer than the first nothing was meant to wait, shorter than the second no network is.
const IDLE: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_600);

impl<'a> Rules<'a> {
    /// The rules of `egress.NAME`.
    pub fn egress(&mut self, name: &str, edges: &BTreeMap<String, &'a str>) {
        self.added(name, edges);
        self.kernel_knows(name);
        self.leads_elsewhere(name);
        let path = ["egress", name, "idle_timeout"];
        let idle = self.text(&path).and_then(|text| Duration::read(text).ok());
        if idle.is_some_and(|idle| !IDLE.contains(&idle)) {
            self.report(&path, "expected from 1s to 1h");
        }
    }

    /// What is added is the caller's to have, and nobody's in particular.
    fn added(&mut self, name: &str, edges: &BTreeMap<String, &'a str>) {
        let caller = self.text(&["egress", name, "caller"]);
        for path in [&["egress", name, "bearer"][..], &["egress", name, "sigv4", "credentials"]] {
            let Some(added) = self.text(path).filter(|added| name_of(added).is_some()) else { continue };
            if let Some(by) = self.subject_stage(edges, added) {
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
                "callers.{caller} has no uid and no unit, and a program that cannot add a header shows no token: give callers.{caller} \
                 one of them"
            );
            self.report(&path, &message);
        }
    }

    /// A request that came back would be forwarded again, for ever.
    fn leads_elsewhere(&mut self, name: &str) {
        let path = ["egress", name, "upstream"];
        let Some(url) = self.text(&path).and_then(|text| UpstreamUrl::read(text).ok()) else { return };
        let port = url.0.port_or_known_default().filter(|_| is_loopback(&url.0));
        let is_own = |addresses: &[SocketAddr]| addresses.iter().any(|own| Some(own.port()) == port);
        let own = self.all_addresses().into_iter().find(|(_, addresses)| is_own(addresses));
        if let Some((own, _)) = own {
            self.report(&path, &format!("this is {own} of this daemon itself: name the address of the service"));
        }
    }
}
