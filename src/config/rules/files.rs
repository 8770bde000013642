//! The rules of files that are written, those of `[files.*]` and the tokens of callers: what can be in them, in which format, and where
//! they must not be.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::Rules;
use crate::config::text::{FileMode, Text as _};
use crate::config::tree::{Kind, Node};

/// A generated token is the newest for at least this.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(5);
/// The keys of a source whose texts are templates.
const TEMPLATES: [&str; 4] = ["session_name", "source_identity", "tags", "login"];

impl<'a> Rules<'a> {
    /// The rules of every file.
    pub fn files(&mut self, edges: &BTreeMap<String, &'a str>) {
        let read = self.files_read();
        let mut written = Vec::new();
        for entry in self.entries("callers") {
            let token = ["callers", &entry.key, "token"];
            self.group_bits(&token);
            self.interval(&token);
            self.path(&token, "generate", &read, &mut written);
        }
        for entry in self.entries("files") {
            self.format(&entry.key);
            self.group_bits(&["files", &entry.key]);
            self.without_caller(edges, &entry.key);
            self.path(&["files", &entry.key], "path", &read, &mut written);
        }
    }

    fn interval(&mut self, table: &[&str]) {
        let at = [table, &["every"]].concat();
        let every = self.text(&at).and_then(|text| Duration::read(text).ok());
        if every.is_some_and(|every| every < SHORTEST_INTERVAL) {
            self.report(&at, "at least \"5s\": whoever reads the file has to have the time to ask with what is in it");
        }
    }

    fn format(&mut self, name: &str) {
        let at = |key| ["files", name, key];
        let has = |key| self.entries("files").iter().any(|file| file.key == name && file.node.member(key).is_some());
        let (of_token, of_credentials) = (has("token"), has("credentials"));
        let Some(format) = self.text(&at("format")).filter(|_| of_token != of_credentials) else { return };
        let (kind, fitting) = if of_token {
            ("a token", &["raw", "json"][..])
        } else {
            ("credentials", &["aws-profile", "json", "env"][..])
        };
        if !fitting.contains(&format) {
            let fitting: Vec<String> = fitting.iter().map(|word| format!("\"{word}\"")).collect();
            let message = format!("{kind} cannot be written as \"{format}\"; choose {}", fitting.join(", "));
            self.report(&at("format"), &message);
        }
    }

    fn group_bits(&mut self, table: &[&str]) {
        let at = |key| [table, &[key]].concat();
        let mode = self.text(&at("mode")).and_then(|text| FileMode::read(text).ok());
        if self.sound(&at("group")).is_some() && mode.is_some_and(|mode| mode.0 & 0o040 == 0) {
            self.report(&at("mode"), "the group may not read it with this mode; make it \"0440\", or take `group` out");
        }
    }

    /// Nobody asks for what is in a file, so it cannot depend on who asks.
    fn without_caller(&mut self, edges: &BTreeMap<String, &'a str>, name: &str) {
        for key in ["token", "credentials"] {
            let path = ["files", name, key];
            let Some(of) = self.text(&path) else { continue };
            if let Some(by) = self.subject_stage(edges, of) {
                let message = format!("{by} is for the user of a subject token, and nobody brings one to a file");
                self.report(&path, &message);
            } else if let Some(by) = self.caller_stage(edges, of) {
                let message = format!(
                    "{by} names its caller by {{caller}}, and a file has none; use an entry with a fixed name instead"
                );
                self.report(&path, &message);
            }
        }
    }

    /// The stage of `start`'s chain that has a template with the caller's name in it.
    fn caller_stage(&self, edges: &BTreeMap<String, &'a str>, start: &str) -> Option<String> {
        let mut at = start;
        for _ in 0..=edges.len() {
            let (table, name) = at.split_once('.')?;
            let by_key = |key: &&str| self.sound(&[table, name, key]).is_some_and(names_caller);
            if TEMPLATES.iter().any(by_key) {
                return Some(at.to_owned());
            }
            at = edges.get(at)?;
        }
        None
    }

    /// A file would take the place of another that somebody relies on, or of its directory.
    fn path(&mut self, table: &[&str], key: &str, read: &[(String, &'a str)], written: &mut Vec<(String, &'a str)>) {
        let at = [table, &[key]].concat();
        let Some(path) = self.text(&at) else { return };
        let clash = |(_, other): &&(String, &str)| is_within(path, other) || is_within(other, path);
        let is_written = written.iter().find(clash);
        let message = match (read.iter().find(clash), is_written) {
            (Some((by, other)), _) | (None, Some((by, other))) if *other != path => {
                format!("{by} is {other}, and one of the two would have to be a directory; name another path")
            }
            (Some((by, _)), _) => format!("{by} is there, and would be replaced; name another path"),
            (None, Some((by, _))) => format!("{by} is written there already; name another path"),
            (None, None) => return written.push((table.join("."), path)),
        };
        self.report(&at, &message);
    }

    /// Every file and socket that the configuration names elsewhere, and where.
    fn files_read(&self) -> Vec<(String, &'a str)> {
        let mut found = Vec::new();
        for table in self.tree.members().iter().filter(|member| member.key != "files") {
            gather(&table.key, &table.node, &mut found);
        }
        found
    }
}

fn is_within(path: &str, directory: &str) -> bool {
    Path::new(path).starts_with(directory)
}

fn gather<'a>(at: &str, node: &'a Node, found: &mut Vec<(String, &'a str)>) {
    match &node.kind {
        Kind::Table(members) => {
            for member in members {
                match member.node.text() {
                    Some(path) if member.key == "file" => found.push((at.to_owned(), path)),
                    _ => gather(&format!("{at}.{}", member.key), &member.node, found),
                }
            }
        }
        Kind::List(items) => {
            for item in items {
                match item.text().and_then(|text| text.strip_prefix("unix:")) {
                    Some(path) => found.push((at.to_owned(), path)),
                    None => gather(at, item, found),
                }
            }
        }
        Kind::Scalar(_) | Kind::Useless(_) => {}
    }
}

fn names_caller(node: &Node) -> bool {
    match &node.kind {
        Kind::Table(members) => members.iter().any(|member| names_caller(&member.node)),
        _ => node.text().is_some_and(|text| text.contains("{caller}")),
    }
}
