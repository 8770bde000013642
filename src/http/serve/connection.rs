//! One connection: its requests are answered one after the other, within its limits and for as long as it has a place.

use std::cell::Cell;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};

use super::held::Held;
use super::places::Place;
use super::stall::Stalling;
use super::{Answers, Limits};
use crate::http::intake::Peer;

/// A connection is closed after this many answers.
const MOST_REQUESTS: u32 = 100;

/// Serves one connection, to its end or until its place is for another one.
pub async fn connection<S, A>(stream: S, peer: Peer, limits: Limits, answers: A, watcher: Watcher, place: Arc<Place>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Answers,
{
    let asked = Cell::new(0);
    let stream = Stalling::at(Arc::clone(&place), stream, limits.stall);
    let place_of_all = Arc::clone(&place);
    let service = service_fn(move |mut request: Request<Incoming>| {
        asked.set(asked.get() + 1);
        let (answers, peer, is_last) = (answers.clone(), peer.clone(), asked.get() >= MOST_REQUESTS);
        // Before the first await, and so before anybody can be told to go.
        let answering = place_of_all.answering();
        request.extensions_mut().insert(Arc::clone(&place_of_all));
        async move {
            let answer = answers.answer(request, &peer, is_last).await;
            Ok::<_, std::convert::Infallible>(answer.map(|body| Held::new(body, answering)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_header_size(limits.largest_head)
        // Else 400 KiB for each connection that sends or takes a large body.
        .max_buf_size(2 * limits.largest_head)
        .max_headers(limits.most_fields)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // First, since a request that is there by now is answered.
        biased;
        ended = watcher.watch(connection) => if let Err(cause) = ended {
            tracing::trace!(%cause, "a connection ended");
        },
        () = place.told() => tracing::trace!("a connection made room"),
    }
}
