//! The rules that span several keys. They look at the document as it is written, so that a mistake in one key hides no rule
//! that speaks of others; a key in which a mistake is reported already is not looked at.

mod oauth2;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::problem::{Findings, nearest};
use super::text::{Text as _, UserPoolId};
use super::tree::{Kind, Member, Node};

/// A session assumed with temporary credentials lives no longer (STS role chaining).
const LONGEST_CHAINED: Duration = Duration::from_secs(60 * 60);
/// What STS grants (AssumeRole, `DurationSeconds`).
const SESSION: std::ops::RangeInclusive<Duration> = Duration::from_secs(900)..=Duration::from_secs(43_200);

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
    rules.cycles();
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

    fn listeners(&mut self) {
        let path = ["server", "listen"];
        if let Some(Kind::List(listen)) = self.sound(&path).map(|node| &node.kind)
            && listen.is_empty()
        {
            self.report(&path, "expected at least one address to listen on");
        }
    }

    fn credentials(&mut self, name: &str) {
        self.session(name);
        self.session_policy(name);
        self.transitive_tags(name);
        self.login(name);
        self.subject(name);
        self.pool_flow(name);
    }

    fn session(&mut self, name: &str) {
        let path = ["credentials", name, "duration"];
        let Some(duration) = self.text(&path).and_then(|text| Duration::read(text).ok()) else { return };
        let identity = self.text(&["credentials", name, "as"]).and_then(name_of);
        if !SESSION.contains(&duration) {
            self.report(&path, "a session lives from 15m to 12h");
        } else if duration > LONGEST_CHAINED && identity.is_some_and(|identity| self.is_temporary(identity)) {
            self.report(&path, "a role assumed with temporary credentials (`as`) lives 1h at most; shorten it or assume the role directly");
        }
    }

    /// Are these credentials temporary in themselves? Of the broker's own identity only the run time knows.
    fn is_temporary(&self, name: &str) -> bool {
        self.text(&["credentials", name, "from"]).is_some_and(|from| from != "ambient")
    }

    fn session_policy(&mut self, name: &str) {
        let path = ["credentials", name, "policy"];
        let json = self.sound(&path).and_then(|policy| policy.member("json")?.node.text());
        if json.is_some_and(|json| serde_json::from_str::<Value>(json).is_err()) {
            self.report(&path, "the session policy is not JSON");
        }
    }

    fn transitive_tags(&mut self, name: &str) {
        let path = ["credentials", name, "transitive_tags"];
        let Some(Kind::List(transitive)) = self.sound(&path).map(|node| &node.kind) else { return };
        let entry = self.tree.member("credentials").and_then(|all| all.node.member(name));
        let tags = entry.and_then(|entry| entry.node.member("tags")).map(|tags| &tags.node);
        if tags.is_some_and(|tags| tags.damaged || !matches!(tags.kind, Kind::Table(_))) {
            return;
        }
        let is_tag = |tag: &&str| tags.is_some_and(|tags| tags.member(tag).is_some());
        if let Some(unknown) = transitive.iter().filter_map(Node::text).find(|tag| !is_tag(tag)) {
            self.report(&path, &format!("{unknown:?} is not among this table's tags"));
        }
    }

    fn login(&mut self, name: &str) {
        let path = ["credentials", name, "login"];
        let login = self.text(&path);
        if let Some(named) = login.filter(|named| *named != "caller") {
            self.login_token(&path, named);
        }
    }

    /// Credentials for the user of a subject token: what they need, and what cannot be.
    fn subject(&mut self, name: &str) {
        let at = |key| ["credentials", name, key];
        let key = if self.text(&at("from")) == Some("identity-pool") { "login" } else { "token" };
        if self.found.any_in(&at(key)) {
            return;
        }
        if self.text(&at(key)) != Some("caller") {
            for only in ["issuer", "max_subjects"] {
                if self.sound(&at(only)).is_some() {
                    self.report(
                        &at(only),
                        &format!("this is for subject tokens; it goes with {key} = \"caller\" only"),
                    );
                }
            }
        } else if key == "login" && self.sound(&at("issuer")).is_none() && !self.found.any_in(&at("issuer")) {
            self.report(&at(key), "login = \"caller\" needs `issuer`, which verifies the subject token first");
        }
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
    fn subject_stage(&self, edges: &BTreeMap<String, &'a str>, start: &str) -> Option<String> {
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

    fn pool_flow(&mut self, name: &str) {
        let at = |key| ["credentials", name, key];
        if self.text(&at("from")) != Some("identity-pool") || self.found.any_in(&at("flow")) {
            return;
        }
        let basic = self.text(&at("flow")) == Some("basic");
        if basic && self.sound(&at("role_arn")).is_none() && !self.found.any_in(&at("role_arn")) {
            self.report(&at("flow"), "the basic flow needs `role_arn`, the role that is assumed");
        }
        for only in ["session_name", "duration"] {
            if !basic && self.sound(&at(only)).is_some() {
                self.report(
                    &at(only),
                    "this goes with flow = \"basic\" only; credentials of the enhanced flow live one hour",
                );
            }
        }
    }

    fn identity_token(&mut self, name: &str) {
        let path = ["tokens", name, "lifetime"];
        let lifetime = self.text(&path).and_then(|text| Duration::read(text).ok());
        if lifetime.is_some_and(|lifetime| !IDENTITY_TOKEN.contains(&lifetime)) {
            self.report(&path, "an identity token of STS lives from 60s to 1h");
        }
    }

    /// An identity pool takes a user pool's ID token and nothing else.
    fn login_token(&mut self, path: &[&str], named: &str) {
        let Some(name) = name_of(named) else { return };
        let text = |key: &str| self.text(&["tokens", name, key]);
        let message = match (text("from"), text("use")) {
            (Some("cognito"), _) => format!(
                "an identity pool accepts only an ID token, and {named} is an access token of a machine client (Cognito: \"Missing a required claim: aud\"); \
                 use a token with from = \"cognito-user\", or a developer identity"
            ),
            (Some("oauth2"), _) => format!(
                "an identity pool accepts only an ID token, and {named} is an access token; \
                 use a token with from = \"cognito-user\", or a developer identity"
            ),
            (Some("cognito-user"), Some("access")) => {
                format!("an identity pool accepts only an ID token; set use = \"id\" in {named}")
            }
            _ => return,
        };
        self.report(path, &message);
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
        let factors = ["token", "uid", "unit"].iter().any(|factor| caller.node.member(factor).is_some());
        if caller.key == "anonymous" && factors {
            self.report(
                &path,
                "the anonymous caller is the one without factors; give a caller with factors another name",
            );
        }
        let known = ["allow", "token", "uid", "unit"];
        let misspelled = |member: &Member| {
            !known.contains(&member.key.as_str()) && nearest(&member.key, known).is_some_and(|near| near != "allow")
        };
        if caller.key != "anonymous" && !factors && !caller.node.members().iter().any(misspelled) {
            self.report(&path, "a caller needs at least one factor: token or uid");
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
            let uid = caller.node.member("uid").map(|uid| uid.node.to_json());
            if let Some(other) = seen.insert(format!("{:?} {digest:?} {uid:?}", token("file")), &caller.key) {
                let message =
                    format!("cannot be told apart from callers.{other}: give one of them a token or a uid of its own");
                self.report(&path, &message);
            }
        }
    }

    /// No entry may need itself. An entry needs one other at most, so each cycle is walked into once.
    fn cycles(&mut self) {
        let edges = self.edges();
        self.without_subject(&edges);
        let mut walks: BTreeMap<&str, &str> = BTreeMap::new();
        for start in edges.keys() {
            let mut at = start.as_str();
            while !walks.contains_key(at) {
                walks.insert(at, start);
                let Some(next) = edges.get(at) else { break };
                at = next;
            }
            if edges.contains_key(at) && walks.get(at) == Some(&start.as_str()) {
                self.cycle(&edges, at);
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
    fn edges(&self) -> BTreeMap<String, &'a str> {
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
