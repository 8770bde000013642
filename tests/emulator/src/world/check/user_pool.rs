//! Checks of user pools and their clients.

use std::collections::HashSet;

use super::super::{Client, Pool, World};
use super::{Mistakes, is_word};

const OAUTH_FLOWS: [&str; 3] = ["client_credentials", "code", "implicit"];
const USER_FLOWS: [&str; 6] = [
    "ALLOW_ADMIN_USER_PASSWORD_AUTH",
    "ALLOW_CUSTOM_AUTH",
    "ALLOW_REFRESH_TOKEN_AUTH",
    "ALLOW_USER_AUTH",
    "ALLOW_USER_PASSWORD_AUTH",
    "ALLOW_USER_SRP_AUTH",
];
const CHALLENGES: [&str; 6] =
    ["NEW_PASSWORD_REQUIRED", "SMS_MFA", "SOFTWARE_TOKEN_MFA", "MFA_SETUP", "SELECT_MFA_TYPE", "EMAIL_OTP"];

pub(super) fn pools(world: &World, found: &mut Mistakes) {
    let (mut domains, mut clients) = (HashSet::new(), HashSet::new());
    for (id, pool) in &world.pools {
        let at = format!("pools.{id}");
        let suffix = id.strip_prefix(&format!("{}_", world.region)).unwrap_or_default();
        found.unless(!suffix.is_empty() && id.len() <= 55 && suffix.bytes().all(|b| b.is_ascii_alphanumeric()), || {
            format!("{at}: a pool id is the world's region, an underscore, then letters and digits")
        });
        if let Some(domain) = &pool.domain {
            found.unless(is_domain_prefix(domain), || {
                format!("{at}.domain must be lower-case letters, digits and hyphens")
            });
            found.unless(domains.insert(domain), || format!("{at}.domain is used twice"));
        }
        for (client_id, client) in &pool.clients {
            found.unless(clients.insert(client_id), || format!("{at}.clients.{client_id} exists in two pools"));
            one_client(&format!("{at}.clients.{client_id}"), client_id, client, pool, found);
        }
        users(&at, pool, found);
    }
}

fn users(at: &str, pool: &Pool, found: &mut Mistakes) {
    let mut names: HashSet<&String> = pool.users.keys().collect();
    for (name, user) in &pool.users {
        let at = format!("{at}.users.{name}");
        found.unless(!user.sub.is_empty(), || format!("{at}.sub is empty"));
        let known = user.challenge.as_deref().is_none_or(|c| CHALLENGES.contains(&c));
        found.unless(known, || format!("{at}.challenge must be one of {}", CHALLENGES.join(", ")));
        let own = user.alias.as_ref().is_none_or(|alias| !alias.is_empty() && names.insert(alias));
        found.unless(own, || format!("{at}.alias is empty, or another user goes by it"));
    }
}

fn one_client(at: &str, id: &str, client: &Client, pool: &Pool, found: &mut Mistakes) {
    found.unless((1..=128).contains(&id.len()) && id.bytes().all(is_word_or_plus), || {
        format!("{at}: a client id is 1 to 128 letters, digits, underscores or plus signs")
    });
    found.unless(client.secrets.len() <= 2, || format!("{at}.secrets: at most two"));
    for (index, secret) in client.secrets.iter().enumerate() {
        found.unless((24..=64).contains(&secret.len()) && secret.bytes().all(is_word_or_plus), || {
            format!("{at}.secrets[{index}] must be 24 to 64 letters, digits, underscores or plus signs")
        });
    }
    flows(at, client, found);
    for scope in &client.scopes {
        let known = scope.split_once('/').is_some_and(|(server, name)| {
            pool.resource_servers.get(server).is_some_and(|names| names.iter().any(|n| n == name))
        });
        found.unless(known, || format!("{at}.scopes names {scope}, which no resource server of the pool defines"));
    }
    let minutes_to_a_day = 300..=86_400;
    found.unless(minutes_to_a_day.contains(&client.access_token_validity), || {
        format!("{at}.access_token_validity must be 300 to 86400 seconds")
    });
    found.unless(minutes_to_a_day.contains(&client.id_token_validity), || {
        format!("{at}.id_token_validity must be 300 to 86400 seconds")
    });
    found.unless((3600..=315_360_000).contains(&client.refresh_token_validity), || {
        format!("{at}.refresh_token_validity must be 3600 to 315360000 seconds")
    });
    found.unless(client.retry_grace_period <= 60, || format!("{at}.retry_grace_period must be 0 to 60 seconds"));
    found.unless(client.refresh_token_rotation || client.retry_grace_period == 0, || {
        format!("{at}.retry_grace_period needs refresh_token_rotation = true")
    });
}

fn flows(at: &str, client: &Client, found: &mut Mistakes) {
    let known = client.oauth_flows.iter().all(|f| OAUTH_FLOWS.contains(&f.as_str()));
    found.unless(known, || format!("{at}.oauth_flows may hold {}", OAUTH_FLOWS.join(", ")));
    let machine = client.has_flow("ALLOW_CLIENT_TOKEN_AUTH");
    let user_flows = client.explicit_auth_flows.iter().filter(|f| *f != "ALLOW_CLIENT_TOKEN_AUTH");
    let known = user_flows.clone().all(|f| USER_FLOWS.contains(&f.as_str()));
    found.unless(known, || {
        format!("{at}.explicit_auth_flows may hold ALLOW_CLIENT_TOKEN_AUTH, or of {}", USER_FLOWS.join(", "))
    });
    found.unless(!machine || user_flows.count() == 0, || {
        format!("{at}.explicit_auth_flows: ALLOW_CLIENT_TOKEN_AUTH excludes every other flow")
    });
    let needs_secret = machine || client.has_grant("client_credentials");
    found.unless(!needs_secret || !client.secrets.is_empty(), || {
        format!("{at}: this flow needs a client with a secret")
    });
}

fn is_domain_prefix(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|b| b == b'-' || b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn is_word_or_plus(byte: u8) -> bool {
    byte == b'+' || is_word(byte)
}
