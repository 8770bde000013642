//! Trust policies: who may become a role.

use serde_json::{Map, Value};

use crate::principal::Principal;
use crate::world::{Role, Trust, World};

/// What a web identity token proves, once its signature is checked.
pub(crate) struct WebIdentity {
    /// `cognito-identity.amazonaws.com`, or a provider's issuer without its scheme.
    pub(crate) provider: String,
    /// The name of the provider in the world's `iam.oidc_providers`.
    pub(crate) label: String,
    pub(crate) audience: String,
    pub(crate) subject: String,
    pub(crate) amr: Vec<String>,
    /// Session tags the token brings.
    pub(crate) tags: Map<String, Value>,
}

/// Whether `role` trusts `principal`, who sent `external_id`.
pub(crate) fn aws(world: &World, role: &Role, principal: &Principal, external_id: Option<&str>) -> bool {
    role.trust.iter().any(|trust| {
        let meant = trust.aws.as_deref().is_some_and(|arn| principal.is_meant_by(arn, &world.account));
        let agreed = trust.external_id.as_deref().is_none_or(|demanded| external_id == Some(demanded));
        meant && agreed
    })
}

/// Whether `role` trusts a web identity, and lets it bring its tags.
pub(crate) fn federated(world: &World, role: &Role, identity: &WebIdentity) -> bool {
    role.trust.iter().any(|trust| {
        names_provider(world, trust, identity)
            && (identity.tags.is_empty() || trust.tag_session)
            && trust.audience.as_deref() == Some(&identity.audience)
            && trust.amr.as_ref().is_none_or(|wanted| identity.amr.contains(wanted))
            && trust.subject.as_deref().is_none_or(|wanted| wanted == identity.subject)
    })
}

fn names_provider(world: &World, trust: &Trust, identity: &WebIdentity) -> bool {
    let arn = format!("arn:aws:iam::{}:oidc-provider/{}", world.account, identity.provider);
    let label = format!("oidc-provider/{}", identity.label);
    trust.federated.as_deref().is_some_and(|named| named == identity.provider || named == arn || named == label)
}
