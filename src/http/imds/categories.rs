//! What the metadata service knows: the credentials, and the region.
//!
//! - `/latest/meta-data/iam/security-credentials/`, with or without the last slash: the name of the one role, which is that
//!   of the credentials in the configuration.
//! - `/latest/meta-data/iam/security-credentials/{role}`: `{"Code":"Success","LastUpdated","Type":"AWS-HMAC","AccessKeyId",
//!   "SecretAccessKey","Token","Expiration"}`. Instants are whole seconds with a literal `Z`: in any other form botocore does
//!   not understand them and says nothing. `Credbroker-Cache` says how the answer stands to the cache.
//! - `/latest/meta-data/placement/region` and `/latest/dynamic/instance-identity/document` (`{"region"}` and no other
//!   member), where the daemon's own region is known.
//!
//! Whatever else an instance knows of itself is 404: the availability zone, the instance's id, user data.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use warp::Filter as _;

use crate::clock::rfc3339;
use crate::http::credentials;
use crate::http::reply::{self, Response, Style, Trouble};
use crate::http::tokens::with_cache;
use crate::http::{Asker, Routes, Surface, with};
use crate::policy::Grant;
use crate::refresh::Served;
use crate::source::AwsCredentials;

/// The one path that clients write with a slash at its end.
pub const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// Is a path written as those of the categories are? The router would take a last slash for nothing.
pub fn is_plain(path: &str) -> bool {
    path == ROLES || !path.ends_with('/')
}

/// The routes of a service that hands out `credentials.NAME`, with `name`.
pub fn routes(surface: &Arc<Surface>, name: &str, region: Option<&str>) -> Routes {
    let name: Arc<str> = name.into();
    let document = region.map(|region| json!({ "region": region }).to_string());
    let of_role = of_role(surface, &name);
    let roles = warp::path!("latest" / "meta-data" / "iam" / "security-credentials")
        .map(move || text(name.to_string()))
        .boxed();
    let region = said(region.map(ToOwned::to_owned));
    let region = warp::path!("latest" / "meta-data" / "placement" / "region").and(region).boxed();
    let document = warp::path!("latest" / "dynamic" / "instance-identity" / "document").and(said(document)).boxed();
    let nothing = warp::any().and(said(None)).boxed();
    of_role
        .or(roles)
        .unify()
        .boxed()
        .or(region)
        .unify()
        .boxed()
        .or(document)
        .unify()
        .boxed()
        .or(nothing)
        .unify()
        .boxed()
}

fn of_role(surface: &Arc<Surface>, name: &Arc<str>) -> Routes {
    let name = Arc::clone(name);
    warp::path!("latest" / "meta-data" / "iam" / "security-credentials" / String)
        .and(warp::any().map(move || Arc::clone(&name)))
        .and(warp::ext::get::<Asker>())
        .and(with(surface))
        .then(async |role: String, name: Arc<str>, asker: Asker, surface: Arc<Surface>| {
            answer(&surface, &asker, &name, &role).await.unwrap_or_else(|trouble| reply::refusal(&trouble, Style::Text))
        })
        .boxed()
}

async fn answer(surface: &Surface, asker: &Asker, name: &str, role: &str) -> Result<Response, Trouble> {
    if role != name {
        return Err(Trouble::NoSuchPath);
    }
    let full = format!("credentials.{name}");
    let permit = asker.permit(Grant::Credentials(name.to_owned())).ok_or(Trouble::NotAllowed(full))?;
    let served = credentials::lasting(surface, &permit, super::ENOUGH).await?;
    asker.notes().credentials(surface, &served.lease, served.cache);
    Ok(with_cache(text(document(surface, &served).to_string()), served.cache))
}

/// The credentials as EC2 writes them.
fn document(surface: &Surface, served: &Served<AwsCredentials>) -> Value {
    let mut held = credentials::document(surface, served);
    json!({
        "Code": "Success",
        "LastUpdated": rfc3339(surface.clock.wall_at(served.lease.issued_at)),
        "Type": "AWS-HMAC",
        "AccessKeyId": held["AccessKeyId"].take(),
        "SecretAccessKey": held["SecretAccessKey"].take(),
        "Token": held["Token"].take(),
        "Expiration": held["Expiration"].take(),
    })
}

/// A route's answer that is always the same; 404 if there is none.
fn said(body: Option<String>) -> Routes {
    let answer = move || match &body {
        Some(body) => text(body.clone()),
        None => reply::refusal(&Trouble::NoSuchPath, Style::Text),
    };
    warp::any().map(answer).boxed()
}

fn text(body: String) -> Response {
    reply::with_type(StatusCode::OK, "text/plain", body)
}
