//! Client authentication: exactly one method, and exactly the one the client is registered for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded;

use super::assertion;
use super::form::{Form, well_encoded};
use crate::call::Call;
use crate::failure::Failure;
use crate::jwt::Unverified;
use crate::request::Request;
use crate::world::{AuthorizationServer, ClientAuth, OAuthClient};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a client says of itself.
enum Presented {
    Basic { secret: String },
    Post { secret: String },
    Assertion { jwt: String },
}

/// The client, once it proved who it is.
pub(super) fn authenticated<'a>(
    request: &mut Request<'a>,
    name: &str,
    server: &'a AuthorizationServer,
    form: &Form,
) -> Result<(&'a str, &'a OAuthClient), Failure> {
    let (id, presented) = presented(request.call, form)?;
    request.asked.note("client_auth", presented.method());
    let id = id.or_else(|| presented.claimed_client()).ok_or_else(invalid_client)?;
    request.asked.client_id = Some(id.clone());
    let (id, client) = server.clients.get_key_value(&id).ok_or_else(invalid_client)?;
    match (client.auth, &presented) {
        (ClientAuth::ClientSecretBasic, Presented::Basic { secret })
        | (ClientAuth::ClientSecretPost, Presented::Post { secret })
            if request.cloud.oauth_secrets(id, client).contains(secret) => {}
        (ClientAuth::PrivateKeyJwt, Presented::Assertion { jwt }) => {
            assertion::private_key_jwt(request, name, id, client, jwt)?;
        }
        // Whose subject is not the client's id, so the client has to name itself.
        (ClientAuth::Federated, Presented::Assertion { jwt }) if form.optional("client_id").is_some() => {
            assertion::federated(request, name, client, jwt)?;
        }
        _ => return Err(invalid_client()),
    }
    Ok((id, client))
}

fn presented(call: &Call, form: &Form) -> Result<(Option<String>, Presented), Failure> {
    let id = form.optional("client_id").map(str::to_owned);
    let secret = form.optional("client_secret");
    let (kind, jwt) = (form.optional("client_assertion_type"), form.optional("client_assertion"));
    let header = call.headers.contains_key("authorization");
    if [header, secret.is_some(), kind.is_some() || jwt.is_some()].iter().filter(|used| **used).count() > 1 {
        return Err(Failure::bad("invalid_request", "more than one method of client authentication"));
    }
    if header {
        let (own, secret) = basic(call.header("authorization").unwrap_or_default()).ok_or_else(invalid_client)?;
        if id.is_some_and(|id| id != own) {
            return Err(Failure::bad("invalid_request", "client_id differs from the Authorization header"));
        }
        return Ok((Some(own), Presented::Basic { secret }));
    }
    match (secret, kind, jwt) {
        (Some(secret), ..) => Ok((id, Presented::Post { secret: secret.to_owned() })),
        (None, Some(JWT_BEARER), Some(jwt)) => Ok((id, Presented::Assertion { jwt: jwt.to_owned() })),
        (None, Some(_), None) | (None, None, Some(_)) => {
            Err(Failure::bad("invalid_request", "client_assertion and client_assertion_type belong together"))
        }
        _ => Err(invalid_client()),
    }
}

/// Id and secret, each form-encoded before they were put together (RFC 6749 section 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

fn form_decoded(text: &str) -> Option<String> {
    if !well_encoded(text.as_bytes()) || text.contains(['&', '=']) {
        return None;
    }
    form_urlencoded::parse(text.as_bytes()).next().map(|(decoded, _)| decoded.into_owned())
}

impl Presented {
    fn method(&self) -> &'static str {
        match self {
            Presented::Basic { .. } => "client_secret_basic",
            Presented::Post { .. } => "client_secret_post",
            Presented::Assertion { .. } => "client_assertion",
        }
    }

    /// The client an assertion says it is of; `client_id` may be left out then (RFC 7521 section 4.2).
    fn claimed_client(&self) -> Option<String> {
        match self {
            Presented::Assertion { jwt } => Unverified::parse(jwt)?.text("sub").map(str::to_owned),
            Presented::Basic { .. } | Presented::Post { .. } => None,
        }
    }
}

pub(super) fn invalid_client() -> Failure {
    Failure::new(401, "invalid_client", "")
}
