//! An OAuth 2.0 authorization server that is not Cognito: `/as/NAME`.
//!
//! The token endpoint is RFC 6749's, for the client credentials grant, and nothing more lenient: `POST` and a
//! form; a repeated parameter is `invalid_request`, `resource` (RFC 8707) apart; one method of client
//! authentication, the one the client is registered for; `invalid_client` is 401, with `WWW-Authenticate` for
//! who used `Authorization`; a scope that is not the client's is `invalid_scope`, a target `invalid_target`.
//! Access tokens are JWTs (RFC 9068) or opaque. Metadata is published as RFC 8414 and as OpenID Connect
//! Discovery say, each only if the world wants it.

mod access_token;
mod assertion;
mod client_auth;
mod form;
mod metadata;
mod target;

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::failure::Failure;
use crate::keys::Algorithm;
use crate::protocol::Outcome;
use crate::request::Request;
use crate::world::{AuthorizationServer, ExpiresIn, OAuthClient, SigningAlgorithm};
use form::Form;

pub(crate) use self::assertion::Replays;
pub(crate) use self::metadata::{keys, oidc, rfc8414};

/// The issuer of a server; it may be one the world does not have.
pub(crate) fn issuer(cloud: &Cloud, name: &str) -> String {
    format!("{}/as/{name}", cloud.url)
}

/// The name its keys go by.
pub(crate) fn ring(name: &str) -> String {
    format!("as/{name}")
}

pub(crate) fn algorithm(server: &AuthorizationServer) -> Algorithm {
    match server.signing_algorithm {
        SigningAlgorithm::Rs256 => Algorithm::Rs256,
        SigningAlgorithm::Es256 => Algorithm::Es256,
    }
}

/// The token request.
pub(crate) fn token(request: &mut Request<'_>, name: &str) -> Outcome {
    let server = server(request, name)?;
    let form = Form::read(request.call)?;
    let grant = form.required("grant_type")?;
    request.asked.note("grant_type", grant);
    let (client_id, client) = client_auth::authenticated(request, name, server, &form)?;
    if grant != "client_credentials" {
        return Err(Failure::bad("unsupported_grant_type", ""));
    }
    if !client.grant_types.iter().any(|own| own == grant) {
        return Err(Failure::bad("unauthorized_client", ""));
    }
    required_parameters(request, client, &form)?;
    let asked = form.optional("scope");
    request.asked.note("scopes", asked.map(|scope| scope.split(' ').collect::<Vec<_>>()));
    let scopes = target::scopes(client, asked)?;
    let audiences = target::audiences(request, client, &form, &issuer(request.cloud, name))?;
    request.asked.note("granted_scopes", scopes.clone());
    let lifetime = request.cloud.lifetime(&format!("as/{name}/token")).unwrap_or(client.lifetime);
    request.asked.note("granted_seconds", lifetime);
    let grant = access_token::Grant { client_id, client, scopes: &scopes, audiences: &audiences, lifetime };
    let token = access_token::mint(request, name, server, &grant);
    Ok(answer(client, &token, lifetime, asked, &scopes.join(" ")))
}

/// `scope` is left out when it is what was asked for.
fn answer(client: &OAuthClient, token: &str, lifetime: u64, asked: Option<&str>, scope: &str) -> Value {
    let mut answer = json!({ "access_token": token, "token_type": client.token_type });
    match client.expires_in {
        ExpiresIn::Number => answer["expires_in"] = json!(lifetime),
        ExpiresIn::String => answer["expires_in"] = json!(lifetime.to_string()),
        ExpiresIn::Absent => {}
    }
    if asked != Some(scope) && !scope.is_empty() {
        answer["scope"] = json!(scope);
    }
    answer
}

/// What this client must send besides; the values are not journalled.
fn required_parameters(request: &mut Request<'_>, client: &OAuthClient, form: &Form) -> Result<(), Failure> {
    for (name, value) in &client.required_parameters {
        if form.required(name)? != value {
            return Err(Failure::bad("invalid_request", format!("{name} has the wrong value")));
        }
    }
    let names: Vec<&String> = client.required_parameters.keys().collect();
    request.asked.note("required_parameters", if names.is_empty() { Value::Null } else { json!(names) });
    Ok(())
}

fn server<'a>(request: &Request<'a>, name: &str) -> Result<&'a AuthorizationServer, Failure> {
    let server = request.cloud.world.authorization_servers.get(name);
    server.ok_or_else(|| Failure::new(404, "not_found", "no authorization server has this name"))
}
