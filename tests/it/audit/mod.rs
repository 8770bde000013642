//! The audit log: a line for each decision about a credential, with what it took and nothing of what was handed out.

mod doors;
mod sinks;

use serde_json::{Value, json};

use crate::documents::{BILLING, M2M_CLIENT, ROLES, caller, token_called};

/// A key of fingerprints.
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Tokens of which one cannot be had, credentials, an issuer of such tokens; `orders` may have them all, `reports` nothing.
fn document() -> String {
    let broken = token_called("broken", "").replace("billing.secret", "wrong.secret");
    let issuer = format!("[issuers.users]\nuser_pool = \"eu-west-1_AbCd12345\"\nclients = [\"{M2M_CLIENT}\"]\n");
    let allow = ["tokens.billing", "tokens.broken", "credentials.own", "credentials.hub", "issuers.users"];
    [BILLING, &broken, ROLES, &issuer, &caller("orders", &allow), &caller("reports", &[])].concat()
}

/// The members of `line` that are named.
fn only(line: &Value, keys: &[&str]) -> Value {
    keys.iter().map(|key| line[*key].clone()).collect()
}

/// What a line says of what was decided.
fn decided(line: &Value) -> Value {
    only(line, &["event", "outcome", "status", "reason", "caller", "name", "cache"])
}

fn fingerprint(line: &Value) -> &str {
    line["fingerprint"].as_str().unwrap_or_else(|| panic!("no fingerprint: {line}"))
}

/// One with absent members.
fn said(event: &str, outcome: &str, status: u16, rest: [Option<&str>; 4]) -> Value {
    let [reason, caller, name, cache] = rest;
    json!([event, outcome, status, reason, caller, name, cache])
}
