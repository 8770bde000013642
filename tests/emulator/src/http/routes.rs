//! Which path is which service.
//!
//! | path | what |
//! |---|---|
//! | `/oauth2/token` | the hosted token endpoint |
//! | `/as/{name}/token`, `GET /as/{name}/jwks` | an authorization server |
//! | `GET /.well-known/oauth-authorization-server/as/{name}`, `/as/{name}/.well-known/openid-configuration` | its metadata |
//! | `GET /outbound/.well-known/jwks.json`, `…/openid-configuration` | documents of the issuer of `GetWebIdentityToken` |
//! | `GET /{pool}/.well-known/jwks.json`, `…/openid-configuration` | a user pool's documents |
//! | `GET /.well-known/jwks_uri`, `…/openid-configuration` | the identity service's documents |
//! | `POST /` | JSON 1.1 with `X-Amz-Target`, otherwise STS |
//! | `/execute-api/…`, `/s3/…` | signed requests of any kind, answered with what arrived |
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
use crate::protocol::{Outcome, Protocol};
use crate::request::{Operation, Request, carry_out};
use crate::sts::outbound;
use crate::{apigateway, authserver, discovery, json_api, oauth, sts};

type Reply = (Response<Bytes>,);

/// All routes; whatever none of them takes is answered here too, so no rejection gets out.
pub(crate) fn all(cloud: &Arc<Cloud>) -> BoxedFilter<Reply> {
    token(cloud)
        .or(authorization_servers(cloud))
        .unify()
        .or(outbound_documents(cloud))
        .unify()
        .or(pool_documents(cloud))
        .unify()
        .or(identity_documents(cloud))
        .unify()
        .or(signed(cloud, "execute-api", apigateway::execute_api))
        .unify()
        .or(signed(cloud, "s3", apigateway::s3))
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

/// A document or a token endpoint of the server named in the path.
fn of_server(
    cloud: &Arc<Cloud>,
    path: BoxedFilter<(String,)>,
    kind: &'static str,
    protocol: fn(&Call) -> Protocol,
    operation: fn(&mut Request<'_>, &str) -> Outcome,
) -> BoxedFilter<Reply> {
    let cloud = Arc::clone(cloud);
    path.and(call())
        .then(move |server: String, call: Call| {
            let (journalled, protocol) = (format!("as/{server}/{kind}"), protocol(&call));
            carry_out(Arc::clone(&cloud), call, journalled, protocol, move |r| operation(r, &server))
        })
        .boxed()
}

fn authorization_servers(cloud: &Arc<Cloud>) -> BoxedFilter<Reply> {
    let document = |_: &Call| Protocol::Document;
    let token = warp::path!("as" / String / "token").boxed();
    let keys = warp::path!("as" / String / "jwks").and(warp::get()).boxed();
    let oidc = warp::path!("as" / String / ".well-known" / "openid-configuration").and(warp::get()).boxed();
    let rfc8414 = warp::path!(".well-known" / "oauth-authorization-server" / "as" / String).and(warp::get()).boxed();
    of_server(cloud, token, "token", Protocol::of_token_request, authserver::token)
        .or(of_server(cloud, keys, "jwks", document, authserver::keys))
        .unify()
        .or(of_server(cloud, oidc, "openid-configuration", document, authserver::oidc))
        .unify()
        .or(of_server(cloud, rfc8414, "oauth-authorization-server", document, authserver::rfc8414))
        .unify()
        .boxed()
}

fn outbound_documents(cloud: &Arc<Cloud>) -> BoxedFilter<Reply> {
    let keys =
        warp::path!("outbound" / ".well-known" / "jwks.json").and(document(cloud, "outbound/jwks", outbound::keys));
    let openid = warp::path!("outbound" / ".well-known" / "openid-configuration").and(document(
        cloud,
        "outbound/openid-configuration",
        outbound::configuration,
    ));
    keys.or(openid).unify().boxed()
}

fn document(cloud: &Arc<Cloud>, name: &'static str, operation: Operation) -> BoxedFilter<Reply> {
    let cloud = Arc::clone(cloud);
    warp::get()
        .and(call())
        .then(move |call| carry_out(Arc::clone(&cloud), call, name.to_owned(), Protocol::Document, operation))
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
    let keys = warp::path!(".well-known" / "jwks_uri").and(document(cloud, "jwks", discovery::identity_keys));
    let openid = warp::path!(".well-known" / "openid-configuration").and(document(
        cloud,
        "openid-configuration",
        discovery::identity_configuration,
    ));
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
                    let protocol = Protocol::Json { throttling: json_api::throttling_code(&call) };
                    return carry_out(cloud, call, name, protocol, json_api::dispatch).await;
                }
                let name = sts::operation_name(&call);
                carry_out(cloud, call, name.clone(), Protocol::Query(name), sts::dispatch).await
            }
        })
        .boxed()
}

/// Any method on any path behind the service's name.
fn signed(cloud: &Arc<Cloud>, service: &'static str, operation: Operation) -> BoxedFilter<Reply> {
    let cloud = Arc::clone(cloud);
    warp::path(service)
        .and(call())
        .then(move |call| carry_out(Arc::clone(&cloud), call, service.to_owned(), Protocol::Gateway, operation))
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
