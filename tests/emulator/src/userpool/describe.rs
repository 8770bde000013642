//! `DescribeUserPool` and `DescribeUserPoolClient`: signed, and allowed by the caller's policy.

use serde::Deserialize;
use serde_json::{Value, json};

use super::administration::{arn, client_of, permitted_pool};
use crate::protocol::Outcome;
use crate::request::Request;
use crate::world::Issuer;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    user_pool_id: Option<String>,
    client_id: Option<String>,
}

pub(super) fn user_pool(request: &mut Request<'_>) -> Outcome {
    let input: Input = request.input()?;
    let (id, pool) = permitted_pool(request, input.user_pool_id.as_ref(), "cognito-idp:DescribeUserPool")?;
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
    let (pool_id, pool) = permitted_pool(request, input.user_pool_id.as_ref(), "cognito-idp:DescribeUserPoolClient")?;
    request.asked.note("described_client", input.client_id.clone());
    let (client_id, client) = client_of(pool, input.client_id.as_ref())?;
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
    if client.refresh_token_rotation {
        let grace = client.retry_grace_period;
        described["RefreshTokenRotation"] = json!({ "Feature": "ENABLED", "RetryGracePeriodSeconds": grace });
    }
    if let Some(secret) = request.cloud.secrets(client_id).last() {
        described["ClientSecret"] = Value::from(secret.clone());
    }
    Ok(json!({ "UserPoolClient": described }))
}
