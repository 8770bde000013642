//! The rules of `[credentials.*]` that span several keys.

use std::time::Duration;

use serde_json::Value;

use super::{Rules, name_of};
use crate::config::text::Text as _;
use crate::config::tree::{Kind, Node};

/// A session assumed with temporary credentials lives no longer (STS role chaining).
const LONGEST_CHAINED: Duration = Duration::from_secs(60 * 60);
/// What STS grants (AssumeRole, `DurationSeconds`).
const SESSION: std::ops::RangeInclusive<Duration> = Duration::from_secs(900)..=Duration::from_secs(43_200);

impl Rules<'_> {
    pub fn credentials(&mut self, name: &str) {
        self.session(name);
        self.session_policy(name);
        self.transitive_tags(name);
        self.login(name);
        self.subject(name);
        self.web_token(name);
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
            (Some("sts"), _) => {
                format!("{named} is for parties outside of AWS, which does not take it back (GetWebIdentityToken)")
            }
            (Some("cognito-user"), Some("access")) => {
                format!("an identity pool accepts only an ID token; set use = \"id\" in {named}")
            }
            _ => return,
        };
        self.report(path, &message);
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
        } else if key == "login" {
            self.subject_is_id_token(&at("issuer"));
        }
    }

    /// An issuer that lets in access tokens only would let in what the pool then refuses.
    fn subject_is_id_token(&mut self, path: &[&str]) {
        let Some(issuer) = self.text(path).and_then(name_of) else { return };
        let at = |key| ["issuers", issuer, key];
        if self.sound(&at("user_pool")).is_some()
            && self.text(&at("token_use")) != Some("id")
            && !self.found.any_in(&at("token_use"))
        {
            let message =
                format!("an identity pool accepts only an ID token; set token_use = \"id\" in issuers.{issuer}");
            self.report(path, &message);
        }
    }

    /// STS does not take back what it issued for others.
    fn web_token(&mut self, name: &str) {
        let path = ["credentials", name, "token"];
        let Some(token) = self.text(&path).and_then(name_of) else { return };
        if self.text(&["tokens", token, "from"]) == Some("sts") {
            let message = format!(
                "tokens.{token} is for parties outside of AWS, which does not take it back (GetWebIdentityToken)"
            );
            self.report(&path, &message);
        }
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
}
