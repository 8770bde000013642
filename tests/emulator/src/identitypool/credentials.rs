//! `GetCredentialsForIdentity`: the enhanced flow. Unsigned; one hour, fixed; the secret is named `SecretKey`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, json};

use super::SERVICE;
use super::logins::refused;
use super::resolve::{Resolved, resolve};
use crate::failure::Failure;
use crate::principal::RoleSession;
use crate::protocol::Outcome;
use crate::request::Request;
use crate::trust::{self, WebIdentity};

const ONE_HOUR: u64 = 3600;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    identity_id: Option<String>,
    #[serde(default)]
    logins: BTreeMap<String, String>,
    custom_role_arn: Option<String>,
}

pub(super) fn get_credentials_for_identity(request: &mut Request<'_>) -> Outcome {
    let input: Input = request.input()?;
    request.asked.note("custom_role_arn", input.custom_role_arn.clone());
    let identity = resolve(request, input.identity_id.as_ref(), &input.logins)?;
    request.asked.note("identity_pool_id", identity.pool_id.clone());
    let arn = role_arn(&identity, input.custom_role_arn.as_deref())?;
    let role = trusting_role(request, &identity, arn)?;
    request.asked.note("role_arn", arn);
    let lifetime = request.cloud.lifetime("GetCredentialsForIdentity").unwrap_or(ONE_HOUR);
    request.asked.note("granted_seconds", lifetime);
    let session = RoleSession {
        role,
        name: "CognitoIdentityCredentials".to_owned(),
        source_identity: None,
        tags: identity.tags,
        transitive_tags: Map::new(),
        expires: request.now.saturating_add_unsigned(lifetime),
    };
    if !session.tags.is_empty() {
        request.asked.note("session_tags", session.tags.clone());
    }
    let key = request.cloud.sessions.open(session);
    request.asked.note("access_key_id", key.access_key_id.clone());
    Ok(json!({
        "IdentityId": identity.id,
        "Credentials": {
            "AccessKeyId": key.access_key_id,
            "SecretKey": key.secret_access_key,
            "SessionToken": key.session_token,
            "Expiration": key.expires,
        },
    }))
}

/// A custom role must be one the login token lists; otherwise the pool's role for the kind of identity.
fn role_arn<'a>(identity: &'a Resolved<'_>, custom: Option<&'a str>) -> Result<&'a str, Failure> {
    if let Some(arn) = custom {
        let listed = identity.roles.iter().any(|role| role == arn);
        return if listed { Ok(arn) } else { Err(refused("The login token does not list this CustomRoleArn.")) };
    }
    let role =
        if identity.authenticated { &identity.pool.authenticated_role } else { &identity.pool.unauthenticated_role };
    role.as_deref().ok_or_else(misconfigured)
}

/// The name of the role, which must exist and trust the identity pool.
fn trusting_role(request: &Request<'_>, identity: &Resolved<'_>, arn: &str) -> Result<String, Failure> {
    let world = &request.cloud.world;
    let (name, role) = world.role(arn).ok_or_else(misconfigured)?;
    let proof = WebIdentity {
        provider: SERVICE.to_owned(),
        label: String::new(),
        audience: identity.pool_id.clone(),
        subject: identity.id.clone(),
        amr: identity.amr.clone(),
        tags: identity.tags.clone(),
    };
    if trust::federated(world, role, &proof) { Ok(name.to_owned()) } else { Err(misconfigured()) }
}

fn misconfigured() -> Failure {
    Failure::bad(
        "InvalidIdentityPoolConfigurationException",
        "Invalid identity pool configuration. Check assigned IAM roles for this pool.",
    )
}
