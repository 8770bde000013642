//! `GetOpenIdTokenForDeveloperIdentity`: signed; the caller vouches for its own users.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::get_id::pool;
use super::logins::{self, Kind};
use super::open_id;
use crate::failure::Failure;
use crate::json_api::invalid;
use crate::protocol::Outcome;
use crate::request::Request;
use crate::world::IdentityPool;

const FIFTEEN_MINUTES: u64 = 900;
const ONE_DAY: u64 = 86_400;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    identity_pool_id: Option<String>,
    identity_id: Option<String>,
    logins: Option<BTreeMap<String, String>>,
    #[serde(default)]
    principal_tags: BTreeMap<String, String>,
    token_duration: Option<u64>,
}

pub(super) fn get_open_id_token_for_developer_identity(request: &mut Request<'_>) -> Outcome {
    let input: Input = request.input()?;
    let (pool_id, pool) = permitted_pool(request, &input)?;
    note(request, &input);
    let logins = input.logins.as_ref().ok_or_else(|| invalid("logins", "Member must not be null"))?;
    logins::well_formed(logins)?;
    tags_fit(&input.principal_tags)?;
    let asked = input.token_duration.unwrap_or(FIFTEEN_MINUTES);
    if !(1..=ONE_DAY).contains(&asked) {
        return Err(invalid("tokenDuration", "Member must have value between 1 and 86400"));
    }
    let (links, amr) = vouched(request, pool_id, pool, logins)?;
    let id = identity(request, pool_id, input.identity_id.as_deref(), &links)?;
    request.asked.note("identity_id", id.clone());
    let lifetime = request.cloud.lifetime("GetOpenIdTokenForDeveloperIdentity").unwrap_or(asked);
    let token = open_id::mint(request, pool_id, &id, &amr, &input.principal_tags, lifetime);
    Ok(json!({ "IdentityId": id, "Token": token }))
}

fn permitted_pool<'a, 'i>(request: &mut Request<'a>, input: &'i Input) -> Result<(&'i str, &'a IdentityPool), Failure> {
    let world = &request.cloud.world;
    let named = input.identity_pool_id.as_deref().unwrap_or_default();
    let arn = format!("arn:aws:cognito-identity:{}:{}:identitypool/{named}", world.region, world.account);
    request.permitted("cognito-identity:GetOpenIdTokenForDeveloperIdentity", &arn)?;
    pool(request, input.identity_pool_id.as_ref())
}

fn note(request: &mut Request<'_>, input: &Input) {
    let names = input.logins.iter().flat_map(BTreeMap::keys).cloned().collect::<Vec<_>>();
    let tags: Map<String, Value> =
        input.principal_tags.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect();
    request.asked.note("logins", names);
    request.asked.note("token_duration", input.token_duration);
    if !tags.is_empty() {
        request.asked.note("principal_tags", tags);
    }
}

/// At most fifty, names of 1 to 128 characters, values of 1 to 256.
fn tags_fit(tags: &BTreeMap<String, String>) -> Result<(), Failure> {
    let fits = |(name, value): (&String, &String)| {
        (1..=128).contains(&name.chars().count()) && (1..=256).contains(&value.chars().count())
    };
    if tags.len() <= 50 && tags.iter().all(fits) {
        return Ok(());
    }
    Err(invalid("principalTags", "at most 50 tags, names of 1 to 128 and values of 1 to 256 characters"))
}

/// The links and the `amr` of all logins; the developer provider must be among them.
fn vouched(
    request: &Request<'_>,
    pool_id: &str,
    pool: &IdentityPool,
    logins: &BTreeMap<String, String>,
) -> Result<(Vec<String>, Vec<String>), Failure> {
    let provider = pool.developer_provider.as_deref().filter(|name| logins.contains_key(*name));
    let provider = provider.ok_or_else(|| {
        Failure::bad("InvalidParameterException", "Please provide a valid developer provider of this identity pool.")
    })?;
    let user = &logins[provider];
    let mut links = vec![format!("{provider}:{user}")];
    let mut amr = vec!["authenticated".to_owned(), provider.to_owned(), format!("{provider}:{pool_id}:{user}")];
    let mut others = logins.clone();
    others.remove(provider);
    for login in logins::proven(request, pool_id, pool, &others)? {
        if let Kind::Provider(link) = login.kind {
            links.push(link);
        }
        amr.extend(login.amr.into_iter().filter(|value| value != "authenticated"));
    }
    Ok((links, amr))
}

/// The identity with these logins; if one is named, it must be of this pool and take them.
fn identity(request: &Request<'_>, pool_id: &str, named: Option<&str>, links: &[String]) -> Result<String, Failure> {
    let identities = &request.cloud.identities;
    let conflict = |_| Failure::bad("ResourceConflictException", "Logins are already linked to another account.");
    let Some(id) = named else {
        return identities.with_logins(&request.cloud.world.region, pool_id, links).map_err(conflict);
    };
    let missing = || Failure::bad("ResourceNotFoundException", format!("Identity '{id}' not found."));
    let id = identities.find(id).filter(|identity| identity.pool == pool_id).ok_or_else(missing)?.id;
    if links.iter().filter_map(|link| identities.owner(pool_id, link)).any(|owner| owner != id) {
        return Err(Failure::bad(
            "DeveloperUserAlreadyRegisteredException",
            "The developer user is already linked to another identity.",
        ));
    }
    identities.link(&id, links.iter().cloned());
    Ok(id)
}
