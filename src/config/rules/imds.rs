//! The rules of `[imds]`.

use std::collections::BTreeMap;

use super::{Rules, name_of};
use crate::config::tree::{Kind, Node};

impl<'a> Rules<'a> {
    /// Its caller can be known there, may have what it hands out, and that is to be had without a subject token.
    pub fn imds(&mut self, edges: &BTreeMap<String, &'a str>) {
        let (caller, credentials) = (self.text(&["imds", "caller"]), self.text(&["imds", "credentials"]));
        if let Some(caller) = caller {
            self.known_without_token(caller);
        }
        if let (Some(caller), Some(credentials)) = (caller, credentials) {
            self.may_have(caller, credentials);
        }
        if let Some(by) = credentials.and_then(|credentials| self.subject_stage(edges, credentials)) {
            let message = format!(
                "{by} is for the user of a subject token, and the programs that ask here bring none; \
                 name credentials that are for the caller itself"
            );
            self.report(&["imds", "credentials"], &message);
        }
    }

    /// Every factor given must match, and a program that knows only the metadata service sends no token of ours.
    fn known_without_token(&mut self, caller: &str) {
        let at = |key| ["callers", caller, key];
        if self.found.any_in(&["callers", caller]) {
            return;
        }
        let path = ["imds", "caller"];
        if self.sound(&at("token")).is_some() {
            let message = format!(
                "callers.{caller} has a token, which the programs that ask here cannot show, and every factor given must match; \
                 name a caller that has a uid or a unit, and no token"
            );
            self.report(&path, &message);
        } else if self.sound(&at("gid")).is_some() {
            let message = format!(
                "callers.{caller} has a gid, which TCP does not tell, and every factor given must match; \
                 name a caller that has a uid or a unit, and no gid"
            );
            self.report(&path, &message);
        } else if self.sound(&at("uid")).or(self.sound(&at("unit"))).is_none() {
            let message = format!(
                "the programs that ask here can be known by their uid or their unit only, and callers.{caller} has neither; \
                 name a caller that has one of them, and no token"
            );
            self.report(&path, &message);
        }
    }

    fn may_have(&mut self, caller: &str, credentials: &str) {
        let allow = self.sound(&["callers", caller, "allow"]).map(|node| &node.kind);
        let Some(Kind::List(allow)) = allow else { return };
        if name_of(credentials).is_some() && !allow.iter().filter_map(Node::text).any(|grant| grant == credentials) {
            let message = format!("callers.{caller} may not have {credentials}; add it to the caller's allow list");
            self.report(&["imds", "credentials"], &message);
        }
    }
}
