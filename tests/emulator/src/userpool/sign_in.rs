//! `InitiateAuth`, which anybody may call, and `AdminInitiateAuth`, which is signed and allowed by the caller's policy.
//!
//! The name sent may be the user's alias. `SECRET_HASH` is over the name as it is sent; from then on, in challenges
//! and with refresh tokens, only the user's real name counts.

use serde::Deserialize;
use serde_json::{Value, json};

use super::administration::permitted_pool;
use super::app_client::AppClient;
use super::parameters::Parameters;
use super::refresh_tokens::SignIn;
use super::{refresh, user_tokens};
use crate::failure::Failure;
use crate::json_api::{invalid, text, word_or_plus};
use crate::protocol::Outcome;
use crate::random;
use crate::request::Request;
use crate::world::User;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    auth_flow: Option<String>,
    user_pool_id: Option<String>,
    client_id: Option<String>,
    #[serde(default)]
    auth_parameters: Parameters,
}

pub(super) fn initiate_auth(request: &mut Request<'_>) -> Outcome {
    let input: Input = request.input()?;
    let flow = noted_flow(request, &input)?;
    let client = AppClient::named(request, input.client_id.as_ref())?;
    let parameters = &input.auth_parameters;
    match flow {
        "USER_PASSWORD_AUTH" => {
            client.must_allow("ALLOW_USER_PASSWORD_AUTH", flow)?;
            by_password(request, &client, parameters)
        }
        "REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN" => refresh::by_flow(request, &client, parameters),
        "ADMIN_USER_PASSWORD_AUTH" | "ADMIN_NO_SRP_AUTH" => Err(wrong_door()),
        _ => Err(no_flow(flow)),
    }
}

pub(super) fn admin_initiate_auth(request: &mut Request<'_>) -> Outcome {
    let input: Input = request.input()?;
    let flow = noted_flow(request, &input)?;
    let (pool_id, _) = permitted_pool(request, input.user_pool_id.as_ref(), "cognito-idp:AdminInitiateAuth")?;
    let client_id = text("clientId", input.client_id.as_ref(), (1, 128), word_or_plus)?;
    let client = AppClient::in_pool(request, pool_id, client_id)?;
    let parameters = &input.auth_parameters;
    match flow {
        "ADMIN_USER_PASSWORD_AUTH" | "ADMIN_NO_SRP_AUTH" => {
            client.must_allow("ALLOW_ADMIN_USER_PASSWORD_AUTH", flow)?;
            by_password(request, &client, parameters)
        }
        "REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN" => refresh::by_flow(request, &client, parameters),
        "USER_PASSWORD_AUTH" => Err(wrong_door()),
        _ => Err(no_flow(flow)),
    }
}

fn noted_flow<'i>(request: &mut Request<'_>, input: &'i Input) -> Result<&'i str, Failure> {
    request.asked.client_id.clone_from(&input.client_id);
    request.asked.note("flow", input.auth_flow.clone());
    request.asked.note("username", input.auth_parameters.optional("USERNAME"));
    input.auth_flow.as_deref().ok_or_else(|| invalid("authFlow", "Member must not be null"))
}

/// A flow that belongs to the other of the two operations.
fn wrong_door() -> Failure {
    Failure::bad("InvalidParameterException", "Initiate Auth method not supported.")
}

fn no_flow(flow: &str) -> Failure {
    match flow {
        "USER_SRP_AUTH" | "USER_AUTH" | "CUSTOM_AUTH" => {
            Failure::bad("InvalidParameterException", format!("the emulator does not have {flow} here"))
        }
        _ => invalid("authFlow", "Member must satisfy enum value set"),
    }
}

fn by_password(request: &mut Request<'_>, client: &AppClient<'_>, parameters: &Parameters) -> Outcome {
    let (sent, password) = (parameters.required("USERNAME")?, parameters.required("PASSWORD")?);
    parameters.prove_client(request, client, sent)?;
    let user = client.pool.user(sent).filter(|(_, user)| user.password == password);
    let (username, user) = user.ok_or_else(incorrect)?;
    proven(request, client, username, user)
}

/// What a stranger hears: unknown users and wrong passwords look alike.
pub(super) fn incorrect() -> Failure {
    Failure::bad("NotAuthorizedException", "Incorrect username or password.")
}

/// The answer to a user who knows the password: tokens, or the challenge set for the user.
pub(super) fn proven(request: &mut Request<'_>, client: &AppClient<'_>, username: &str, user: &User) -> Outcome {
    match &user.challenge {
        Some(challenge) => Ok(challenged(challenge, username)),
        None => signed_in(request, client, username),
    }
}

fn challenged(challenge: &str, username: &str) -> Value {
    let mut parameters = json!({ "USER_ID_FOR_SRP": username });
    if challenge == "NEW_PASSWORD_REQUIRED" {
        parameters["requiredAttributes"] = json!("[]");
        parameters["userAttributes"] = json!("{}");
    }
    json!({ "ChallengeName": challenge, "Session": random::opaque(), "ChallengeParameters": parameters })
}

fn signed_in(request: &mut Request<'_>, client: &AppClient<'_>, username: &str) -> Outcome {
    let sign_in = SignIn {
        pool: client.pool_id.to_owned(),
        client_id: client.id.to_owned(),
        username: username.to_owned(),
        auth_time: request.now,
        origin_jti: random::uuid(),
        expires: request.now.saturating_add_unsigned(client.settings.refresh_token_validity),
    };
    let mut result = user_tokens::authentication_result(request, &sign_in)?;
    result["RefreshToken"] = Value::from(request.cloud.refresh_tokens.issue(sign_in));
    Ok(json!({ "AuthenticationResult": result, "ChallengeParameters": {} }))
}
