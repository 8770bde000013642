//! `POST /oauth2/introspect`: token introspection (RFC 7662), answered by verifying the token here.
//!
//! Form fields (or JSON keys) `token`, `issuer` where the caller is allowed more than one, and `token_type_hint`, which is
//! ignored. The caller shows itself as everywhere or by its token as a client secret, see [`super::client`]; it needs
//! `issuers.NAME` in its `allow`. Answer: `{"active":true}` with the claims that section 2.2 names, or `{"active":false}` and nothing else
//! for whatever is not valid, whatever the reason: who hands in a bad token learns nothing. Only keys that cannot be had are an error (502, 503 and
//! 504 as everywhere), because then nothing is known.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use warp::Filter as _;

use super::body::{Body, FORM};
use super::describe::{JSON, Operation, Path, failed, of};
use super::reply::{self, Response, Style, Trouble};
use super::{Asker, Routes, Surface, allowed, posted};
use crate::policy::{Grant, Permit};
use crate::verify::{Refused, Verified};

/// The path.
pub const PATH: &str = "/oauth2/introspect";
const METHODS: &[&str] = &["POST"];

/// The claims that are passed on as they are (RFC 7662 section 2.2), and those of Cognito that say what kind of token it is.
const PASSED_ON: [&str; 11] =
    ["username", "exp", "iat", "nbf", "sub", "aud", "iss", "jti", "token_use", "cognito:username", "cognito:groups"];

/// The route.
pub fn route(surface: &Arc<Surface>) -> Routes {
    warp::path!("oauth2" / "introspect")
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
    let name = "issuers.users";
    let text = |what: &str| json!({ "type": "string", "description": what });
    let question = json!({
        "type": "object",
        "required": ["token"],
        "properties": {
            "token": text("The token that is asked about."),
            "issuer": text("By whose keys, where the caller is allowed more than one issuer: NAME or issuers.NAME."),
            "token_type_hint": text("Ignored."),
            "client_secret": text("The caller's token, where there is no `Authorization` header."),
        },
    });
    let mut members = json!({
        "active": { "type": "boolean" },
        "token_type": { "const": "Bearer" },
        "scope": { "type": "string" },
        "client_id": { "type": "string" },
    });
    for claim in PASSED_ON {
        members[claim] = json!({ "description": "As it is in the token." });
    }
    let answer = json!({ "type": "object", "required": ["active"], "properties": members });
    let ask = Operation::for_clients("Verification", "introspect", "Token introspection (RFC 7662)")
        .explained(
            "The token is verified here, with the issuer's keys. `{\"active\": false}` and nothing else for \
             whatever is not valid.",
        )
        .reading(&[(FORM, question.clone()), (JSON, question)])
        .answering(StatusCode::OK, "Whether it is valid, and what it says.", [(JSON, of("Introspection"))], &[])
        .refusing([Trouble::NotAllowed("that issuer".into())])
        .refusing(failed(name));
    Path::at(PATH).defining("Introspection", answer).offering(METHODS, &ask)
}

async fn answer(
    surface: &Surface,
    asker: &Asker,
    method: &Method,
    headers: &HeaderMap,
    body: &Body,
) -> Result<Response, Trouble> {
    allowed(method, METHODS)?;
    let fields = body.fields(headers)?;
    let token = fields.one("token")?.ok_or(Trouble::BadRequest("the body has no token"))?;
    let permit = permit(asker, fields.one("issuer")?)?;
    let full = permit.grant().to_string();
    let issuer = surface.issuers.permitted(&permit).ok_or_else(|| Trouble::NoSuchName(full.clone()))?;
    #[expect(clippy::disallowed_methods, reason = "a token is verified by looking at it")]
    let token = token.expose_secret();
    let outcome = issuer.verify(token).await;
    asker.notes().verified(surface, token, &outcome);
    let document = match outcome {
        Ok(verified) => active(verified),
        Err(Refused::KeysUnavailable(failure)) => return Err(Trouble::keys_unavailable(&full, failure)),
        Err(refused) => {
            tracing::debug!(caller = permit.caller(), issuer = full, why = refused.as_str(), "not active");
            json!({ "active": false })
        }
    };
    Ok(reply::json(StatusCode::OK, &document))
}

/// The permit for the issuer that is named, else for the only one that the caller may use.
fn permit(asker: &Asker, named: Option<&SecretString>) -> Result<Permit, Trouble> {
    #[expect(clippy::disallowed_methods, reason = "the name of an issuer is no secret")]
    if let Some(name) = named.map(ExposeSecret::expose_secret) {
        let grant = Grant::Issuer(name.strip_prefix("issuers.").unwrap_or(name).to_owned());
        // The text may be a token in the wrong place, so it is not repeated.
        return asker.permit(grant).ok_or_else(|| Trouble::NotAllowed("that issuer".to_owned()));
    }
    let mut issuers = asker.0.allow.iter().filter(|grant| matches!(grant, Grant::Issuer(_)));
    match (issuers.next(), issuers.next()) {
        (Some(only), None) => asker.permit(only.clone()).ok_or_else(|| Trouble::NotAllowed(only.to_string())),
        (None, _) => Err(Trouble::NotAllowed("any issuer".to_owned())),
        (Some(_), Some(_)) => {
            Err(Trouble::BadRequest("this caller may use several issuers; name one in the field issuer"))
        }
    }
}

fn active(verified: Verified) -> Value {
    let mut document = Map::from_iter([("active".to_owned(), json!(true)), ("token_type".to_owned(), json!("Bearer"))]);
    if !verified.scopes.is_empty() {
        document.insert("scope".to_owned(), json!(verified.scopes.join(" ")));
    }
    if let Some(client) = verified.client {
        document.insert("client_id".to_owned(), json!(client));
    }
    let mut claims = verified.claims;
    for name in PASSED_ON {
        if let Some(value) = claims.remove(name) {
            document.insert(name.to_owned(), value);
        }
    }
    Value::Object(document)
}
