//! The control interface over HTTP: `/_emulator/…`, the same powers as [`Control`] has in process.
//!
//! Answers are JSON; a request that cannot be understood gets 400 and a sentence. Control is not journalled.
//!
//! | `POST` | body | answer |
//! |---|---|---|
//! | `faults` | see [`Fault`] | |
//! | `lifetime` | `{"operation", "seconds"}` | |
//! | `rotate-keys` | `{"pool"}`, a user pool or an authorization server | |
//! | `clock` | `{"offset_seconds"}` | |
//! | `secret` | `{"client_id", "secret"}` | |
//! | `secret-value` | `{"name", "value"}` | |
//! | `mint-token` | see [`Mint`] | `{"token"}` |
//! | `merge-identities` | `{"identity_id", "into"?}` | `{"identity_id"}` |
//!
//! `GET journal`, `DELETE journal`, `DELETE faults` and `GET health` take nothing.

use bytes::Bytes;
use http::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use warp::Filter;
use warp::filters::BoxedFilter;

use crate::control::Control;
use crate::fault::Fault;
use crate::mint::Mint;

type Reply = (Response<Bytes>,);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifetime {
    operation: String,
    seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    pool: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offset {
    offset_seconds: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    client_id: String,
    secret: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretValue {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merger {
    identity_id: String,
    into: Option<String>,
}

pub(super) fn all(control: &Control) -> BoxedFilter<Reply> {
    let faults = command(control, "faults", |control, fault: Fault| {
        control.fault(fault);
        true
    });
    let lifetime = command(control, "lifetime", |control, order: Lifetime| {
        control.set_lifetime(&order.operation, order.seconds);
        true
    });
    let rotation = command(control, "rotate-keys", |control, order: Rotation| control.rotate(&order.pool));
    let clock = command(control, "clock", |control, order: Offset| {
        control.clock_offset(order.offset_seconds);
        true
    });
    let secret =
        command(control, "secret", |control, order: Secret| control.replace_secret(&order.client_id, &order.secret));
    let secret_value =
        command(control, "secret-value", |control, order: SecretValue| control.put_value(&order.name, &order.value));
    let mint = inquiry(control, "mint-token", |control, order: Mint| {
        control.mint_token(&order).map(|token| json!({ "token": token }))
    });
    let merger = inquiry(control, "merge-identities", |control, order: Merger| {
        let id = control.merge_identities(&order.identity_id, order.into.as_deref());
        id.map(|id| json!({ "identity_id": id }))
    });
    faults
        .or(lifetime)
        .unify()
        .or(rotation)
        .unify()
        .or(clock)
        .unify()
        .or(secret)
        .unify()
        .or(secret_value)
        .unify()
        .or(mint)
        .unify()
        .or(merger)
        .unify()
        .or(readings(control))
        .unify()
        .boxed()
}

fn readings(control: &Control) -> BoxedFilter<Reply> {
    let (read, clear, calm) = (control.clone(), control.clone(), control.clone());
    let journal =
        warp::path!("_emulator" / "journal").and(warp::get()).map(move || answer(200, &json!(read.journal())));
    let forget = warp::path!("_emulator" / "journal").and(warp::delete()).map(move || {
        clear.clear_journal();
        done()
    });
    let faultless = warp::path!("_emulator" / "faults").and(warp::delete()).map(move || {
        calm.clear_faults();
        done()
    });
    let health = warp::path!("_emulator" / "health").and(warp::get()).map(done);
    journal.or(forget).unify().or(faultless).unify().or(health).unify().boxed()
}

/// `POST /_emulator/NAME` with a JSON body; `run` says whether what the order names exists.
fn command<T: DeserializeOwned + 'static>(
    control: &Control,
    name: &'static str,
    run: fn(&Control, T) -> bool,
) -> BoxedFilter<Reply> {
    inquiry(control, name, move |control, order| run(control, order).then(|| json!({ "ok": true })))
}

/// The same, answered with what `run` finds.
fn inquiry<T: DeserializeOwned + 'static>(
    control: &Control,
    name: &'static str,
    run: impl Fn(&Control, T) -> Option<Value> + Clone + Send + Sync + 'static,
) -> BoxedFilter<Reply> {
    let control = control.clone();
    warp::path("_emulator")
        .and(warp::path(name))
        .and(warp::path::end())
        .and(warp::post())
        .and(warp::body::bytes())
        .map(move |body: Bytes| match serde_json::from_slice(&body) {
            Ok(order) => match run(&control, order) {
                Some(found) => answer(200, &found),
                None => answer(404, &json!({ "message": "the world has no such thing" })),
            },
            Err(error) => answer(400, &json!({ "message": error.to_string() })),
        })
        .boxed()
}

fn done() -> Response<Bytes> {
    answer(200, &json!({ "ok": true }))
}

pub(super) fn answer(status: u16, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}
