//! `AssumeRole`: the caller must be allowed to call it, and the role must trust the caller.

use super::parameters::{Parameters, name_character};
use super::{denied, session, tags};
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
    let tags = tags::read(request, parameters, caller.session())?;
    let world = &request.cloud.world;
    let role = world
        .role(&asked.role_arn)
        .filter(|(_, role)| caller.may(ACTION, world) && trust::aws(world, role, caller, external_id.as_deref()));
    let (name, role) = role.ok_or_else(|| denied(&caller.arn(&world.account), ACTION, &asked.role_arn))?;
    also_permitted(request, parameters, caller, tags.asked)?;
    if caller.session().is_some() && asked.seconds.is_some_and(|seconds| seconds > CHAINED) {
        return Err(Failure::bad(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    let lifetime = session::lifetime(request, &asked, role, "AssumeRole")?;
    let session = RoleSession {
        role: name.to_owned(),
        name: asked.name,
        source_identity,
        tags: tags.all,
        transitive_tags: tags.transitive,
        expires: 0,
    };
    Ok(session::open(request, session, lifetime, asked.policy_size + tags.size))
}

/// Tags and a source identity take an action each.
fn also_permitted(
    request: &Request<'_>,
    parameters: &Parameters,
    caller: &Principal,
    tagging: bool,
) -> Result<(), Failure> {
    let world = &request.cloud.world;
    let naming = parameters.optional("SourceIdentity").is_some();
    for (used, action) in [(tagging, "sts:TagSession"), (naming, "sts:SetSourceIdentity")] {
        if used && !caller.may(action, world) {
            let role = parameters.optional("RoleArn").unwrap_or_default();
            return Err(denied(&caller.arn(&world.account), action, role));
        }
    }
    Ok(())
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
            Err(denied(&caller.arn(&request.cloud.world.account), ACTION, role))
        }
        (kept, sent) => Ok(kept.or_else(|| sent.map(str::to_owned))),
    }
}
