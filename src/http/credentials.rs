//! `GET /v1/credentials/{name}`: temporary AWS credentials, as `AWS_CONTAINER_CREDENTIALS_FULL_URI` expects them.
//!
//! Answer: `{"AccessKeyId","SecretAccessKey","Token","Expiration","AccountId"?,"RoleArn"?}`. `Expiration` ends in a literal
//! `Z` without a fraction, the one form that every SDK reads. SDKs send the caller's token as it is, without a scheme; their
//! patience is a second. Errors carry `code`/`message` and `Code`/`Message`. Keys are never named twice, and there is no
//! `Code` in a success.

use std::sync::Arc;

use http::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::json;
use warp::Filter as _;

use super::reply::{self, Response, Style, Trouble};
use super::tokens::with_cache;
use super::{Asker, Routes, Surface, allowed, with};
use crate::clock::rfc3339;
use crate::policy::Grant;
use crate::refresh::Served;
use crate::source::AwsCredentials;

const METHODS: &[&str] = &["GET", "HEAD"];

/// The route.
pub fn route(surface: &Arc<Surface>) -> Routes {
    warp::path!("v1" / "credentials" / String)
        .and(warp::method())
        .and(warp::ext::get::<Asker>())
        .and(with(surface))
        .then(async |name: String, method: Method, asker: Asker, surface: Arc<Surface>| {
            answer(&surface, &asker, &name, &method)
                .await
                .unwrap_or_else(|trouble| reply::refusal(&trouble, Style::Aws))
        })
        .boxed()
}

async fn answer(surface: &Surface, asker: &Asker, name: &str, method: &Method) -> Result<Response, Trouble> {
    allowed(method, METHODS)?;
    let full = format!("credentials.{name}");
    if surface.store.bearer_of(name).is_none() {
        return Err(Trouble::NoSuchName(full));
    }
    let permit =
        asker.0.permit(Grant::Credentials(name.to_owned())).ok_or_else(|| Trouble::NotAllowed(full.clone()))?;
    tracing::debug!(caller = permit.caller(), name = full, "asked");
    let outcome = surface.store.credentials(&permit, None).await.ok_or_else(|| Trouble::NoSuchName(full.clone()))?;
    let served = outcome.map_err(|unserved| Trouble::unserved(&full, unserved))?;
    Ok(with_cache(render(surface, &served), served.cache))
}

#[expect(clippy::disallowed_methods, reason = "this is the answer to a caller that holds a permit")]
fn render(surface: &Surface, served: &Served<AwsCredentials>) -> Response {
    let credentials = &served.lease.value;
    let mut body = json!({
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key.expose_secret(),
        "Token": credentials.session_token.as_ref().map_or("", |token| token.expose_secret()),
        "Expiration": rfc3339(surface.clock.wall_at(served.lease.expiry)),
    });
    if let Some(account) = &credentials.account_id {
        body["AccountId"] = json!(account);
    }
    if let Some(role) = &credentials.role_arn {
        body["RoleArn"] = json!(role);
    }
    reply::json(StatusCode::OK, &body)
}
