//! The rules that span several keys. They look at the document as it is written, so that a mistake in one key hides no rule
//! that speaks of others; a key in which a mistake is reported already is not looked at.

mod chains;
mod credentials;
mod egress;
mod files;
mod imds;
mod listeners;
mod oauth2;

use std::collections::BTreeMap;
use std::time::Duration;

use super::problem::{Findings, nearest};
use super::text::{Text as _, UserPoolId};
use super::tree::{Kind, Member, Node};

/// What STS grants (GetWebIdentityToken, `DurationSeconds`).
const IDENTITY_TOKEN: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(3_600);
/// Clocks that differ by more are wrong; a leeway to bridge that would make every token live longer.
const LONGEST_LEEWAY: Duration = Duration::from_secs(5 * 60);

/// Applies the rules to `tree` and adds to `found`.
pub fn check(tree: &Node, found: &mut Findings) {
    let mut rules = Rules { tree, found };
    rules.listeners();
    for entry in rules.entries("tokens") {
        rules.identity_token(&entry.key);
        rules.token(&entry.key);
    }
    for entry in rules.entries("credentials") {
        rules.credentials(&entry.key);
    }
    for entry in rules.entries("callers") {
        rules.factors(entry);
    }
    for entry in rules.entries("issuers") {
        rules.issuer(&entry.key);
    }
    rules.ambiguous();
    let edges = rules.edges();
    rules.cycles(&edges);
    rules.imds(&edges);
    for entry in rules.entries("egress") {
        rules.egress(&entry.key, &edges);
    }
    rules.files(&edges);
}

/// The NAME of `tokens.NAME`, `credentials.NAME` or `issuers.NAME`.
pub fn name_of(reference: &str) -> Option<&str> {
    ["tokens.", "credentials.", "issuers."].iter().find_map(|kind| reference.strip_prefix(kind))
}

struct Rules<'a> {
    tree: &'a Node,
    found: &'a mut Findings,
}

impl<'a> Rules<'a> {
    fn report(&mut self, path: &[&str], message: &str) {
        self.found.report(path, self.tree.place(path), message);
    }

    /// What `path` leads to, if no mistake is reported in it.
    fn sound(&self, path: &[&str]) -> Option<&'a Node> {
        let found = path.iter().try_fold(self.tree, |node, key| Some(&node.member(key)?.node));
        found.filter(|_| !self.found.any_in(path))
    }

    fn text(&self, path: &[&str]) -> Option<&'a str> {
        self.sound(path)?.text()
    }

    fn entries(&self, table: &str) -> &'a [Member] {
        self.tree.member(table).map(|member| member.node.members()).unwrap_or_default()
    }

    fn identity_token(&mut self, name: &str) {
        let path = ["tokens", name, "lifetime"];
        let lifetime = self.text(&path).and_then(|text| Duration::read(text).ok());
        if lifetime.is_some_and(|lifetime| !IDENTITY_TOKEN.contains(&lifetime)) {
            self.report(&path, "an identity token of STS lives from 60s to 1h");
        }
    }

    fn issuer(&mut self, name: &str) {
        let path = |key| ["issuers", name, key];
        let has = |rules: &Self, key| match rules.sound(&path(key)).map(|node| &node.kind) {
            Some(Kind::List(items)) => !items.is_empty(),
            other => other.is_some(),
        };
        let leeway = self.text(&path("leeway")).and_then(|text| Duration::read(text).ok());
        if leeway.is_some_and(|leeway| leeway > LONGEST_LEEWAY) {
            self.report(
                &path("leeway"),
                "a leeway is at most 5m: every token would live so much longer; correct the clocks instead",
            );
        }
        if has(self, "user_pool") && has(self, "audience") {
            self.report(
                &path("audience"),
                "a user pool's tokens name the client they were issued to, and no audience; name it in `clients`",
            );
        }
        if self.text(&path("token_use")) == Some("id") && has(self, "scopes") {
            self.report(
                &path("scopes"),
                "an ID token has no scopes, so none would be accepted; take them out, or set token_use = \"access\"",
            );
        }
    }

    fn factors(&mut self, caller: &Member) {
        let path = ["callers", &caller.key];
        if !matches!(caller.node.kind, Kind::Table(_)) || caller.node.damaged {
            return;
        }
        let factors = ["token", "uid", "gid", "unit"].iter().any(|factor| caller.node.member(factor).is_some());
        if caller.key == "anonymous" && factors {
            self.report(
                &path,
                "the anonymous caller is the one without factors; give a caller with factors another name",
            );
        }
        let known = ["allow", "token", "uid", "gid", "unit"];
        let misspelled = |member: &Member| {
            !known.contains(&member.key.as_str()) && nearest(&member.key, known).is_some_and(|near| near != "allow")
        };
        if caller.key != "anonymous" && !factors && !caller.node.members().iter().any(misspelled) {
            self.report(&path, "a caller needs at least one factor: token, uid, gid or unit");
        }
    }

    /// Two callers that look the same could never be told apart, so neither would be served.
    fn ambiguous(&mut self) {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for caller in self.entries("callers") {
            let path = ["callers", &caller.key];
            if self.found.any_in(&path) {
                continue;
            }
            let token = caller.node.member("token").map(|token| &token.node);
            let token = |key: &str| token.and_then(|token| token.member(key)?.node.text());
            let digest = token("sha256").map(str::to_ascii_lowercase);
            let known = ["uid", "gid", "unit"].map(|factor| Some(caller.node.member(factor)?.node.to_json()));
            // No two of those that are made are alike; that they have one file is another mistake.
            let place = token("file").or(token("generate").map(|_| &*caller.key));
            if let Some(other) = seen.insert(format!("{place:?} {digest:?} {known:?}"), &caller.key) {
                let message = format!(
                    "cannot be told apart from callers.{other}: give one of them a token, a uid or a unit of its own"
                );
                self.report(&path, &message);
            }
        }
    }
}

/// The provider under which an identity pool knows the user pool of the token called `name`.
pub fn login_provider(tree: &Node, name: &str) -> Option<String> {
    let token = &tree.member("tokens")?.node.member(name)?.node;
    UserPoolId::read(token.member("user_pool")?.node.text()?).ok().map(|pool| provider_of(&pool))
}

/// The provider under which an identity pool knows the issuer called `name`: a user pool's host and id, else the issuer without
/// its scheme.
pub fn issuer_provider(tree: &Node, name: &str) -> Option<String> {
    let issuer = &tree.member("issuers")?.node.member(name)?.node;
    match issuer.member("user_pool") {
        Some(pool) => UserPoolId::read(pool.node.text()?).ok().map(|pool| provider_of(&pool)),
        None => issuer.member("issuer")?.node.text()?.split_once("://").map(|(_, rest)| rest.to_owned()),
    }
}

fn provider_of(pool: &UserPoolId) -> String {
    format!("cognito-idp.{}.amazonaws.com/{}", pool.region, pool.id)
}
