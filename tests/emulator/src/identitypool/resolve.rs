//! From an identity id and logins to who that is: shared by the operations that hand something out.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::identities::Identity;
use super::logins::{self, Kind, Login, refused};
use crate::failure::Failure;
use crate::json_api::text;
use crate::request::Request;
use crate::world::IdentityPool;

/// An identity whose logins were proven.
pub(super) struct Resolved<'a> {
    pub(super) id: String,
    pub(super) pool_id: String,
    pub(super) pool: &'a IdentityPool,
    pub(super) authenticated: bool,
    pub(super) amr: Vec<String>,
    pub(super) roles: Vec<String>,
    /// Session tags the logins bring.
    pub(super) tags: Map<String, Value>,
}

pub(super) fn resolve<'a>(
    request: &mut Request<'a>,
    id: Option<&String>,
    logins: &BTreeMap<String, String>,
) -> Result<Resolved<'a>, Failure> {
    let id = text("identityId", id, (1, 55), |c| c.is_ascii_alphanumeric() || "-:".contains(c))?;
    request.asked.note("identity_id", id);
    request.asked.note("logins", logins.keys().cloned().collect::<Vec<_>>());
    logins::well_formed(logins)?;
    let missing = || Failure::bad("ResourceNotFoundException", format!("Identity '{id}' not found."));
    let identity = request.cloud.identities.find(id).ok_or_else(missing)?;
    let pool = request.cloud.world.identity_pools.get(&identity.pool).ok_or_else(missing)?;
    if logins.is_empty() {
        guest(id, &identity, pool)?;
    }
    let proven = logins::proven(request, &identity.pool, pool, logins)?;
    request.asked.note("users", proven.iter().filter_map(Login::user).collect::<Vec<_>>());
    if identity.id != id {
        request.asked.note("merged_into", identity.id.clone());
    }
    adopt(request, &identity, &proven)?;
    let mut amr: Vec<String> = proven.iter().flat_map(|login| login.amr.clone()).collect();
    amr.dedup();
    if amr.is_empty() {
        amr.push("unauthenticated".to_owned());
    }
    Ok(Resolved {
        id: identity.id,
        pool_id: identity.pool,
        pool,
        authenticated: !logins.is_empty(),
        amr,
        tags: proven.iter().flat_map(|login| login.tags.clone()).collect(),
        roles: proven.into_iter().flat_map(|login| login.roles).collect(),
    })
}

/// Without logins only a guest is served, and only where guests are allowed.
fn guest(id: &str, identity: &Identity, pool: &IdentityPool) -> Result<(), Failure> {
    if !identity.logins.is_empty() {
        return Err(refused(&format!("Access to Identity '{id}' is forbidden.")));
    }
    if !pool.allow_unauthenticated {
        return Err(refused("Unauthenticated access is not supported for this identity pool."));
    }
    Ok(())
}

/// One login at least must be the identity's own; the others are linked to it. A guest takes any free login.
fn adopt(request: &Request<'_>, identity: &Identity, proven: &[Login]) -> Result<(), Failure> {
    let id = identity.id.as_str();
    let identities = &request.cloud.identities;
    let mut links = Vec::new();
    let mut matched = proven.is_empty();
    for login in proven {
        match &login.kind {
            Kind::Own(subject) if identities.find(subject).is_some_and(|own| own.id == id) => matched = true,
            Kind::Own(_) => return Err(mismatch()),
            Kind::Provider(link) => links.push(link.clone()),
        }
    }
    let owners = || links.iter().filter_map(|link| identities.owner(&identity.pool, link));
    matched |= owners().any(|owner| owner == id) || identity.logins.is_empty();
    if !matched || owners().any(|owner| owner != id) {
        return Err(mismatch());
    }
    identities.link(id, links);
    Ok(())
}

fn mismatch() -> Failure {
    refused("Logins don't match. Please include at least one valid login for this identity or identity pool.")
}
