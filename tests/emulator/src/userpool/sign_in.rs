//! `InitiateAuth` with `USER_PASSWORD_AUTH` and `REFRESH_TOKEN_AUTH`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::refresh_tokens::SignIn;
use super::{secret_hash, user_tokens};
use crate::failure::Failure;
use crate::json_api::{invalid, text, word_or_plus};
use crate::protocol::Outcome;
use crate::random;
use crate::request::Request;
use crate::world::{Client, User};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    auth_flow: Option<String>,
    client_id: Option<String>,
    #[serde(default)]
    auth_parameters: BTreeMap<String, String>,
}

pub(super) fn initiate_auth(request: &mut Request<'_>) -> Outcome {
    let input: Input = request.input()?;
    request.asked.client_id.clone_from(&input.client_id);
    let flow = input.auth_flow.as_deref().ok_or_else(|| invalid("authFlow", "Member must not be null"))?;
    request.asked.note("flow", flow);
    request.asked.note("username", input.auth_parameters.get("USERNAME").cloned());
    let client_id = text("clientId", input.client_id.as_ref(), (1, 128), word_or_plus)?;
    let missing = || Failure::bad("ResourceNotFoundException", format!("User pool client {client_id} does not exist."));
    let (pool_id, pool, client) = request.cloud.world.client(client_id).ok_or_else(missing)?;
    match flow {
        "USER_PASSWORD_AUTH" => {
            enabled(client, "ALLOW_USER_PASSWORD_AUTH", flow)?;
            let (username, user) = proven(request, &input, client_id, &pool.users)?;
            if let Some(challenge) = &user.challenge {
                return Ok(challenged(challenge, &username));
            }
            signed_in(request, pool_id, client_id, client, username)
        }
        "REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN" => {
            enabled(client, "ALLOW_REFRESH_TOKEN_AUTH", flow)?;
            refreshed(request, &input, pool_id, client_id)
        }
        "USER_SRP_AUTH" | "USER_AUTH" | "CUSTOM_AUTH" => {
            Err(Failure::bad("InvalidParameterException", format!("the emulator does not have {flow}")))
        }
        _ => Err(invalid("authFlow", "Member must satisfy enum value set")),
    }
}

fn enabled(client: &Client, needed: &str, flow: &str) -> Result<(), Failure> {
    if client.has_flow(needed) {
        return Ok(());
    }
    Err(Failure::bad("InvalidParameterException", format!("{flow} flow not enabled for this client")))
}

fn parameter<'a>(input: &'a Input, name: &str) -> Result<&'a str, Failure> {
    let value = input.auth_parameters.get(name).map(String::as_str);
    value.ok_or_else(|| Failure::bad("InvalidParameterException", format!("Missing required parameter {name}")))
}

/// The user, when secret hash and password are right. Unknown users and wrong passwords look alike.
fn proven<'a>(
    request: &Request<'_>,
    input: &Input,
    client_id: &str,
    users: &'a BTreeMap<String, User>,
) -> Result<(String, &'a User), Failure> {
    let (username, password) = (parameter(input, "USERNAME")?, parameter(input, "PASSWORD")?);
    let sent = input.auth_parameters.get("SECRET_HASH").map(String::as_str);
    secret_hash::check(&request.cloud.secrets(client_id), username, client_id, sent)?;
    let user = users.get(username).filter(|user| user.password == password);
    let user = user.ok_or_else(|| Failure::bad("NotAuthorizedException", "Incorrect username or password."))?;
    Ok((username.to_owned(), user))
}

fn challenged(challenge: &str, username: &str) -> Value {
    let mut parameters = json!({ "USER_ID_FOR_SRP": username });
    if challenge == "NEW_PASSWORD_REQUIRED" {
        parameters["requiredAttributes"] = json!("[]");
        parameters["userAttributes"] = json!("{}");
    }
    json!({ "ChallengeName": challenge, "Session": random::opaque(), "ChallengeParameters": parameters })
}

fn signed_in(request: &mut Request<'_>, pool_id: &str, client_id: &str, client: &Client, username: String) -> Outcome {
    let sign_in = SignIn {
        pool: pool_id.to_owned(),
        client_id: client_id.to_owned(),
        username,
        auth_time: request.now,
        origin_jti: random::uuid(),
        expires: request.now.saturating_add_unsigned(client.refresh_token_validity),
    };
    let mut result = user_tokens::authentication_result(request, &sign_in)?;
    result["RefreshToken"] = Value::from(request.cloud.refresh_tokens.issue(sign_in));
    Ok(json!({ "AuthenticationResult": result, "ChallengeParameters": {} }))
}

/// New ID and access tokens; the refresh token stays as it is.
fn refreshed(request: &mut Request<'_>, input: &Input, pool_id: &str, client_id: &str) -> Outcome {
    let sign_in = request.cloud.refresh_tokens.find(parameter(input, "REFRESH_TOKEN")?);
    let own = sign_in.filter(|sign_in| sign_in.pool == pool_id && sign_in.client_id == client_id);
    let sign_in = own.ok_or_else(|| Failure::bad("NotAuthorizedException", "Invalid Refresh Token"))?;
    let sent = input.auth_parameters.get("SECRET_HASH").map(String::as_str);
    secret_hash::check(&request.cloud.secrets(client_id), &sign_in.username, client_id, sent)?;
    if sign_in.expires <= request.now {
        return Err(Failure::bad("NotAuthorizedException", "Refresh Token has expired"));
    }
    request.asked.note("username", sign_in.username.clone());
    let result = user_tokens::authentication_result(request, &sign_in)?;
    Ok(json!({ "AuthenticationResult": result, "ChallengeParameters": {} }))
}
