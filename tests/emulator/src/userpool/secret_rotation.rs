//! `AddUserPoolClientSecret`, `ListUserPoolClientSecrets`, `DeleteUserPoolClientSecret`: signed, and allowed by
//! the caller's policy.
//!
//! A client has one secret or two, and both work in every flow; a deleted one works in none from that moment. A
//! value is answered once, by the `Add` that generated it. A public client gets no secret this way.

use serde::Deserialize;
use serde_json::{Value, json};

use super::administration::{client_of, permitted_pool};
use super::client_secrets::{ClientSecret, Unchanged};
use crate::failure::Failure;
use crate::json_api::{invalid, text, word_or_plus};
use crate::protocol::Outcome;
use crate::random;
use crate::request::Request;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    user_pool_id: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    client_secret_id: Option<String>,
    next_token: Option<String>,
}

pub(super) fn add(request: &mut Request<'_>) -> Outcome {
    let input: Input = request.input()?;
    let client_id = permitted_client(request, &input, "cognito-idp:AddUserPoolClientSecret")?;
    let own = match &input.client_secret {
        Some(_) => Some(text("clientSecret", input.client_secret.as_ref(), (24, 64), word_or_plus)?),
        None => None,
    };
    request.asked.note("own_secret", own.is_some());
    let value = own.map_or_else(random::client_secret, str::to_owned);
    let added = request.cloud.client_secrets.add(client_id, &value, request.now).map_err(refused)?;
    request.asked.note("client_secret_id", added.id.clone());
    let mut descriptor = described(&added);
    if own.is_none() {
        descriptor["ClientSecretValue"] = Value::from(value);
    }
    Ok(json!({ "ClientSecretDescriptor": descriptor }))
}

pub(super) fn list(request: &mut Request<'_>) -> Outcome {
    let input: Input = request.input()?;
    let client_id = permitted_client(request, &input, "cognito-idp:ListUserPoolClientSecrets")?;
    if input.next_token.is_some() {
        return Err(Failure::bad("InvalidParameterException", "No NextToken was ever given out"));
    }
    let secrets: Vec<Value> = request.cloud.client_secrets.all(client_id).iter().map(described).collect();
    Ok(json!({ "ClientSecrets": secrets }))
}

pub(super) fn delete(request: &mut Request<'_>) -> Outcome {
    let input: Input = request.input()?;
    let client_id = permitted_client(request, &input, "cognito-idp:DeleteUserPoolClientSecret")?;
    let id = text("clientSecretId", input.client_secret_id.as_ref(), (1, 128), |_| true)?;
    request.asked.note("client_secret_id", id);
    request.cloud.client_secrets.delete(client_id, id).map_err(refused)?;
    Ok(json!({}))
}

/// The id of a confidential client of the pool named.
fn permitted_client<'i>(request: &mut Request<'_>, input: &'i Input, action: &str) -> Result<&'i str, Failure> {
    request.asked.client_id.clone_from(&input.client_id);
    let (_, pool) = permitted_pool(request, input.user_pool_id.as_ref(), action)?;
    let (client_id, _) = client_of(pool, input.client_id.as_ref())?;
    if request.cloud.secrets(client_id).is_empty() {
        return Err(invalid("clientId", "the app client is public, it has no secrets"));
    }
    Ok(client_id)
}

fn described(secret: &ClientSecret) -> Value {
    json!({ "ClientSecretId": secret.id, "ClientSecretCreateDate": secret.created })
}

fn refused(unchanged: Unchanged) -> Failure {
    match unchanged {
        Unchanged::TwoAlready => {
            Failure::bad("LimitExceededException", "The app client already has the maximum of 2 client secrets.")
        }
        Unchanged::LastOne => {
            Failure::bad("InvalidParameterException", "The last client secret of an app client cannot be deleted.")
        }
        Unchanged::UnknownId => Failure::bad("ResourceNotFoundException", "The client secret does not exist."),
    }
}
