//! What both ways of assuming a role share: the session's parameters and its credentials.

use serde_json::{Map, Value, json};

use super::parameters::{Parameters, name_character};
use crate::failure::Failure;
use crate::principal::RoleSession;
use crate::request::Request;
use crate::world::Role;

/// Inline policy and policy ARNs may have this many characters together.
const POLICY_LIMIT: usize = 2048;

/// What was asked of the session.
pub(super) struct Asked {
    pub(super) role_arn: String,
    pub(super) name: String,
    pub(super) seconds: Option<u64>,
    /// Characters of policies, for `PackedPolicySize`.
    pub(super) policy_size: usize,
}

/// Reads and journals `RoleArn`, `RoleSessionName`, `DurationSeconds`, `Policy` and `PolicyArns`.
pub(super) fn asked(request: &mut Request<'_>, parameters: &Parameters) -> Result<Asked, Failure> {
    for (name, parameter) in [("role_arn", "RoleArn"), ("session_name", "RoleSessionName")] {
        request.asked.note(name, parameters.optional(parameter));
    }
    let role_arn = parameters.required("RoleArn", (20, 2048), |c| !c.is_control())?.to_owned();
    let name = parameters.required("RoleSessionName", (2, 64), name_character)?.to_owned();
    let seconds = parameters.number("DurationSeconds", (900, 43_200))?;
    request.asked.note("duration_seconds", seconds);
    let policy_size = policies(request, parameters)?;
    Ok(Asked { role_arn, name, seconds, policy_size })
}

fn policies(request: &mut Request<'_>, parameters: &Parameters) -> Result<usize, Failure> {
    let inline = parameters.checked("Policy", (1, POLICY_LIMIT), |_| true)?;
    if let Some(text) = inline {
        let policy: Result<Map<String, Value>, _> = serde_json::from_str(text);
        let policy =
            policy.map_err(|_| Failure::bad("MalformedPolicyDocument", "This policy contains invalid Json"))?;
        if !policy.contains_key("Statement") {
            return Err(Failure::bad("MalformedPolicyDocument", "Syntax errors in policy."));
        }
        request.asked.note("policy", policy);
    }
    let arns: Vec<&str> =
        parameters.list("PolicyArns").into_values().filter_map(|item| item.get("arn").copied()).collect();
    if arns.iter().any(|arn| !is_policy_arn(arn)) {
        return Err(Failure::bad("ValidationError", "An ARN in PolicyArns is not valid."));
    }
    if arns.len() > 10 {
        return Err(super::parameters::invalid("PolicyArns", "", "Member must have length less than or equal to 10"));
    }
    let size = inline.map_or(0, str::len) + arns.iter().map(|arn| arn.len()).sum::<usize>();
    if size > POLICY_LIMIT {
        return Err(Failure::bad("PackedPolicyTooLarge", "Packed policy consumes more than 100% of allotted space."));
    }
    if !arns.is_empty() {
        request.asked.note("policy_arns", arns);
    }
    Ok(size)
}

/// 20 to 2048 characters: `arn:aws:iam::aws:policy/NAME`, or an account's number in place of the second `aws`.
fn is_policy_arn(arn: &str) -> bool {
    let rest = arn.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(":policy/"));
    let owner = |owner: &str| owner == "aws" || (owner.len() == 12 && owner.bytes().all(|b| b.is_ascii_digit()));
    (20..=2048).contains(&arn.len()) && rest.is_some_and(|(account, name)| owner(account) && !name.is_empty())
}

/// The lifetime granted: what was asked (default one hour), within the role's maximum.
pub(super) fn lifetime(request: &Request<'_>, asked: &Asked, role: &Role, operation: &str) -> Result<u64, Failure> {
    let seconds = asked.seconds.unwrap_or(3600);
    if seconds > role.max_session_duration {
        return Err(Failure::bad(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(request.cloud.lifetime(operation).map_or(seconds, |set| set.min(seconds)))
}

/// Opens the session: `Credentials`, `AssumedRoleUser`, and `PackedPolicySize` if something was packed.
pub(super) fn open(request: &mut Request<'_>, mut session: RoleSession, lifetime: u64, packed: usize) -> Value {
    session.expires = request.now.saturating_add_unsigned(lifetime);
    request.asked.note("granted_seconds", lifetime);
    let user = json!({ "AssumedRoleId": session.id(), "Arn": session.arn(&request.cloud.world.account) });
    let source_identity = session.source_identity.clone();
    if !session.tags.is_empty() {
        request.asked.note("session_tags", session.tags.clone());
    }
    let key = request.cloud.sessions.open(session);
    request.asked.note("access_key_id", key.access_key_id.clone());
    let mut result = json!({
        "Credentials": {
            "AccessKeyId": key.access_key_id,
            "SecretAccessKey": key.secret_access_key,
            "SessionToken": key.session_token,
            "Expiration": crate::clock::rfc3339(key.expires),
        },
        "AssumedRoleUser": user,
    });
    if packed > 0 {
        result["PackedPolicySize"] = json!((packed * 100).div_ceil(POLICY_LIMIT).min(100));
    }
    if let Some(identity) = source_identity {
        result["SourceIdentity"] = json!(identity);
    }
    result
}
