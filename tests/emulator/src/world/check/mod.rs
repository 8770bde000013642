//! What the document's shape cannot say: patterns, ranges and references.

mod authorization_server;
mod secret;
mod user_pool;

use std::collections::HashSet;

use super::{IdentityPool, OidcProvider, Role, Trust, World, WorldError};

/// The mistakes found so far; `unless` records one when the condition fails.
#[derive(Default)]
struct Mistakes(Vec<String>);

impl Mistakes {
    fn unless(&mut self, fine: bool, sentence: impl FnOnce() -> String) {
        if !fine {
            self.0.push(sentence());
        }
    }
}

pub(super) fn all(world: &World) -> Result<(), WorldError> {
    let mut found = Mistakes::default();
    found.unless(is_region(&world.region), || "region is not of the form eu-west-1".to_owned());
    found.unless(world.account.len() == 12 && digits(&world.account), || "account is not twelve digits".to_owned());
    users(world, &mut found);
    for (name, role) in &world.iam.roles {
        one_role(world, name, role, &mut found);
    }
    for (name, provider) in &world.iam.oidc_providers {
        oidc_provider(world, name, provider, &mut found);
    }
    user_pool::pools(world, &mut found);
    for (id, pool) in &world.identity_pools {
        identity_pool(world, id, pool, &mut found);
    }
    authorization_server::servers(world, &mut found);
    secret::secrets(world, &mut found);
    if found.0.is_empty() { Ok(()) } else { Err(WorldError::new(found.0)) }
}

fn users(world: &World, found: &mut Mistakes) {
    let mut seen = HashSet::new();
    for (name, user) in &world.iam.users {
        let at = format!("iam.users.{name}");
        let key = &user.access_key_id;
        found.unless((16..=128).contains(&key.len()) && key.bytes().all(is_word), || {
            format!("{at}.access_key_id must be 16 to 128 letters, digits or underscores")
        });
        found.unless(!key.starts_with("ASIA"), || {
            format!("{at}.access_key_id starts with ASIA, which is for temporary keys")
        });
        found.unless(seen.insert(key), || format!("{at}.access_key_id is used twice"));
        found.unless(!user.secret_access_key.is_empty(), || format!("{at}.secret_access_key is empty"));
        actions(&at, &user.allow, found);
    }
}

fn one_role(world: &World, name: &str, role: &Role, found: &mut Mistakes) {
    let at = format!("iam.roles.{name}");
    found.unless((3600..=43_200).contains(&role.max_session_duration), || {
        format!("{at}.max_session_duration must be 3600 to 43200 seconds")
    });
    actions(&at, &role.allow, found);
    for (index, trust) in role.trust.iter().enumerate() {
        one_trust(world, &format!("{at}.trust[{index}]"), trust, found);
    }
}

fn one_trust(world: &World, at: &str, trust: &Trust, found: &mut Mistakes) {
    match (&trust.aws, &trust.federated) {
        (Some(arn), None) => {
            found.unless(arn.starts_with("arn:aws:"), || format!("{at}.aws is not an ARN"));
            let odd = trust.audience.is_some() || trust.amr.is_some() || trust.subject.is_some() || trust.tag_session;
            found.unless(!odd, || format!("{at}: audience, amr, subject and tag_session belong to federated"));
        }
        (None, Some(named)) => {
            let label = named.strip_prefix("oidc-provider/");
            found.unless(label.is_none_or(|label| world.iam.oidc_providers.contains_key(label)), || {
                format!("{at}.federated names an OIDC provider that does not exist")
            });
            found.unless(trust.audience.is_some(), || format!("{at}.audience is required with federated"));
            found.unless(trust.external_id.is_none(), || format!("{at}.external_id belongs to aws"));
        }
        _ => found.unless(false, || format!("{at} must have exactly one of aws and federated")),
    }
}

fn oidc_provider(world: &World, name: &str, provider: &OidcProvider, found: &mut Mistakes) {
    let at = format!("iam.oidc_providers.{name}");
    match (&provider.pool, &provider.authorization_server) {
        (Some(pool), None) => {
            found.unless(world.pools.contains_key(pool), || format!("{at}.pool names a pool that does not exist"));
        }
        (None, Some(server)) => found.unless(world.authorization_servers.contains_key(server), || {
            format!("{at}.authorization_server names one that does not exist")
        }),
        _ => found.unless(false, || format!("{at} must have exactly one of pool and authorization_server")),
    }
    found.unless(!provider.client_ids.is_empty(), || format!("{at}.client_ids is empty"));
}

fn actions(at: &str, allow: &[String], found: &mut Mistakes) {
    for (index, action) in allow.iter().enumerate() {
        found.unless(action == "*" || action.contains(':'), || format!("{at}.allow[{index}] is not service:Action"));
    }
}

fn identity_pool(world: &World, id: &str, pool: &IdentityPool, found: &mut Mistakes) {
    let at = format!("identity_pools.{id}");
    let guid = id.strip_prefix(&format!("{}:", world.region)).unwrap_or_default();
    found.unless(guid.len() == 36 && guid.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()), || {
        format!("{at}: an identity pool id is the world's region, a colon and a GUID")
    });
    for (index, provider) in pool.providers.iter().enumerate() {
        let known = world.pools.get(&provider.pool).is_some_and(|p| p.clients.contains_key(&provider.client));
        found.unless(known, || format!("{at}.providers[{index}] names a pool or client that does not exist"));
    }
    let guest_role = pool.unauthenticated_role.is_some();
    found.unless(pool.allow_unauthenticated || !guest_role, || {
        format!("{at}.unauthenticated_role needs allow_unauthenticated = true")
    });
    for arn in [&pool.authenticated_role, &pool.unauthenticated_role].into_iter().flatten() {
        found.unless(arn.starts_with("arn:aws:iam::"), || format!("{at}: a role is given by its ARN"));
    }
}

fn is_region(text: &str) -> bool {
    text.split('-').count() >= 3 && text.bytes().all(|b| b == b'-' || b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}
