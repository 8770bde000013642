//! How a result is put on the wire: six protocols, one rendering each.

mod xml;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::call::Call;
use crate::failure::Failure;
use crate::random;

/// What an operation comes to: a body's members, or a refusal.
pub(crate) type Outcome = Result<Value, Failure>;

/// The wire form of an operation.
pub(crate) enum Protocol {
    /// The hosted token endpoint: RFC 6749 section 5.
    OAuth,
    /// Another server's token endpoint: RFC 6749 to the letter. `basic` says the client sent `Authorization`.
    Token { basic: bool },
    /// A public JSON document (key sets, discovery).
    Document,
    /// JSON 1.1: `__type` and `x-amzn-errortype`; holds the service's code for throttling.
    Json { throttling: &'static str },
    /// The query protocol with XML answers; holds the operation's name.
    Query(String),
    /// API Gateway: `{"message": …}` and `x-amzn-errortype`. Nothing at all where there is nothing to say, as S3 does.
    Gateway,
}

impl Protocol {
    pub(crate) fn of_token_request(call: &Call) -> Protocol {
        Protocol::Token { basic: call.headers.contains_key("authorization") }
    }

    pub(crate) fn render(&self, outcome: &Outcome) -> Response<Bytes> {
        match (self, outcome) {
            (Protocol::OAuth, outcome) => oauth(outcome),
            (Protocol::Token { basic }, outcome) => token(*basic, outcome),
            (Protocol::Document, outcome) => document(outcome),
            (Protocol::Json { .. }, outcome) => json_1_1(outcome),
            (Protocol::Query(operation), outcome) => query(operation, outcome),
            (Protocol::Gateway, outcome) => gateway(outcome),
        }
    }

    /// The refusal a client gets when it asks too often.
    pub(crate) fn throttling(&self) -> Failure {
        match self {
            Protocol::Token { .. } => Failure::new(429, "temporarily_unavailable", "too many requests"),
            Protocol::Gateway => Failure::new(429, "TooManyRequestsException", "Too Many Requests"),
            Protocol::OAuth | Protocol::Document => Failure::new(429, "TooManyRequestsException", "Rate exceeded"),
            Protocol::Json { throttling } => Failure::bad(throttling, "Rate exceeded"),
            Protocol::Query(_) => Failure::bad("Throttling", "Rate exceeded"),
        }
    }
}

fn oauth(outcome: &Outcome) -> Response<Bytes> {
    let (status, body) = members(outcome);
    let headers = [
        ("content-type", "application/json;charset=UTF-8"),
        ("cache-control", "no-cache, no-store, max-age=0, must-revalidate"),
        ("pragma", "no-cache"),
        ("x-amz-cognito-request-id", &random::uuid()),
    ];
    response(status, &headers, body.to_string())
}

fn token(basic: bool, outcome: &Outcome) -> Response<Bytes> {
    let (status, body) = members(outcome);
    let mut headers = vec![("content-type", "application/json"), ("cache-control", "no-store"), ("pragma", "no-cache")];
    match status {
        401 if basic => headers.push(("www-authenticate", "Basic realm=\"token endpoint\"")),
        405 => headers.push(("allow", "POST")),
        _ => {}
    }
    response(status, &headers, body.to_string())
}

fn members(outcome: &Outcome) -> (u16, Value) {
    match outcome {
        Ok(body) => (200, body.clone()),
        Err(f) if f.message.is_empty() => (f.status, json!({ "error": f.code })),
        Err(f) => (f.status, json!({ "error": f.code, "error_description": f.message })),
    }
}

fn document(outcome: &Outcome) -> Response<Bytes> {
    let (status, cache, body) = match outcome {
        Ok(body) => (200, "public, max-age=86400", body.clone()),
        Err(f) => (f.status, "no-store", json!({ "message": f.message })),
    };
    response(status, &[("content-type", "application/json"), ("cache-control", cache)], body.to_string())
}

fn json_1_1(outcome: &Outcome) -> Response<Bytes> {
    let id = random::uuid();
    let mut headers = vec![("content-type", "application/x-amz-json-1.1"), ("x-amzn-requestid", id.as_str())];
    match outcome {
        Ok(body) => response(200, &headers, body.to_string()),
        Err(f) => {
            headers.push(("x-amzn-errortype", &f.code));
            response(f.status, &headers, json!({ "__type": f.code, "message": f.message }).to_string())
        }
    }
}

fn gateway(outcome: &Outcome) -> Response<Bytes> {
    let id = random::uuid();
    let mut headers = vec![("content-type", "application/json"), ("x-amzn-requestid", id.as_str())];
    match outcome {
        Ok(Value::Null) => response(200, &headers[1..], String::new()),
        Ok(body) => response(200, &headers, body.to_string()),
        Err(f) => {
            headers.push(("x-amzn-errortype", &f.code));
            response(f.status, &headers, json!({ "message": f.message }).to_string())
        }
    }
}

fn query(operation: &str, outcome: &Outcome) -> Response<Bytes> {
    let id = random::uuid();
    let (status, body) = match outcome {
        Ok(body) => (200, xml::success(operation, body, &id)),
        Err(f) => (f.status, xml::failure(f, &id)),
    };
    response(status, &[("content-type", "text/xml"), ("x-amzn-requestid", &id)], body)
}

fn response(status: u16, headers: &[(&str, &str)], body: String) -> Response<Bytes> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Bytes::from(body)).unwrap_or_else(|_| unsendable())
}

/// In place of an answer whose status or headers, made up by a fault, HTTP cannot carry.
pub(crate) fn unsendable() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"the fault cannot be sent"));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
