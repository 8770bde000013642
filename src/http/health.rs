//! `GET /healthz` and `GET /readyz`, for anybody.
//!
//! `/healthz` is 200 while the process serves. `/readyz` is 200 when every `keep = "always"` entry is usable and every file of
//! `[files.*]` is there with something valid in it and every generated token of a caller in its file, else 503; also while draining. The bodies name no entry and no file, since
//! anybody may read them.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::json;
use warp::Filter as _;

use super::describe::{JSON, Operation, Path, of};
use super::reply::{self, Response, Style};
use super::{Routes, Surface, allowed, with};

const METHODS: &[&str] = &["GET", "HEAD"];

/// Is this one of the paths that need no caller?
pub fn is_open(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// The routes.
pub fn route(surface: &Arc<Surface>) -> Routes {
    let alive = warp::path!("healthz").and(warp::method()).map(|method: Method| match allowed(&method, METHODS) {
        Ok(()) => reply::json(StatusCode::OK, &json!({ "status": "ok" })),
        Err(trouble) => reply::refusal(&trouble, Style::OAuth),
    });
    let ready =
        warp::path!("readyz").and(warp::method()).and(with(surface)).map(|method: Method, surface: Arc<Surface>| {
            allowed(&method, METHODS)
                .map_or_else(|trouble| reply::refusal(&trouble, Style::OAuth), |()| readiness(&surface))
        });
    alive.or(ready).unify().boxed()
}

/// The paths, described.
pub fn described() -> [Path; 2] {
    let one_of = |words: &[&str]| {
        let members = json!({ "status": { "enum": words } });
        json!({ "type": "object", "required": ["status"], "properties": members })
    };
    let mut waiting = one_of(&["draining", "waiting"]);
    waiting["properties"]["entries_without_value"] = json!({ "type": "integer", "minimum": 0 });
    waiting["properties"]["files_missing"] = json!({ "type": "integer", "minimum": 1 });
    let alive = Operation::open("Operations", "readHealth", "Does the process serve?").answering(
        StatusCode::OK,
        "It does.",
        [(JSON, of("Alive"))],
        &[],
    );
    let ready = Operation::open(
        "Operations",
        "readReadiness",
        "Is every `keep = \"always\"` entry usable, and every file in its place?",
    )
    .answering(StatusCode::OK, "It is.", [(JSON, of("Ready"))], &[])
    .answering(
        StatusCode::SERVICE_UNAVAILABLE,
        "It is not, or the process is ending.",
        [(JSON, of("NotReady"))],
        &[],
    );
    [
        Path::at("/healthz").defining("Alive", one_of(&["ok"])).offering(METHODS, &alive),
        Path::at("/readyz")
            .defining("Ready", one_of(&["ready"]))
            .defining("NotReady", waiting)
            .offering(METHODS, &ready),
    ]
}

fn readiness(surface: &Surface) -> Response {
    if surface.life.is_draining() {
        return reply::json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "draining" }));
    }
    if surface.is_ready() {
        return reply::json(StatusCode::OK, &json!({ "status": "ready" }));
    }
    let mut body = json!({ "status": "waiting", "entries_without_value": surface.without_value() });
    match surface.files_missing() {
        0 => {}
        missing => body["files_missing"] = json!(missing),
    }
    reply::json(StatusCode::SERVICE_UNAVAILABLE, &body)
}
