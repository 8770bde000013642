//! `GetClientToken`: the client credentials grant as an API operation. Takes signed and unsigned requests.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::machine_token;
use crate::failure::Failure;
use crate::json_api::{invalid, text, word_or_plus};
use crate::protocol::Outcome;
use crate::request::Request;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    client_id: Option<String>,
    secret: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    client_metadata: BTreeMap<String, String>,
}

pub(super) fn get_client_token(request: &mut Request<'_>) -> Outcome {
    let input: Input = request.input()?;
    request.asked.client_id.clone_from(&input.client_id);
    request.asked.note("scopes", input.scopes.clone());
    if !input.client_metadata.is_empty() {
        request.asked.note("client_metadata", input.client_metadata.keys().cloned().collect::<Vec<_>>());
    }
    let client_id = text("clientId", input.client_id.as_ref(), (1, 128), word_or_plus)?;
    let secret = text("secret", input.secret.as_ref(), (24, 64), word_or_plus)?;
    patterns(&input.scopes)?;
    let refused = || Failure::bad("NotAuthorizedException", "Unable to authenticate the client.");
    let (pool_id, _, client) = request.cloud.world.client(client_id).ok_or_else(refused)?;
    let secrets = request.cloud.secrets(client_id);
    if !client.has_flow("ALLOW_CLIENT_TOKEN_AUTH") || !secrets.iter().any(|own| own == secret) {
        return Err(refused());
    }
    let asked: Vec<&str> = input.scopes.iter().map(String::as_str).collect();
    let scopes = machine_token::granted(client, &asked).ok_or_else(|| {
        Failure::bad("InvalidParameterException", "The requested scopes are not allowed for the client.")
    })?;
    let lifetime = request.cloud.lifetime("GetClientToken").unwrap_or(client.access_token_validity);
    let token = machine_token::mint(request, pool_id, client_id, &scopes, lifetime);
    Ok(json!({
        "ClientAuthenticationResult": { "AccessToken": token, "ExpiresIn": lifetime, "TokenType": "Bearer" }
    }))
}

/// At most fifty scopes of 1 to 256 characters `[\x21\x23-\x5B\x5D-\x7E]`.
fn patterns(scopes: &[String]) -> Result<(), Failure> {
    if scopes.len() > 50 {
        return Err(invalid("scopes", "Member must have length less than or equal to 50"));
    }
    let allowed = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
    scopes.iter().try_for_each(|scope| text("scopes", Some(scope), (1, 256), allowed).map(drop))
}
