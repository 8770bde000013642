//! Which path is which service.
//!
//! | path | what |
//! |---|---|
//! | `/oauth2/token` | the hosted token endpoint |
//! | `GET /{pool}/.well-known/jwks.json`, `…/openid-configuration` | a user pool's documents |
//! | `GET /.well-known/jwks_uri`, `…/openid-configuration` | the identity service's documents |
//! | `POST /` | JSON 1.1 with `X-Amz-Target`, otherwise STS |
//! | `/_emulator/…` | control |

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::{Filter, Rejection};

use super::control_routes;
use crate::call::Call;
use crate::cloud::Cloud;
use crate::control::Control;
use crate::protocol::Protocol;
use crate::request::{Operation, carry_out};
use crate::{discovery, json_api, oauth, sts};

type Reply = (Response<Bytes>,);

/// All routes; whatever none of them takes is answered here too, so no rejection gets out.
pub(crate) fn all(cloud: &Arc<Cloud>) -> BoxedFilter<Reply> {
    token(cloud)
        .or(pool_documents(cloud))
        .unify()
        .or(identity_documents(cloud))
        .unify()
        .or(api(cloud))
        .unify()
        .or(control_routes::all(&Control::of(cloud)))
        .unify()
        .recover(unmatched)
        .unify()
        .boxed()
}

/// Any method: the wrong ones are answered by the endpoint itself.
fn token(cloud: &Arc<Cloud>) -> BoxedFilter<Reply> {
    let cloud = Arc::clone(cloud);
    warp::path!("oauth2" / "token")
        .and(call())
        .then(move |call| carry_out(Arc::clone(&cloud), call, "token".into(), Protocol::OAuth, oauth::token))
        .boxed()
}

fn pool_documents(cloud: &Arc<Cloud>) -> BoxedFilter<Reply> {
    let (keys, configuration) = (Arc::clone(cloud), Arc::clone(cloud));
    let jwks = warp::path!(String / ".well-known" / "jwks.json").and(warp::get()).and(call()).then(
        move |pool: String, call| {
            let cloud = Arc::clone(&keys);
            carry_out(cloud, call, "jwks".into(), Protocol::Document, move |r| discovery::pool_keys(r, &pool))
        },
    );
    let openid = warp::path!(String / ".well-known" / "openid-configuration").and(warp::get()).and(call()).then(
        move |pool: String, call| {
            let (cloud, name) = (Arc::clone(&configuration), "openid-configuration".to_owned());
            carry_out(cloud, call, name, Protocol::Document, move |r| discovery::pool_configuration(r, &pool))
        },
    );
    jwks.or(openid).unify().boxed()
}

fn identity_documents(cloud: &Arc<Cloud>) -> BoxedFilter<Reply> {
    let document = |name: &'static str, operation: Operation| {
        let cloud = Arc::clone(cloud);
        warp::get()
            .and(call())
            .then(move |call| carry_out(Arc::clone(&cloud), call, name.to_owned(), Protocol::Document, operation))
    };
    let keys = warp::path!(".well-known" / "jwks_uri").and(document("jwks", discovery::identity_keys));
    let openid = warp::path!(".well-known" / "openid-configuration")
        .and(document("openid-configuration", discovery::identity_configuration));
    keys.or(openid).unify().boxed()
}

fn api(cloud: &Arc<Cloud>) -> BoxedFilter<Reply> {
    let cloud = Arc::clone(cloud);
    warp::path::end()
        .and(warp::post())
        .and(call())
        .then(move |call: Call| {
            let cloud = Arc::clone(&cloud);
            async move {
                if call.headers.contains_key("x-amz-target") {
                    let name = json_api::operation_name(&call);
                    return carry_out(cloud, call, name, Protocol::Json, json_api::dispatch).await;
                }
                let name = sts::operation_name(&call);
                carry_out(cloud, call, name.clone(), Protocol::Query(name), sts::dispatch).await
            }
        })
        .boxed()
}

/// The whole request, in one value.
fn call() -> impl Filter<Extract = (Call,), Error = Rejection> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method().and(warp::path::full()).and(query).and(warp::header::headers_cloned()).and(warp::body::bytes()).map(
        |method: Method, path: FullPath, query: String, headers: HeaderMap, body: Bytes| Call {
            method,
            path: path.as_str().to_owned(),
            query,
            headers,
            body,
        },
    )
}

async fn unmatched(_: Rejection) -> Result<Response<Bytes>, Infallible> {
    Ok(control_routes::answer(404, &serde_json::json!({ "message": "the emulator has nothing here" })))
}
