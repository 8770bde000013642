//! An API behind API Gateway with IAM authorisation (service `execute-api`): any method on any path is verified and answered with
//! what arrived. And S3 as far as a signature goes (service `s3`): it answers as to `PutObject`, with nothing, and the journal
//! says what arrived.
//!
//! Refusals are API Gateway's: 403 and `{"message": …}`.

use serde_json::{Value, json};

use crate::call::Call;
use crate::digest::{hex, sha256};
use crate::failure::Failure;
use crate::protocol::Outcome;
use crate::request::Request;
use crate::sigv4::Refusal;

/// A request to the API.
pub(crate) fn execute_api(request: &mut Request<'_>) -> Outcome {
    let principal = request.authenticate("execute-api").map_err(refused)?;
    let mut seen = seen(request.call);
    seen["principal"] = json!(principal.arn(&request.cloud.world.account));
    Ok(seen)
}

/// A request to S3.
pub(crate) fn s3(request: &mut Request<'_>) -> Outcome {
    let seen = seen(request.call);
    for name in ["method", "path", "query", "body_length", "body_sha256"] {
        request.asked.note(name, seen[name].clone());
    }
    request.asked.note("payload", request.call.header("x-amz-content-sha256"));
    request.authenticate("s3").map_err(refused)?;
    Ok(Value::Null)
}

fn seen(call: &Call) -> Value {
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        // The signature and the session token go nowhere.
        let secret = name == "authorization" || name == "x-amz-security-token";
        (!secret).then(|| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
    };
    json!({
        "method": call.method.as_str(),
        "path": call.path,
        "query": call.query,
        "headers": call.headers.iter().filter_map(header).collect::<Vec<_>>(),
        "body_length": call.body.len(),
        "body_sha256": hex(&sha256(&call.body)),
    })
}

fn refused(refusal: Refusal) -> Failure {
    let (code, message) = match refusal {
        Refusal::Missing => ("MissingAuthenticationTokenException", "Missing Authentication Token".to_owned()),
        Refusal::Incomplete(why) => ("IncompleteSignatureException", why),
        Refusal::UnknownKey => {
            ("UnrecognizedClientException", "The security token included in the request is invalid.".to_owned())
        }
        Refusal::Expired => {
            ("ExpiredTokenException", "The security token included in the request is expired".to_owned())
        }
        Refusal::Mismatch(why) => ("InvalidSignatureException", why),
    };
    Failure::forbidden(code, message)
}
