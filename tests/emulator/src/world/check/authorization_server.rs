//! Checks of authorization servers and their clients.

use std::collections::HashSet;

use super::super::{AuthorizationServer, ClientAuth, OAuthClient, World};
use super::Mistakes;
use crate::jwk;

pub(super) fn servers(world: &World, found: &mut Mistakes) {
    let mut clients: HashSet<&String> = world.pools.values().flat_map(|pool| pool.clients.keys()).collect();
    for (name, server) in &world.authorization_servers {
        let at = format!("authorization_servers.{name}");
        found.unless(is_segment(name), || format!("{at}: a name is letters, digits, hyphens and underscores"));
        for (id, client) in &server.clients {
            let at = format!("{at}.clients.{id}");
            found.unless(clients.insert(id), || format!("{at} exists twice in the world"));
            one_client(&at, client, found);
        }
        distinct_documents(&at, server, found);
    }
}

fn distinct_documents(at: &str, server: &AuthorizationServer, found: &mut Mistakes) {
    let twice = server.metadata.len() == 2 && server.metadata[0] == server.metadata[1];
    found.unless(server.metadata.len() <= 2 && !twice, || format!("{at}.metadata names a document twice"));
}

fn one_client(at: &str, client: &OAuthClient, found: &mut Mistakes) {
    let by_secret = matches!(client.auth, ClientAuth::ClientSecretBasic | ClientAuth::ClientSecretPost);
    let needed = if by_secret { 1..=2 } else { 0..=0 };
    found.unless(needed.contains(&client.secrets.len()), || {
        format!("{at}.secrets: one or two with client_secret_basic and client_secret_post, none with the others")
    });
    found.unless(client.secrets.iter().all(|secret| !secret.is_empty()), || format!("{at}.secrets: one is empty"));
    found.unless(client.jwks.is_empty() != (client.auth == ClientAuth::PrivateKeyJwt), || {
        format!("{at}.jwks belongs to private_key_jwt, and is required there")
    });
    for (index, key) in client.jwks.iter().enumerate() {
        found.unless(jwk::is_usable(key), || format!("{at}.jwks[{index}] is not an RSA, P-256 or Ed25519 public key"));
    }
    found.unless(client.subject.is_some() == (client.auth == ClientAuth::Federated), || {
        format!("{at}.subject belongs to federated, and is required there")
    });
    found.unless(client.lifetime > 0, || format!("{at}.lifetime must be at least one second"));
}

fn is_segment(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b"-_".contains(&b) || b.is_ascii_alphanumeric())
}
