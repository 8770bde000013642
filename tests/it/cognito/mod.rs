//! Tokens for machines from a Cognito user pool, by both ways to ask for one: the hosted token endpoint and GetClientToken.

mod granted;
mod secret;

use credbroker_emulator::{Client, World};

use crate::documents::{M2M_CLIENT, POOL, caller};

/// A way to ask: its key in the configuration, and the operation in the journal.
const WAYS: [(&str, &str); 2] = [("domain = \"EMULATOR\"", "token"), ("", "GetClientToken")];

/// `tokens.machine`, asked for in the way that `domain` says, with more keys, and a caller that may have it.
fn machine(domain: &str, more: &str) -> String {
    format!(
        "[tokens.machine]\nfrom = \"cognito\"\nuser_pool = \"{POOL}\"\n{domain}\nclient_id = \"{M2M_CLIENT}\"\n{more}\n{}",
        caller("orders", &["tokens.machine"])
    )
}

/// The app client of `tokens.machine`.
fn client(world: &mut World) -> &mut Client {
    world.pools.get_mut(POOL).unwrap().clients.get_mut(M2M_CLIENT).unwrap()
}

/// Gives the app client one scope more, so that there are more narrowings, each of them one request upstream.
fn with_audit(world: &mut World) {
    world.pools.get_mut(POOL).unwrap().resource_servers.get_mut("billing").unwrap().push("audit".to_owned());
    client(world).scopes.push("billing/audit".to_owned());
}
