//! `GetId`: the identity of a login, made on first sight. Unsigned.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::logins::{self, Kind, refused};
use crate::failure::Failure;
use crate::json_api::text;
use crate::protocol::Outcome;
use crate::request::Request;
use crate::world::IdentityPool;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    identity_pool_id: Option<String>,
    #[serde(default)]
    logins: BTreeMap<String, String>,
}

pub(super) fn get_id(request: &mut Request<'_>) -> Outcome {
    let input: Input = request.input()?;
    request.asked.note("logins", input.logins.keys().cloned().collect::<Vec<_>>());
    let (pool_id, pool) = pool(request, input.identity_pool_id.as_ref())?;
    logins::well_formed(&input.logins)?;
    let region = &request.cloud.world.region;
    if input.logins.is_empty() {
        if !pool.allow_unauthenticated {
            return Err(refused("Unauthenticated access is not supported for this identity pool."));
        }
        let id = request.cloud.identities.guest(region, pool_id);
        request.asked.note("identity_id", id.clone());
        return Ok(json!({ "IdentityId": id }));
    }
    let mut links = Vec::new();
    for login in logins::proven(request, pool_id, pool, &input.logins)? {
        match login.kind {
            Kind::Provider(link) => links.push(link),
            Kind::Own(_) => {
                return Err(refused("Token is not from a supported provider of this identity pool."));
            }
        }
    }
    let id = request.cloud.identities.with_logins(region, pool_id, &links);
    let id =
        id.map_err(|_| Failure::bad("ResourceConflictException", "Logins are already linked to another account."))?;
    request.asked.note("identity_id", id.clone());
    Ok(json!({ "IdentityId": id }))
}

/// The identity pool a request names.
pub(super) fn pool<'a, 'i>(
    request: &mut Request<'a>,
    id: Option<&'i String>,
) -> Result<(&'i str, &'a IdentityPool), Failure> {
    let id = text("identityPoolId", id, (1, 55), |c| c.is_ascii_alphanumeric() || "-:".contains(c))?;
    request.asked.note("identity_pool_id", id);
    let pool = request.cloud.world.identity_pools.get(id);
    let missing = || Failure::bad("ResourceNotFoundException", format!("IdentityPool '{id}' not found."));
    Ok((id, pool.ok_or_else(missing)?))
}
