//! `POST /oauth2/token`: a token endpoint (RFC 6749), so that an OAuth library is moved to the broker by changing its URL.
//!
//! A form, in which no parameter stands twice and an empty one counts as none; unknown ones are ignored. `grant_type` is
//! `client_credentials`, or token exchange, which [`super::exchange`] answers. The client shows itself as [`super::client`] says;
//! for client_credentials `client_id` is the name of the token, NAME or tokens.NAME, and `scope` a subset of the configured ones.
//!
//! Answer: `{"access_token","token_type":"Bearer","expires_in","scope"}`, with `expires_in` the seconds that remain. Errors as section
//! 5.2 has them: 400 `invalid_request`, `invalid_scope`, `unsupported_grant_type` and `unauthorized_client`, the last for a token
//! that is not allowed and for one that there is not, alike; 401 `invalid_client`, with `WWW-Authenticate: Basic` where Basic was used.
//! Trouble upstream is 502, 503 or 504 as for `/v1/tokens`. What falls under none of these (a foreign Host, another method, a body too
//! large) has the status it has everywhere.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::json;
use warp::Filter as _;

use super::body::{Body, FORM, Fields};
use super::describe::{JSON, Operation, Path, of, unserved};
use super::reply::{self, Response, Style, Trouble};
use super::tokens::{NO_SUCH_SCOPE, obtained, subset, with_cache};
use super::{Asker, Routes, Surface, allowed, client, exchange, posted};
use crate::policy::Grant;
use crate::refresh::Served;
use crate::source::BearerToken;

/// The path.
pub const PATH: &str = "/oauth2/token";
/// RFC 6749 section 4.4.
pub const CLIENT_CREDENTIALS: &str = "client_credentials";
const METHODS: &[&str] = &["POST"];

/// The route.
pub fn route(surface: &Arc<Surface>) -> Routes {
    warp::path!("oauth2" / "token")
        .and(posted(surface))
        .then(async |method: Method, headers: HeaderMap, body: Body, asker: Asker, surface: Arc<Surface>| {
            answer(&surface, &asker, &method, &headers, &body)
                .await
                .unwrap_or_else(|trouble| reply::refusal(&trouble, Style::OAuth))
        })
        .boxed()
}

/// The path, described.
pub fn described() -> Path {
    let name = "tokens.billing";
    let text = |what: &str| json!({ "type": "string", "description": what });
    let form = json!({
        "type": "object",
        "required": ["grant_type"],
        "description": "No parameter stands there twice; an empty one counts as none, an unknown one is ignored.",
        "properties": {
            "grant_type": { "enum": [CLIENT_CREDENTIALS, exchange::GRANT_TYPE] },
            "client_id": text("For client_credentials: the name of the token, NAME or tokens.NAME; or by Basic."),
            "client_secret": text("The caller's token. Not with an `Authorization` header."),
            "scope": text("A subset of the configured scopes, separated by spaces. Not for a token exchange."),
            "subject_token": text("For a token exchange: the user's token."),
            "subject_token_type": { "enum": exchange::SUBJECT_TYPES },
            "requested_token_type": { "const": exchange::AWS_CREDENTIALS },
            "audience": text("For a token exchange: the name of the credentials, NAME or credentials.NAME."),
        },
    });
    let token = json!({
        "type": "object",
        "required": ["access_token", "token_type", "expires_in"],
        "properties": {
            "access_token": { "type": "string", "minLength": 1 },
            "token_type": { "const": "Bearer" },
            "expires_in": { "type": "integer", "minimum": 1, "description": "Seconds that remain." },
            "scope": { "type": "string" },
        },
    });
    let ask = Operation::for_clients("OAuth", "requestToken", "A token (RFC 6749), or a token exchange (RFC 8693)")
        .explained(
            "An OAuth library is moved to the broker by changing its URL. What the client may not have and what \
             is not configured are answered alike.",
        )
        .reading(&[(FORM, form)])
        .answering(
            StatusCode::OK,
            "The token, or what was exchanged for the subject token.",
            [(JSON, json!({ "anyOf": [of("OAuthToken"), of("IssuedCredentials")] }))],
            &["Credbroker-Cache"],
        )
        .refusing([NO_SUCH_SCOPE, Trouble::UnsupportedGrant, Trouble::NotForThisClient])
        .refusing([Trouble::Crowded(name.into())])
        .refusing(exchange::troubles())
        .refusing(unserved(name));
    Path::at(PATH)
        .defining("OAuthToken", token)
        .defining("IssuedCredentials", exchange::issued())
        .offering(METHODS, &ask)
}

async fn answer(
    surface: &Surface,
    asker: &Asker,
    method: &Method,
    headers: &HeaderMap,
    body: &Body,
) -> Result<Response, Trouble> {
    allowed(method, METHODS)?;
    let form = body.form_fields(headers)?;
    let client_id = client::id(headers, &form)?;
    match text(&form, "grant_type")? {
        None => Err(Trouble::BadRequest("the form has no grant_type")),
        Some(CLIENT_CREDENTIALS) => by_client_credentials(surface, asker, &form, client_id).await,
        Some(exchange::GRANT_TYPE) => exchange::answer(surface, asker, &form).await,
        Some(_) => Err(Trouble::UnsupportedGrant),
    }
}

async fn by_client_credentials(
    surface: &Surface,
    asker: &Asker,
    form: &Fields,
    client_id: Option<String>,
) -> Result<Response, Trouble> {
    form.stand_once(&[])?;
    let id = client_id.ok_or(Trouble::BadRequest("there is no client_id, which is the name of a token here"))?;
    let name = id.strip_prefix("tokens.").unwrap_or(&id);
    // The text may be a secret in the wrong place, so it is not repeated.
    let permit = asker.permit(Grant::Token(name.to_owned())).ok_or(Trouble::NotForThisClient)?;
    let configured = surface.store.scopes_of(name).ok_or(Trouble::NotForThisClient)?;
    let scopes = text(form, "scope")?.map_or(Ok(None), |asked| subset(asked, configured))?;
    let served = obtained(surface, &permit, scopes).await?;
    asker.notes().token(surface, &served.lease, served.cache);
    Ok(with_cache(render(surface, &served), served.cache))
}

/// A parameter that is no secret.
#[expect(clippy::disallowed_methods, reason = "it says what is asked for")]
pub fn text<'a>(form: &'a Fields, key: &str) -> Result<Option<&'a str>, Trouble> {
    Ok(form.given(key)?.map(ExposeSecret::expose_secret))
}

// Without `expires_at`: libraries read that in forms of their own.
#[expect(clippy::disallowed_methods, reason = "this is the answer to a caller that holds a permit")]
fn render(surface: &Surface, served: &Served<BearerToken>) -> Response {
    let mut body = json!({
        "access_token": served.lease.value.token.expose_secret(),
        "token_type": "Bearer",
        "expires_in": served.lease.remaining(surface.clock.now()).as_secs().max(1),
    });
    if let Some(scope) = &served.lease.value.scope {
        body["scope"] = json!(scope);
    }
    reply::json(StatusCode::OK, &body)
}
