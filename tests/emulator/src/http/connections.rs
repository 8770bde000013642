//! Accepting connections, on loopback only, and putting limits on what they send.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use warp::filters::BoxedFilter;

use super::control_routes::answer;
use super::cut::{Broken, outgoing};
use crate::clock;
use crate::cloud::Cloud;

/// Larger request bodies are refused with 413.
const BODY_LIMIT: usize = 256 * 1024;

type Routes = BoxedFilter<(Response<Bytes>,)>;

/// Serves until it is dropped; connections then close at once.
pub(crate) async fn serve(listener: TcpListener, cloud: Arc<Cloud>, routes: Routes) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) if peer.ip().is_loopback() => {
                    connections.spawn(connection(stream, Arc::clone(&cloud), routes.clone()));
                }
                // A stranger's connection is dropped.
                Ok(_) => {}
                // Most likely no file descriptors are left: wait for some connection to close.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, cloud: Arc<Cloud>, routes: Routes) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| respond(request, Arc::clone(&cloud), routes.clone()));
    // An error here is a client that went away or a fault that cut the answer.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(
    request: Request<Incoming>,
    cloud: Arc<Cloud>,
    routes: Routes,
) -> Result<Response<BoxBody<Bytes, Broken>>, Infallible> {
    let mut response = match read(request).await {
        Some(request) => routed(request, routes).await,
        None => answer(413, &serde_json::json!({ "message": "the body is too large or was cut off" })),
    };
    if let Ok(date) = HeaderValue::try_from(clock::http_date(cloud.clock.now())) {
        response.headers_mut().insert(header::DATE, date);
    }
    Ok(outgoing(response))
}

/// The request with its body read, unless that is too large or broken.
async fn read(request: Request<Incoming>) -> Option<Request<Full<Bytes>>> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_LIMIT).collect().await.ok()?.to_bytes();
    Some(Request::from_parts(parts, Full::new(body)))
}

async fn routed(request: Request<Full<Bytes>>, routes: Routes) -> Response<Bytes> {
    let service = TowerToHyperService::new(warp::service(routes));
    let (parts, body) = match service.call(request).await {
        Ok(response) => response.into_parts(),
        Err(never) => match never {},
    };
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    Response::from_parts(parts, body)
}
