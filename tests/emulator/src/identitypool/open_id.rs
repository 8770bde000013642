//! OpenID tokens of the identity service, and `GetOpenIdToken` (the basic flow). Unsigned; ten minutes; RS512.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::resolve::resolve;
use crate::discovery::IDENTITY_ISSUER;
use crate::failure::Failure;
use crate::jwt;
use crate::protocol::Outcome;
use crate::request::Request;

const TEN_MINUTES: u64 = 600;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    identity_id: Option<String>,
    #[serde(default)]
    logins: BTreeMap<String, String>,
}

pub(super) fn get_open_id_token(request: &mut Request<'_>) -> Outcome {
    let input: Input = request.input()?;
    let identity = resolve(request, input.identity_id.as_ref(), &input.logins)?;
    request.asked.note("identity_pool_id", identity.pool_id.clone());
    if !identity.pool.allow_classic_flow {
        return Err(Failure::bad(
            "InvalidParameterException",
            "Basic (classic) flow is not enabled, please use enhanced flow.",
        ));
    }
    let lifetime = request.cloud.lifetime("GetOpenIdToken").unwrap_or(TEN_MINUTES);
    let token = mint(request, &identity.pool_id, &identity.id, &identity.amr, &BTreeMap::new(), lifetime);
    Ok(json!({ "IdentityId": identity.id, "Token": token }))
}

/// Signs a token for an identity.
pub(super) fn mint(
    request: &mut Request<'_>,
    pool_id: &str,
    identity: &str,
    amr: &[String],
    tags: &BTreeMap<String, String>,
    lifetime: u64,
) -> String {
    request.asked.note("granted_seconds", lifetime);
    let world = &request.cloud.world;
    let pool_arn = format!("arn:aws:cognito-identity:{}:{}:identitypool/{pool_id}", world.region, world.account);
    let mut claims = json!({
        "sub": identity,
        "aud": pool_id,
        "amr": amr,
        "iss": IDENTITY_ISSUER,
        "https://cognito-identity.amazonaws.com/identity-pool-arn": pool_arn,
        "exp": request.now.saturating_add_unsigned(lifetime),
        "iat": request.now,
    });
    if !tags.is_empty() {
        let lists: BTreeMap<&String, Value> = tags.iter().map(|(name, value)| (name, json!([value]))).collect();
        claims["https://aws.amazon.com/tags"] = json!({ "principal_tags": lists });
    }
    jwt::mint(&request.cloud.identity_key, &claims)
}
