//! `GetCallerIdentity`: needs a good signature and no permission.

use serde_json::json;

use crate::principal::Principal;
use crate::protocol::Outcome;
use crate::request::Request;

pub(super) fn get_caller_identity(request: &mut Request<'_>, caller: &Principal) -> Outcome {
    let account = &request.cloud.world.account;
    Ok(json!({ "UserId": caller.id(), "Account": account, "Arn": caller.arn(account) }))
}
