//! `GET /v1/credentials/{name}`: temporary AWS credentials, as `AWS_CONTAINER_CREDENTIALS_FULL_URI` expects them.
//! `POST /v1/credentials/{name}`: the same for the user of a subject token, which the form field or JSON key `subject_token`
//! brings; for entries that are configured so, and for no others.
//!
//! Answer: `{"AccessKeyId","SecretAccessKey","Token","Expiration","AccountId"?,"RoleArn"?}`. `Expiration` ends in a literal
//! `Z` without a fraction, the one form that every SDK reads. SDKs send the caller's token as it is, without a scheme; their
//! patience is a second. Errors carry `code`/`message` and `Code`/`Message`. Keys are never named twice, and there is no
//! `Code` in a success.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use warp::Filter as _;

use super::body::{Body, FORM};
use super::describe::{JSON, Operation, Path, of, unserved};
use super::reply::{self, Response, Style, Trouble};
use super::subject;
use super::tokens::with_cache;
use super::{Asker, Routes, Surface, allowed, posted};
use crate::policy::{Grant, Permit};
use crate::refresh::{OnBehalfOf, Served, Unserved};
use crate::source::{AwsCredentials, Subject};

const OF_ONE: &[&str] = &["GET", "HEAD"];
const OF_A_SUBJECT: &[&str] = &["POST"];

/// The route.
pub fn route(surface: &Arc<Surface>) -> Routes {
    warp::path!("v1" / "credentials" / String)
        .and(posted(surface))
        .then(
            async |name: String,
                   method: Method,
                   headers: HeaderMap,
                   body: Body,
                   asker: Asker,
                   surface: Arc<Surface>| {
                let token = || body.fields(&headers)?.one("subject_token").map(Option::<&SecretString>::cloned);
                answer(&surface, &asker, &name, &method, token)
                    .await
                    .unwrap_or_else(|trouble| reply::refusal(&trouble, Style::Aws))
            },
        )
        .boxed()
}

/// The path, described.
pub fn described() -> Path {
    let name = "credentials.orders";
    let text = json!({ "type": "string", "minLength": 1 });
    let credentials = json!({
        "type": "object",
        "required": ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"],
        "properties": {
            "AccessKeyId": text,
            "SecretAccessKey": text,
            "Token": { "type": "string", "description": "The session token; empty for keys that have none." },
            "Expiration": { "type": "string", "format": "date-time", "pattern": "^[0-9-]+T[0-9:]+Z$" },
            "AccountId": text,
            "RoleArn": text,
        },
    });
    let subject_token = json!({
        "type": "object",
        "required": ["subject_token"],
        "properties": { "subject_token": { "type": "string", "description": "The user's token, a JWT." } },
    });
    let about = |operation: Operation| {
        operation
            .answering(StatusCode::OK, "The credentials.", [(JSON, of("AwsCredentials"))], &["Credbroker-Cache"])
            .refusing([Trouble::NotAllowed(name.into()), Trouble::NoSuchName(name.into())])
            .refusing(unserved(name))
    };
    let read = about(Operation::guarded("Credentials", "readCredentials", "Temporary AWS credentials"))
        .explained(
            "What `AWS_CONTAINER_CREDENTIALS_FULL_URI` expects. 405 for credentials that are for the user of a \
             subject token.",
        )
        .refusing([Trouble::NeedsSubject(name.into())]);
    let of_a_user =
        about(Operation::guarded("Credentials", "readUserCredentials", "The same for the user of a subject token"))
            .explained("405 for credentials that are for nobody but the broker's callers.")
            .reading(&[(FORM, subject_token.clone()), (JSON, subject_token)])
            .refusing([Trouble::BadSubject("it has expired".into()), Trouble::MethodNotAllowed(OF_ONE)])
            .refusing([Trouble::CrowdedSubjects(name.into())]);
    Path::at("/v1/credentials/{name}")
        .naming("name", "Which of `[credentials]`.")
        .defining("AwsCredentials", credentials)
        .offering(OF_ONE, &read)
        .offering(OF_A_SUBJECT, &of_a_user)
}

async fn answer(
    surface: &Surface,
    asker: &Asker,
    name: &str,
    method: &Method,
    subject_token: impl FnOnce() -> Result<Option<SecretString>, Trouble>,
) -> Result<Response, Trouble> {
    let full = format!("credentials.{name}");
    let Some(on_behalf_of) = surface.store.on_behalf_of(name) else {
        allowed(method, &["GET", "HEAD", "POST"])?;
        return Err(Trouble::NoSuchName(full));
    };
    let permit = asker.permit(Grant::Credentials(name.to_owned())).ok_or(Trouble::NotAllowed(full))?;
    let served = match on_behalf_of {
        OnBehalfOf::Itself => {
            allowed(method, OF_ONE)?;
            obtained(surface, &permit, None, Duration::ZERO).await?
        }
        OnBehalfOf::Subject(issuer) => {
            allowed(method, OF_A_SUBJECT).map_err(|_| Trouble::NeedsSubject(format!("credentials.{name}")))?;
            let token = subject_token()?.ok_or(Trouble::BadRequest("the body has no subject_token"))?;
            of_subject(surface, &permit, issuer.as_deref(), token).await?
        }
    };
    asker.notes().credentials(surface, &served.lease, served.cache);
    Ok(with_cache(reply::json(StatusCode::OK, &document(surface, &served)), served.cache))
}

/// The credentials that `permit` is for, of the user of the subject token `token`, which `issuer` verifies if one is named.
///
/// # Errors
/// [`Trouble::BadSubject`] if the token is refused; as the credentials could not be served else.
pub async fn of_subject(
    surface: &Surface,
    permit: &Permit,
    issuer: Option<&str>,
    token: SecretString,
) -> Result<Served<AwsCredentials>, Trouble> {
    let asked_at = surface.clock.now();
    let subject = subject::verified(surface, issuer, token).await?;
    let waited = surface.clock.now().since(asked_at);
    obtained(surface, permit, Some(subject), waited).await
}

/// The credentials that `permit` is for, with more life left than `enough` where their lifetime is twice that.
///
/// # Errors
/// As they could not be served.
pub async fn lasting(surface: &Surface, permit: &Permit, enough: Duration) -> Result<Served<AwsCredentials>, Trouble> {
    outcome(permit, surface.store.lasting_credentials(permit, enough)).await
}

async fn obtained(
    surface: &Surface,
    permit: &Permit,
    subject: Option<Arc<Subject>>,
    waited: Duration,
) -> Result<Served<AwsCredentials>, Trouble> {
    outcome(permit, surface.store.credentials(permit, subject, waited)).await
}

async fn outcome(
    permit: &Permit,
    asked: impl Future<Output = Option<Result<Served<AwsCredentials>, Unserved>>>,
) -> Result<Served<AwsCredentials>, Trouble> {
    let full = permit.grant().to_string();
    tracing::debug!(caller = permit.caller(), name = full, "asked");
    let outcome = asked.await.ok_or_else(|| Trouble::NoSuchName(full.clone()))?;
    outcome.map_err(|unserved| match unserved {
        // Nothing else of credentials is bounded in number.
        Unserved::Crowded => Trouble::CrowdedSubjects(full),
        unserved => Trouble::unserved(&full, unserved),
    })
}

/// Credentials as SDKs read them.
pub fn document(surface: &Surface, served: &Served<AwsCredentials>) -> Value {
    served.lease.value.document(surface.clock.wall_at(served.lease.expiry))
}
