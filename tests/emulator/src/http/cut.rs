//! A body that stops before its promised end.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame};

use crate::fault::CutAfter;

/// The body's promise was broken on purpose; the connection ends.
#[derive(Debug)]
pub(super) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut off by a fault")
    }
}

impl std::error::Error for Broken {}

/// The response as it goes out: whole, or cut where a fault says.
pub(super) fn outgoing(response: Response<Bytes>) -> Response<BoxBody<Bytes, Broken>> {
    let (mut parts, body) = response.into_parts();
    let body = match parts.extensions.remove::<CutAfter>() {
        None => Full::new(body).map_err(|never: Infallible| match never {}).boxed(),
        Some(CutAfter(count)) => {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len().max(1)));
            let sent = body.slice(..count.min(body.len().saturating_sub(1)));
            CutBody::Start(sent).boxed()
        }
    };
    Response::from_parts(parts, body)
}

enum CutBody {
    Start(Bytes),
    /// One turn in which what was given gets flushed.
    Flush,
    Break,
}

impl Body for CutBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match std::mem::replace(&mut *self, CutBody::Break) {
            CutBody::Start(bytes) => {
                *self = CutBody::Flush;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            CutBody::Flush => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            CutBody::Break => Poll::Ready(Some(Err(Broken))),
        }
    }
}
