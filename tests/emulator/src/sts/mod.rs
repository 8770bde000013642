//! AWS STS: the query protocol, `POST /` with a form body and `Version=2011-06-15`.

mod assume_role;
mod caller_identity;
pub(crate) mod outbound;
mod parameters;
mod providers;
mod session;
mod tags;
mod web_identity;

use crate::call::Call;
use crate::failure::Failure;
use crate::protocol::Outcome;
use crate::request::Request;
use crate::sigv4::Refusal;
use parameters::Parameters;

/// The operation a call names, for the journal and for faults.
pub(crate) fn operation_name(call: &Call) -> String {
    Parameters::read(&call.body).optional("Action").unwrap_or_default().to_owned()
}

/// Finds the operation, checks the signature where one is needed, and runs it.
pub(crate) fn dispatch(request: &mut Request<'_>) -> Outcome {
    if request.call.media_type() != "application/x-www-form-urlencoded" {
        return Err(Failure::new(
            404,
            "UnknownOperationException",
            "the content type is not application/x-www-form-urlencoded",
        ));
    }
    let parameters = Parameters::read(&request.call.body);
    let action = parameters.optional("Action");
    let action =
        action.ok_or_else(|| Failure::bad("MissingAction", "The request must contain the parameter Action"))?;
    let version = parameters.optional("Version").unwrap_or_default();
    if version != "2011-06-15" {
        return Err(no_operation(action, version));
    }
    match action {
        "AssumeRoleWithWebIdentity" => web_identity::assume_role_with_web_identity(request, &parameters),
        "AssumeRole" => {
            let caller = request.authenticate("sts").map_err(Refusal::in_sts)?;
            assume_role::assume_role(request, &parameters, &caller)
        }
        "GetWebIdentityToken" => {
            let caller = request.authenticate("sts").map_err(Refusal::in_sts)?;
            outbound::get_web_identity_token(request, &parameters, &caller)
        }
        "GetCallerIdentity" => {
            let caller = request.authenticate("sts").map_err(Refusal::in_sts)?;
            caller_identity::get_caller_identity(request, &caller)
        }
        _ => Err(no_operation(action, version)),
    }
}

fn denied(who: &str, action: &str, resource: &str) -> Failure {
    Failure::forbidden(
        "AccessDenied",
        format!("User: {who} is not authorized to perform: {action} on resource: {resource}"),
    )
}

fn no_operation(action: &str, version: &str) -> Failure {
    Failure::bad("InvalidAction", format!("Could not find operation {action} for version {version}"))
}
