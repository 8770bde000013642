//! Client authentication: `client_secret_basic` or `client_secret_post` (RFC 6749 section 2.3.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded;

use super::form::Form;
use crate::call::Call;
use crate::cloud::Cloud;
use crate::failure::Failure;
use crate::world::Client;

/// What a client says of itself.
pub(super) struct Credentials {
    pub(super) client_id: String,
    /// Empty when none was sent.
    secret: String,
    pub(super) method: &'static str,
}

/// Reads the credentials, whichever way they were sent.
pub(super) fn presented(call: &Call, form: &Form) -> Result<Credentials, Failure> {
    if !call.headers.contains_key("authorization") {
        let client_id = form.required("client_id")?.to_owned();
        let secret = form.optional("client_secret").unwrap_or_default().to_owned();
        let method = if secret.is_empty() { "none" } else { "client_secret_post" };
        return Ok(Credentials { client_id, secret, method });
    }
    let header = call.header("authorization").unwrap_or_default();
    let (client_id, secret) = basic(header).ok_or_else(invalid_client)?;
    if form.optional("client_secret").is_some() {
        return Err(Failure::bad("invalid_request", "two ways of client authentication"));
    }
    if form.optional("client_id").is_some_and(|id| id != client_id) {
        return Err(Failure::bad("invalid_request", "client_id differs from the Authorization header"));
    }
    Ok(Credentials { client_id, secret, method: "client_secret_basic" })
}

fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// The client and its pool, when the secret is one of its own. `pool` restricts the search to one pool.
pub(super) fn proven<'a>(
    cloud: &'a Cloud,
    credentials: &Credentials,
    pool: Option<&str>,
) -> Result<(&'a str, &'a Client), Failure> {
    let plain = find(cloud, &credentials.client_id, &credentials.secret, pool);
    let decoded = || {
        let (id, secret) = (form_decoded(&credentials.client_id), form_decoded(&credentials.secret));
        find(cloud, &id, &secret, pool)
    };
    match credentials.method {
        "client_secret_basic" => plain.or_else(decoded),
        _ => plain,
    }
    .ok_or_else(invalid_client)
}

fn find<'a>(cloud: &'a Cloud, id: &str, secret: &str, pool: Option<&str>) -> Option<(&'a str, &'a Client)> {
    let (pool_id, _, client) = cloud.world.client(id)?;
    let in_pool = pool.is_none_or(|wanted| wanted == pool_id);
    let secrets = cloud.secrets(id);
    let proven = if secrets.is_empty() { secret.is_empty() } else { secrets.iter().any(|own| own == secret) };
    (in_pool && proven).then_some((pool_id, client))
}

/// RFC 6749 asks for form encoding inside Basic; Cognito's documents show none. Both are understood.
fn form_decoded(text: &str) -> String {
    let decoded = form_urlencoded::parse(text.as_bytes()).next();
    decoded.map(|(name, _)| name.into_owned()).unwrap_or_default()
}

fn invalid_client() -> Failure {
    Failure::bad("invalid_client", "")
}
