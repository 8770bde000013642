//! Token exchange (RFC 8693) at `POST /oauth2/token`: AWS credentials for the user of a subject token.
//!
//! `grant_type=urn:ietf:params:oauth:grant-type:token-exchange`, `subject_token` with `subject_token_type` (`…:id_token`,
//! `…:access_token` or `…:jwt`), and `audience`, the name of the credentials: NAME or credentials.NAME. `requested_token_type`, where
//! given, is `urn:credbroker:params:oauth:token-type:aws-credentials`. `client_id` says nothing here.
//!
//! Answer: `access_token` holds the JSON that `POST /v1/credentials/{name}` gives, as a text; `issued_token_type` the type above;
//! `token_type` is `N_A`, for it is no access token; `expires_in`. A subject token that is refused, an `actor_token` (nobody acts
//! for another here) and types that are not ours are `invalid_request`; a target that the client may not have, that there is not, or that is
//! nobody's but its own is `invalid_target`; a `scope` is `invalid_scope`, for what a role may is not narrowed by one.

use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::body::Fields;
use super::describe::{JSON, of};
use super::oauth::text;
use super::reply::{self, Response, Trouble};
use super::tokens::with_cache;
use super::{Asker, Surface, credentials};
use crate::policy::{Grant, Permit};
use crate::refresh::OnBehalfOf;

/// RFC 8693 section 2.1.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What is issued: AWS credentials, as `/v1/credentials` gives them.
pub const AWS_CREDENTIALS: &str = "urn:credbroker:params:oauth:token-type:aws-credentials";
/// What a subject token may be said to be.
pub const SUBJECT_TYPES: [&str; 3] = [
    "urn:ietf:params:oauth:token-type:id_token",
    "urn:ietf:params:oauth:token-type:access_token",
    "urn:ietf:params:oauth:token-type:jwt",
];
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// The schema of an answer.
pub fn issued() -> Value {
    json!({
        "type": "object",
        "required": ["access_token", "issued_token_type", "token_type", "expires_in"],
        "properties": {
            "access_token": {
                "type": "string",
                "contentMediaType": JSON,
                "contentSchema": of("AwsCredentials"),
            },
            "issued_token_type": { "const": AWS_CREDENTIALS },
            "token_type": { "const": "N_A" },
            "expires_in": { "type": "integer", "minimum": 1, "description": "Seconds that remain." },
        },
    })
}

/// What an exchange may be refused with, besides what its source fails with.
pub fn troubles() -> [Trouble; 3] {
    [
        Trouble::BadSubject("it has expired".into()),
        Trouble::BadTarget("one audience at a time"),
        Trouble::CrowdedSubjects("credentials.orders".into()),
    ]
}

/// Answers the exchange that `form` asks for.
pub async fn answer(surface: &Surface, asker: &Asker, form: &Fields) -> Result<Response, Trouble> {
    form.stand_once(&REPEATABLE)?;
    let token = form.given("subject_token")?.ok_or(Trouble::BadRequest("the form has no subject_token"))?;
    types_are_ours(form)?;
    let (permit, issuer) = target(surface, asker, form)?;
    if form.given("scope")?.is_some() {
        return Err(Trouble::BadScope("a role is not narrowed by a scope; exchange the token without one"));
    }
    let served = credentials::of_subject(surface, &permit, issuer, token.clone()).await?;
    asker.notes().credentials(surface, &served.lease, served.cache);
    let body = json!({
        "access_token": credentials::document(surface, &served).to_string(),
        "issued_token_type": AWS_CREDENTIALS,
        "token_type": "N_A",
        "expires_in": served.lease.remaining(surface.clock.now()).as_secs().max(1),
    });
    Ok(with_cache(reply::json(StatusCode::OK, &body), served.cache))
}

fn types_are_ours(form: &Fields) -> Result<(), Trouble> {
    if form.given("actor_token")?.is_some() || form.given("actor_token_type")?.is_some() {
        return Err(Trouble::BadRequest("an actor_token is not taken; exchange the subject token by itself"));
    }
    let kind = text(form, "subject_token_type")?.ok_or(Trouble::BadRequest("the form has no subject_token_type"))?;
    if !SUBJECT_TYPES.contains(&kind) {
        return Err(Trouble::BadRequest("the subject_token_type is that of an id_token, an access_token or a jwt"));
    }
    if text(form, "requested_token_type")?.is_some_and(|kind| kind != AWS_CREDENTIALS) {
        return Err(Trouble::BadRequest(
            "the only requested_token_type is urn:credbroker:params:oauth:token-type:aws-credentials",
        ));
    }
    Ok(())
}

/// The permit for the one target that is named, and the issuer of its subject tokens, if one is configured.
fn target<'a>(surface: &'a Surface, asker: &Asker, form: &Fields) -> Result<(Permit, Option<&'a str>), Trouble> {
    const REFUSED: Trouble =
        Trouble::BadTarget("the audience is none of the credentials for subject tokens in the caller's allow list");
    if form.every("resource").next().is_some() {
        return Err(Trouble::BadTarget("a target is named by audience, not by resource"));
    }
    let mut audiences = form.every("audience");
    let audience = match (audiences.next(), audiences.next()) {
        (Some(only), None) => only,
        (None, _) => return Err(Trouble::BadRequest("there is no audience, which is the name of credentials here")),
        (Some(_), Some(_)) => return Err(Trouble::BadTarget("one audience at a time")),
    };
    #[expect(clippy::disallowed_methods, reason = "the name of credentials is no secret")]
    let name = audience.expose_secret();
    let name = name.strip_prefix("credentials.").unwrap_or(name);
    let permit = asker.permit(Grant::Credentials(name.to_owned())).ok_or(REFUSED)?;
    match surface.store.on_behalf_of(name) {
        Some(OnBehalfOf::Subject(issuer)) => Ok((permit, issuer.as_deref())),
        Some(OnBehalfOf::Itself) | None => Err(REFUSED),
    }
}
