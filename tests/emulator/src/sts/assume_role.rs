//! `AssumeRole`: the caller must be allowed to call it, and the role must trust the caller.

use super::parameters::{Parameters, name_character};
use super::{session, tags};
use crate::failure::Failure;
use crate::principal::{Principal, RoleSession};
use crate::protocol::Outcome;
use crate::request::Request;
use crate::trust;

const ACTION: &str = "sts:AssumeRole";
/// The longest session a role may get by assuming another.
const CHAINED: u64 = 3600;

pub(super) fn assume_role(request: &mut Request<'_>, parameters: &Parameters, caller: &Principal) -> Outcome {
    let asked = session::asked(request, parameters)?;
    let external_id = external_id(request, parameters)?;
    let source_identity = source_identity(request, parameters, caller)?;
    let (transitive_tags, tag_size) = tags::read(request, parameters, caller.session())?;
    let world = &request.cloud.world;
    let role = world
        .role(&asked.role_arn)
        .filter(|(_, role)| caller.may(ACTION, world) && trust::aws(world, role, caller, external_id.as_deref()));
    let (name, role) = role.ok_or_else(|| denied(&caller.arn(&world.account), &asked.role_arn))?;
    if caller.session().is_some() && asked.seconds.is_some_and(|seconds| seconds > CHAINED) {
        return Err(Failure::bad(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    let lifetime = session::lifetime(request, &asked, role, "AssumeRole")?;
    let session = RoleSession { role: name.to_owned(), name: asked.name, source_identity, transitive_tags };
    Ok(session::open(request, session, lifetime, asked.policy_size + tag_size))
}

fn external_id(request: &mut Request<'_>, parameters: &Parameters) -> Result<Option<String>, Failure> {
    let allowed = |c: char| name_character(c) || ":/".contains(c);
    let external_id = parameters.checked("ExternalId", (2, 1224), allowed)?;
    request.asked.note("external_id", external_id);
    Ok(external_id.map(str::to_owned))
}

/// A source identity, once set, stays through every further role.
fn source_identity(
    request: &mut Request<'_>,
    parameters: &Parameters,
    caller: &Principal,
) -> Result<Option<String>, Failure> {
    let sent = parameters.checked("SourceIdentity", (2, 64), name_character)?;
    let kept = caller.session().and_then(|session| session.source_identity.clone());
    request.asked.note("source_identity", sent.or(kept.as_deref()));
    match (kept, sent) {
        (Some(kept), Some(sent)) if kept != sent => {
            let role = parameters.optional("RoleArn").unwrap_or_default();
            Err(denied(&caller.arn(&request.cloud.world.account), role))
        }
        (kept, sent) => Ok(kept.or_else(|| sent.map(str::to_owned))),
    }
}

fn denied(who: &str, role_arn: &str) -> Failure {
    Failure::forbidden(
        "AccessDenied",
        format!("User: {who} is not authorized to perform: {ACTION} on resource: {role_arn}"),
    )
}
