//! What every administrative operation checks first: a signature, the caller's policy, pool and client.

use crate::failure::Failure;
use crate::json_api::{text, word_or_plus};
use crate::request::Request;
use crate::world::{Client, Pool};

/// The pool `id` names. Permission first, existence second: a stranger does not learn which pools there are.
pub(super) fn permitted_pool<'a, 'i>(
    request: &mut Request<'a>,
    id: Option<&'i String>,
    action: &str,
) -> Result<(&'i str, &'a Pool), Failure> {
    let pattern = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let id = text("userPoolId", id, (1, 55), pattern)?;
    request.asked.note("pool", id);
    request.permitted(action, &arn(request, id))?;
    let pool = request.cloud.world.pools.get(id);
    let missing = || Failure::bad("ResourceNotFoundException", format!("User pool {id} does not exist."));
    Ok((id, pool.ok_or_else(missing)?))
}

/// The app client `id` names in `pool`.
pub(super) fn client_of<'a, 'i>(pool: &'a Pool, id: Option<&'i String>) -> Result<(&'i str, &'a Client), Failure> {
    let id = text("clientId", id, (1, 128), word_or_plus)?;
    let client = pool.clients.get(id).ok_or_else(|| no_client(id))?;
    Ok((id, client))
}

pub(super) fn no_client(id: &str) -> Failure {
    Failure::bad("ResourceNotFoundException", format!("User pool client {id} does not exist."))
}

pub(super) fn arn(request: &Request<'_>, pool_id: &str) -> String {
    let world = &request.cloud.world;
    format!("arn:aws:cognito-idp:{}:{}:userpool/{pool_id}", world.region, world.account)
}
