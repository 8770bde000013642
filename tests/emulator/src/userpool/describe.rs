//! `DescribeUserPool` and `DescribeUserPoolClient`: signed, and allowed by the caller's policy.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::json_api::{text, word_or_plus};
use crate::protocol::Outcome;
use crate::request::Request;
use crate::world::{Issuer, Pool};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    user_pool_id: Option<String>,
    client_id: Option<String>,
}

pub(super) fn user_pool(request: &mut Request<'_>) -> Outcome {
    let input: Input = request.input()?;
    let (id, pool) = permitted_pool(request, &input, "cognito-idp:DescribeUserPool")?;
    let kind = match pool.issuer {
        Issuer::Original => "ORIGINAL",
        Issuer::Updated => "UPDATED",
    };
    let mut described = json!({
        "Id": id,
        "Name": id,
        "Arn": arn(request, id),
        "UserPoolTier": "ESSENTIALS",
        "LambdaConfig": {},
        "MfaConfiguration": "OFF",
        "EstimatedNumberOfUsers": pool.users.len(),
        "IssuerConfiguration": { "Type": kind },
    });
    if let Some(domain) = &pool.domain {
        described["Domain"] = Value::from(domain.clone());
    }
    Ok(json!({ "UserPool": described }))
}

pub(super) fn user_pool_client(request: &mut Request<'_>) -> Outcome {
    let input: Input = request.input()?;
    let (pool_id, pool) = permitted_pool(request, &input, "cognito-idp:DescribeUserPoolClient")?;
    let client_id = text("clientId", input.client_id.as_ref(), (1, 128), word_or_plus)?;
    request.asked.note("described_client", client_id);
    let missing = || Failure::bad("ResourceNotFoundException", format!("User pool client {client_id} does not exist."));
    let client = pool.clients.get(client_id).ok_or_else(missing)?;
    let mut described = json!({
        "UserPoolId": pool_id,
        "ClientName": client_id,
        "ClientId": client_id,
        "AllowedOAuthFlows": client.oauth_flows,
        "AllowedOAuthScopes": client.scopes,
        "AllowedOAuthFlowsUserPoolClient": !client.oauth_flows.is_empty(),
        "ExplicitAuthFlows": client.explicit_auth_flows,
        "AccessTokenValidity": client.access_token_validity,
        "IdTokenValidity": client.id_token_validity,
        "RefreshTokenValidity": client.refresh_token_validity,
        "TokenValidityUnits": { "AccessToken": "seconds", "IdToken": "seconds", "RefreshToken": "seconds" },
        "EnableTokenRevocation": true,
        "PreventUserExistenceErrors": "ENABLED",
    });
    if let Some(secret) = request.cloud.secrets(client_id, client).first() {
        described["ClientSecret"] = Value::from(secret.clone());
    }
    Ok(json!({ "UserPoolClient": described }))
}

/// Permission first, existence second: a stranger does not learn which pools there are.
fn permitted_pool<'a, 'i>(
    request: &mut Request<'a>,
    input: &'i Input,
    action: &str,
) -> Result<(&'i str, &'a Pool), Failure> {
    let pattern = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let id = text("userPoolId", input.user_pool_id.as_ref(), (1, 55), pattern)?;
    request.asked.note("pool", id);
    request.permitted(action, &arn(request, id))?;
    let pool = request.cloud.world.pools.get(id);
    let missing = || Failure::bad("ResourceNotFoundException", format!("User pool {id} does not exist."));
    Ok((id, pool.ok_or_else(missing)?))
}

fn arn(request: &Request<'_>, pool_id: &str) -> String {
    let world = &request.cloud.world;
    format!("arn:aws:cognito-idp:{}:{}:userpool/{pool_id}", world.region, world.account)
}
