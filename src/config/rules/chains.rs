//! The rules of chains: no entry needs itself, and nobody brings a subject token where none can be brought.

use std::collections::BTreeMap;

use super::{Rules, name_of};

impl<'a> Rules<'a> {
    /// No entry may need itself. An entry needs one other at most, so each cycle is walked into once.
    pub fn cycles(&mut self, edges: &BTreeMap<String, &'a str>) {
        self.without_subject(edges);
        let mut walks: BTreeMap<&str, &str> = BTreeMap::new();
        for start in edges.keys() {
            let mut at = start.as_str();
            while !walks.contains_key(at) {
                walks.insert(at, start);
                let Some(next) = edges.get(at) else { break };
                at = next;
            }
            if edges.contains_key(at) && walks.get(at) == Some(&start.as_str()) {
                self.cycle(edges, at);
            }
        }
    }

    fn cycle(&mut self, edges: &BTreeMap<String, &'a str>, start: &str) {
        let mut chain = vec![start];
        while let Some(next) = chain.last().and_then(|last| edges.get(*last)) {
            chain.push(next);
            if *next == start {
                break;
            }
        }
        let (table, name) = start.split_once('.').unwrap_or((start, ""));
        self.report(&[table, name], &format!("needs itself: {}", chain.join(" → ")));
    }

    /// Which entry needs which other first.
    pub fn edges(&self) -> BTreeMap<String, &'a str> {
        let mut edges = BTreeMap::new();
        for table in ["tokens", "credentials"] {
            for entry in self.entries(table) {
                for key in ["as", "login", "token", "client_assertion"] {
                    let target = self.text(&[table, &entry.key, key]);
                    if let Some(target) = target.filter(|target| name_of(target).is_some()) {
                        edges.insert(format!("{table}.{}", entry.key), target);
                    }
                }
            }
        }
        edges
    }

    /// Nobody brings a subject token to what is fetched ahead, nor to a token.
    fn without_subject(&mut self, edges: &BTreeMap<String, &'a str>) {
        for table in ["tokens", "credentials"] {
            for entry in self.entries(table) {
                let Some(by) = self.subject_stage(edges, &format!("{table}.{}", entry.key)) else { continue };
                if table == "tokens" {
                    let message = format!("{by} is for the user of a subject token, and nobody brings one to a token");
                    self.report(&[table, &entry.key], &message);
                } else if self.text(&[table, &entry.key, "keep"]) == Some("always") {
                    let message = "what is for the user of a subject token is fetched when one is brought; it cannot be kept always";
                    self.report(&[table, &entry.key, "keep"], message);
                }
            }
        }
    }

    /// The stage of `start`'s chain that takes a subject token.
    pub fn subject_stage(&self, edges: &BTreeMap<String, &'a str>, start: &str) -> Option<String> {
        let mut at = start.to_owned();
        for _ in 0..=edges.len() {
            let (table, name) = at.split_once('.')?;
            let takes = |key| self.text(&[table, name, key]) == Some("caller");
            if takes("login") || takes("token") {
                return Some(at);
            }
            at = (*edges.get(&at)?).to_owned();
        }
        None
    }
}
