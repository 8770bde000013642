//! New tokens for a refresh token, and its end.
//!
//! | operation | the client proves itself by | with rotation |
//! |---|---|---|
//! | `InitiateAuth`, `AdminInitiateAuth`: `REFRESH_TOKEN_AUTH` | `SECRET_HASH` over the user's real name | refused |
//! | `GetTokensFromRefreshToken` | the raw `ClientSecret` | answers the next refresh token |
//! | `RevokeToken` | the raw `ClientSecret` | ends the whole family |

use serde::Deserialize;
use serde_json::{Value, json};

use super::app_client::{AppClient, not_enabled};
use super::parameters::Parameters;
use super::refresh_tokens::{SignIn, Unusable};
use super::user_tokens;
use crate::failure::Failure;
use crate::json_api::{text, word_or_plus};
use crate::jwt::Unverified;
use crate::protocol::Outcome;
use crate::request::Request;

/// `REFRESH_TOKEN_AUTH`: the refresh token stays as it is.
pub(super) fn by_flow(request: &mut Request<'_>, client: &AppClient<'_>, parameters: &Parameters) -> Outcome {
    client.must_allow("ALLOW_REFRESH_TOKEN_AUTH", "REFRESH_TOKEN_AUTH")?;
    if client.settings.refresh_token_rotation {
        return Err(not_enabled("REFRESH_TOKEN_AUTH"));
    }
    let token = parameters.required("REFRESH_TOKEN")?;
    let sign_in = own(request, client, token)?;
    parameters.prove_client(request, client, &sign_in.username)?;
    let (result, _) = redeemed(request, &sign_in, token, None)?;
    Ok(json!({ "AuthenticationResult": result, "ChallengeParameters": {} }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Renewal {
    refresh_token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

pub(super) fn get_tokens(request: &mut Request<'_>) -> Outcome {
    let input: Renewal = request.input()?;
    request.asked.client_id.clone_from(&input.client_id);
    let token = opaque("refreshToken", input.refresh_token.as_ref())?;
    let client = AppClient::named(request, input.client_id.as_ref())?;
    if !right_secret(request, &client, input.client_secret.as_ref())? {
        let sentence = format!("Unable to verify the client secret of client {}", client.id);
        return Err(Failure::bad("NotAuthorizedException", sentence));
    }
    let sign_in = own(request, &client, token)?;
    let rotation = client.settings.refresh_token_rotation.then_some(client.settings.retry_grace_period);
    let (mut result, successor) = redeemed(request, &sign_in, token, rotation)?;
    if let Some(successor) = successor {
        result["RefreshToken"] = Value::from(successor);
    }
    Ok(json!({ "AuthenticationResult": result }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Revocation {
    token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// A refresh token nobody knows is revoked already (RFC 7009 section 2.2).
pub(super) fn revoke_token(request: &mut Request<'_>) -> Outcome {
    let input: Revocation = request.input()?;
    request.asked.client_id.clone_from(&input.client_id);
    let token = opaque("token", input.token.as_ref())?;
    let refused = || Failure::bad("UnauthorizedException", "Invalid client.");
    text("clientId", input.client_id.as_ref(), (1, 128), word_or_plus)?;
    let client = AppClient::named(request, input.client_id.as_ref()).map_err(|_| refused())?;
    if !right_secret(request, &client, input.client_secret.as_ref())? {
        return Err(refused());
    }
    if Unverified::parse(token).is_some() {
        return Err(Failure::bad("UnsupportedTokenTypeException", "Only refresh tokens can be revoked."));
    }
    if let Some(sign_in) = request.cloud.refresh_tokens.find(token) {
        if sign_in.client_id != client.id {
            return Err(refused());
        }
        request.cloud.refresh_tokens.revoke(&sign_in);
    }
    Ok(json!({}))
}

fn opaque<'i>(member: &str, token: Option<&'i String>) -> Result<&'i str, Failure> {
    text(member, token, (1, 131_072), |c| c.is_ascii_alphanumeric() || "-_=.".contains(c))
}

/// Required exactly when the client has a secret; any that works is right.
fn right_secret(request: &Request<'_>, client: &AppClient<'_>, sent: Option<&String>) -> Result<bool, Failure> {
    let secrets = request.cloud.secrets(client.id);
    let Some(_) = sent else {
        return Ok(secrets.is_empty());
    };
    let sent = text("clientSecret", sent, (24, 64), word_or_plus)?;
    Ok(secrets.iter().any(|own| own == sent))
}

/// The sign-in a token stands for, when it was made through this client.
fn own(request: &Request<'_>, client: &AppClient<'_>, token: &str) -> Result<SignIn, Failure> {
    let sign_in = request.cloud.refresh_tokens.find(token);
    sign_in.filter(|sign_in| sign_in.client_id == client.id).ok_or_else(|| refused(&Unusable::Unknown))
}

/// `AuthenticationResult`, and the next refresh token where there is one.
fn redeemed(
    request: &mut Request<'_>,
    sign_in: &SignIn,
    token: &str,
    grace: Option<u64>,
) -> Result<(Value, Option<String>), Failure> {
    request.asked.note("username", sign_in.username.clone());
    let redeemed = request.cloud.refresh_tokens.redeem(token, request.now, grace);
    let successor = redeemed.map_err(|unusable| refused(&unusable))?;
    request.asked.note("rotated", successor.is_some());
    Ok((user_tokens::authentication_result(request, sign_in)?, successor))
}

fn refused(unusable: &Unusable) -> Failure {
    match unusable {
        Unusable::Unknown => Failure::bad("NotAuthorizedException", "Invalid Refresh Token"),
        Unusable::Expired => Failure::bad("NotAuthorizedException", "Refresh Token has expired"),
        Unusable::Revoked => Failure::bad("NotAuthorizedException", "Refresh Token has been revoked"),
        Unusable::Reused => Failure::bad("RefreshTokenReuseException", "Refresh Token has been rotated"),
    }
}
