//! The rules of `[tokens.*]` that span several keys: which keys go with which server and which proof.

use super::Rules;
use crate::config::problem::nearest;
use crate::config::tree::{Kind, Node};

/// What proves the client, by `client_auth`.
const PROOFS: [(&str, &str); 4] = [
    ("basic", "client_secret"),
    ("post", "client_secret"),
    ("private-key-jwt", "private_key"),
    ("token", "client_assertion"),
];

/// Parameters that the source writes itself, from these keys.
const WRITTEN: [(&str, &str); 8] = [
    ("grant_type", "client_credentials is the only grant"),
    ("scope", "use `scopes`"),
    ("audience", "use `audience`"),
    ("resource", "use `resource`"),
    ("client_id", "use `client_id`"),
    ("client_secret", "use `client_secret`"),
    ("client_assertion", "use `client_auth`"),
    ("client_assertion_type", "use `client_auth`"),
];

/// Parameters of other grants, which hold secrets.
const SECRETS: [&str; 8] =
    ["password", "refresh_token", "code", "code_verifier", "assertion", "subject_token", "actor_token", "device_code"];

impl<'a> Rules<'a> {
    /// The rules of `tokens.NAME`.
    pub fn token(&mut self, name: &str) {
        self.described_secrets(name);
        if self.text(&["tokens", name, "from"]) == Some("oauth2") {
            self.server(name);
            self.proof(name);
            self.parameters(name);
        }
    }

    fn member(&self, name: &str, key: &str) -> Option<&'a Node> {
        Some(&self.tree.member("tokens")?.node.member(name)?.node.member(key)?.node)
    }

    /// Is a key that is not there merely misspelled, or lost in a mistake of TOML? Then that is reported.
    fn is_told(&self, name: &str, keys: &[&str]) -> bool {
        const KNOWN: [&str; 15] = [
            "issuer",
            "token_endpoint",
            "client_id",
            "client_auth",
            "client_secret",
            "private_key",
            "key_id",
            "algorithm",
            "assertion_audience",
            "client_assertion",
            "scopes",
            "audience",
            "resource",
            "parameters",
            "from",
        ];
        let Some(table) = self.tree.member("tokens").and_then(|tokens| tokens.node.member(name)) else { return true };
        let misspelled =
            |key: &str| !KNOWN.contains(&key) && nearest(key, KNOWN).is_some_and(|near| keys.contains(&near));
        table.node.damaged || table.node.members().iter().any(|member| misspelled(&member.key))
    }

    fn server(&mut self, name: &str) {
        let keys = ["issuer", "token_endpoint"];
        let given = keys.iter().filter(|key| self.member(name, key).is_some()).count();
        if given == 2 {
            let message = "exactly one of `issuer` and `token_endpoint` is given: take one of them out";
            self.report(&["tokens", name, "token_endpoint"], message);
        } else if given == 0 && !self.is_told(name, &keys) {
            let message = "exactly one of `issuer` and `token_endpoint` is given: say where tokens are asked for";
            self.report(&["tokens", name], message);
        }
    }

    fn proof(&mut self, name: &str) {
        let Some(method) = self.text(&["tokens", name, "client_auth"]) else { return };
        let Some((_, needed)) = PROOFS.into_iter().find(|(known, _)| *known == method) else { return };
        if self.member(name, needed).is_none() && !self.is_told(name, &[needed]) {
            let path = ["tokens", name, "client_auth"];
            self.report(&path, &format!("`{method}` needs `{needed}`"));
        }
        for other in ["client_secret", "private_key", "client_assertion"].into_iter().filter(|key| *key != needed) {
            let methods: Vec<&str> = PROOFS.iter().filter(|(_, key)| *key == other).map(|(known, _)| *known).collect();
            self.goes_with(name, other, &methods, method);
        }
        for key in ["key_id", "algorithm", "assertion_audience"] {
            self.goes_with(name, key, &["private-key-jwt"], method);
        }
    }

    fn goes_with(&mut self, name: &str, key: &str, methods: &[&str], method: &str) {
        if self.member(name, key).is_some() && !methods.contains(&method) {
            let methods: Vec<String> = methods.iter().map(|method| format!("\"{method}\"")).collect();
            let message = format!("this goes with client_auth = {} only", methods.join(" or "));
            self.report(&["tokens", name, key], &message);
        }
    }

    /// `parameters` may hold anything but what is written already, and secrets.
    fn parameters(&mut self, name: &str) {
        let members = self.member(name, "parameters").map(Node::members).unwrap_or_default();
        for member in members {
            let path = ["tokens", name, "parameters", &member.key];
            if let Some((_, instead)) = WRITTEN.iter().find(|(reserved, _)| *reserved == member.key) {
                self.report(&path, &format!("this parameter is written by credbroker itself: {instead}"));
            } else if SECRETS.contains(&member.key.as_str()) {
                self.report(
                    &path,
                    "a secret never stands in the configuration, and client_credentials has no such parameter",
                );
            }
        }
    }

    /// DescribeUserPoolClient knows the secrets of app clients, and no others.
    fn described_secrets(&mut self, name: &str) {
        let from = self.text(&["tokens", name, "from"]);
        let of_app_client = matches!(from, Some("cognito" | "cognito-user"));
        for key in ["client_secret", "password", "private_key"] {
            let path = ["tokens", name, key];
            let Some(node) = self.sound(&path) else { continue };
            let places = match &node.kind {
                Kind::List(places) => &places[..],
                _ => std::slice::from_ref(node),
            };
            let described: Vec<bool> =
                places.iter().filter_map(|place| Some(place.member("cognito")?.node.to_json() == true)).collect();
            if described.contains(&false) {
                self.report(&path, "`cognito` is true or not there: take it out, or say where else the secret is");
            } else if !described.is_empty() && from.is_some() && !(of_app_client && key == "client_secret") {
                self.report(&path, "`cognito` knows only the client_secret of an app client (from = \"cognito\" or \"cognito-user\"): say where else this one is");
            }
        }
    }
}
