//! The hosted token endpoint, `POST /oauth2/token`, for the client credentials grant (RFC 6749 section 4.4).
//!
//! As Cognito has it: every error is status 400 (wrong method apart), also `invalid_client`; the answer has
//! exactly `access_token`, `token_type` and `expires_in`; no `scope` asked means all the client may have;
//! `resource` (RFC 8707) is refused; HTTP Basic or body credentials, not both.

mod client_auth;
mod domain;
mod form;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::protocol::Outcome;
use crate::request::Request;
use crate::userpool::machine_token;
use form::Form;

/// The token request.
pub(crate) fn token(request: &mut Request<'_>) -> Outcome {
    let form = read(request)?;
    let grant = form.required("grant_type")?;
    request.asked.note("grant_type", grant);
    let credentials = client_auth::presented(request.call, &form)?;
    request.asked.client_id = Some(credentials.client_id.clone());
    request.asked.note("client_auth", credentials.method);
    if grant != "client_credentials" {
        return Err(Failure::bad("unsupported_grant_type", ""));
    }
    client_metadata(request, &form)?;
    let pool = domain::pool(&request.cloud.world, request.call)?;
    let (pool_id, client) = client_auth::proven(request.cloud, &credentials, pool)?;
    if !client.has_grant("client_credentials") {
        return Err(Failure::bad("unauthorized_client", ""));
    }
    let asked: Vec<&str> = form.optional("scope").unwrap_or_default().split(' ').filter(|s| !s.is_empty()).collect();
    request.asked.note("scopes", asked.clone());
    let scopes = machine_token::granted(client, &asked).ok_or_else(|| Failure::bad("invalid_scope", ""))?;
    let lifetime = request.cloud.lifetime("token").unwrap_or(client.access_token_validity);
    let token = machine_token::mint(request, pool_id, &credentials.client_id, &scopes, lifetime);
    Ok(json!({ "access_token": token, "token_type": "Bearer", "expires_in": lifetime }))
}

fn read(request: &Request<'_>) -> Result<Form, Failure> {
    if request.call.method != http::Method::POST {
        return Err(Failure::new(405, "invalid_request", "the token endpoint takes POST only"));
    }
    if request.call.media_type() != "application/x-www-form-urlencoded" {
        return Err(Failure::bad("invalid_request", "the content type is not application/x-www-form-urlencoded"));
    }
    if !request.call.query.is_empty() {
        return Err(Failure::bad("invalid_request", "parameters belong in the body"));
    }
    let form = Form::parse(&request.call.body)?;
    if form.optional("resource").is_some() {
        return Err(Failure::bad("invalid_request", "resource binding is not available with client credentials"));
    }
    Ok(form)
}

/// `aws_client_metadata`: a JSON object of strings. Only its keys are journalled.
fn client_metadata(request: &mut Request<'_>, form: &Form) -> Result<(), Failure> {
    let Some(text) = form.optional("aws_client_metadata") else {
        return Ok(());
    };
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) if members.values().all(Value::is_string) => {
            request.asked.note("client_metadata", members.keys().cloned().collect::<Vec<_>>());
            Ok(())
        }
        _ => Err(Failure::bad("invalid_request", "aws_client_metadata is not a JSON object of strings")),
    }
}
