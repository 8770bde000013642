//! The JSON 1.1 protocol: `POST /` with `X-Amz-Target: SERVICE.OPERATION`.
//!
//! Operations that need no signature check one that is sent all the same.

use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::failure::Failure;
use crate::principal::Principal;
use crate::protocol::Outcome;
use crate::request::{Operation, Request};
use crate::sigv4::Refusal;
use crate::{identitypool, secretsmanager, userpool};

/// A service that speaks JSON 1.1.
#[derive(Clone, Copy)]
struct Service {
    prefix: &'static str,
    signing_name: &'static str,
    operations: fn(&str) -> Option<Operation>,
}

const SERVICES: [Service; 3] = [
    Service {
        prefix: "AWSCognitoIdentityProviderService.",
        signing_name: "cognito-idp",
        operations: userpool::operation,
    },
    Service {
        prefix: "AWSCognitoIdentityService.",
        signing_name: "cognito-identity",
        operations: identitypool::operation,
    },
    Service { prefix: "secretsmanager.", signing_name: "secretsmanager", operations: secretsmanager::operation },
];

/// The operation a call names, for the journal and for faults.
pub(crate) fn operation_name(call: &Call) -> String {
    let target = call.header("x-amz-target").unwrap_or_default();
    target.rsplit_once('.').map_or(target, |(_, name)| name).to_owned()
}

/// The code a client gets when it asks too often.
pub(crate) fn throttling_code(call: &Call) -> &'static str {
    let target = call.header("x-amz-target").unwrap_or_default();
    if target.starts_with("secretsmanager.") { "ThrottlingException" } else { "TooManyRequestsException" }
}

/// Finds the operation, checks the signature if there is one, and runs it.
pub(crate) fn dispatch(request: &mut Request<'_>) -> Outcome {
    let target = request.call.header("x-amz-target").unwrap_or_default();
    let found = SERVICES.iter().find_map(|service| {
        let operation = (service.operations)(target.strip_prefix(service.prefix)?)?;
        Some((service, operation))
    });
    let (service, operation) = found.ok_or_else(|| Failure::bad("UnknownOperationException", ""))?;
    if request.call.media_type() != "application/x-amz-json-1.1" {
        return Err(Failure::bad("SerializationException", "the content type is not application/x-amz-json-1.1"));
    }
    if request.is_signed() {
        request.authenticate(service.signing_name).map_err(Refusal::in_json)?;
    }
    request.asked.note("signed", request.is_signed());
    operation(request)
}

impl Request<'_> {
    /// The body as an operation's input. Unknown members are ignored, as AWS does.
    pub(crate) fn input<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.call.body).map_err(|e| Failure::bad("SerializationException", e.to_string()))
    }

    /// The caller, who must have signed and be allowed `action` on `resource`.
    pub(crate) fn permitted(&self, action: &str, resource: &str) -> Result<&Principal, Failure> {
        let missing = || Refusal::Missing.in_json();
        let principal = self.principal.as_ref().ok_or_else(missing)?;
        if principal.may(action, &self.cloud.world) {
            return Ok(principal);
        }
        let who = principal.arn(&self.cloud.world.account);
        Err(Failure::bad(
            "AccessDeniedException",
            format!("User: {who} is not authorized to perform: {action} on resource: {resource}"),
        ))
    }
}

/// The refusal for a member that is absent or breaks its pattern or length.
pub(crate) fn invalid(member: &str, constraint: &str) -> Failure {
    Failure::bad(
        "InvalidParameterException",
        format!("1 validation error detected: Value at '{member}' failed to satisfy constraint: {constraint}"),
    )
}

/// A required text of `least` to `most` characters, all of them `allowed`.
pub(crate) fn text<'a>(
    member: &str,
    value: Option<&'a String>,
    (least, most): (usize, usize),
    allowed: fn(char) -> bool,
) -> Result<&'a str, Failure> {
    let value = value.ok_or_else(|| invalid(member, "Member must not be null"))?;
    let length = value.chars().count();
    if length < least {
        return Err(invalid(member, &format!("Member must have length greater than or equal to {least}")));
    }
    if length > most {
        return Err(invalid(member, &format!("Member must have length less than or equal to {most}")));
    }
    if !value.chars().all(allowed) {
        return Err(invalid(member, "Member must satisfy regular expression pattern"));
    }
    Ok(value)
}

/// `[\w+]`
pub(crate) fn word_or_plus(character: char) -> bool {
    character == '+' || character == '_' || character.is_ascii_alphanumeric()
}
