//! A fault applied to an operation's result.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::{Map, Value};

use super::FaultKind;
use crate::failure::Failure;
use crate::protocol::{Outcome, Protocol, unsendable};

/// Sent with a response whose body must stop after this many bytes.
#[derive(Clone, Copy)]
pub(crate) struct CutAfter(pub(crate) usize);

/// What the transport does with the request.
pub(crate) enum Effect {
    /// Send this.
    Answer(Response<Bytes>),
    /// Send this, later.
    Late(Duration, Response<Bytes>),
    /// Never send anything.
    Silence,
}

impl Effect {
    /// The answer to a request, bent by `fault` if there is one.
    pub(crate) fn of(fault: Option<&FaultKind>, protocol: &Protocol, outcome: Outcome) -> Effect {
        let Some(fault) = fault else {
            return Effect::Answer(protocol.render(&outcome));
        };
        match fault {
            FaultKind::Delay { milliseconds } => {
                Effect::Late(Duration::from_millis(*milliseconds), protocol.render(&outcome))
            }
            FaultKind::Hang {} => Effect::Silence,
            FaultKind::Cut { after_bytes } => {
                let mut response = protocol.render(&outcome);
                response.extensions_mut().insert(CutAfter(*after_bytes));
                Effect::Answer(response)
            }
            FaultKind::Replace(members) => Effect::Answer(protocol.render(&replaced(outcome, members))),
            FaultKind::Error { code, status, message } => {
                Effect::Answer(protocol.render(&Err(Failure::new(*status, code.clone(), message.clone()))))
            }
            FaultKind::Throttle { retry_after } => Effect::Answer(throttled(protocol, *retry_after)),
            FaultKind::Status { status, body, headers } => {
                Effect::Answer(bare(*status, body, headers.iter().map(|(n, v)| (n.as_str(), v.as_str()))))
            }
            FaultKind::Garbage { body, content_type } => {
                Effect::Answer(bare(200, body, [("content-type", content_type.as_str())]))
            }
            FaultKind::Redirect { location } => Effect::Answer(bare(302, "", [("location", location.as_str())])),
        }
    }

    /// The status to be sent; 0 for none.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Effect::Answer(response) | Effect::Late(_, response) => response.status().as_u16(),
            Effect::Silence => 0,
        }
    }

    /// Waits as long as the fault wants. Ends early only when the client goes away or the emulator stops.
    pub(crate) async fn happen(self) -> Response<Bytes> {
        match self {
            Effect::Answer(response) => response,
            Effect::Late(wait, response) => {
                tokio::time::sleep(wait).await;
                response
            }
            Effect::Silence => std::future::pending().await,
        }
    }
}

fn throttled(protocol: &Protocol, retry_after: Option<u64>) -> Response<Bytes> {
    let mut response = protocol.render(&Err(protocol.throttling()));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn bare<'a>(status: u16, body: &str, headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Response<Bytes> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let response = response.body(Bytes::from(body.to_owned()));
    response.unwrap_or_else(|_| unsendable())
}

fn replaced(outcome: Outcome, members: &Map<String, Value>) -> Outcome {
    let mut body = outcome?;
    merge(&mut body, members);
    Ok(body)
}

fn merge(into: &mut Value, members: &Map<String, Value>) {
    let Value::Object(into) = into else { return };
    for (name, value) in members {
        match (into.get_mut(name), value) {
            (Some(nested @ Value::Object(_)), Value::Object(inner)) => merge(nested, inner),
            _ => drop(into.insert(name.clone(), value.clone())),
        }
    }
}
