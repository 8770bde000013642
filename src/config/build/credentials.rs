//! `[credentials.*]`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use super::{LIFE_LEFT_FOR_SDKS, freshness};
use crate::config::document::{
    self, CredentialsSource as From, Login as FromLogin, PolicyPlace, PoolFlow, WebIdentityToken,
};
use crate::config::rules::{issuer_provider, login_provider, name_of};
use crate::config::text::{Read, RoleArn};
use crate::config::tree::Node;
use crate::config::{Credentials, CredentialsSource, Login, WebToken};
use crate::refresh::{Inputs, OnBehalfOf};
use crate::source::identity_pool::{self, DeveloperUser, Flow};
use crate::source::session_policy::Policy;
use crate::source::template::Template;
use crate::source::{assume_role, web_identity::Assumption};

/// As many subject tokens are held at a time if nothing is said.
const MOST_SUBJECTS: u32 = 1_000;

/// A source with what it says of its inputs.
type Made = (CredentialsSource, Inputs, OnBehalfOf);

pub fn credentials(tree: &Node, table: document::CredentialsTable, refresh: &document::Refresh) -> Option<Credentials> {
    let freshness = freshness(refresh, &table.refresh, LIFE_LEFT_FOR_SDKS);
    let (source, inputs, on_behalf_of) = match table.source {
        From::Ambient(_) => (CredentialsSource::Ambient, Inputs::default(), OnBehalfOf::Itself),
        From::AssumeRole(role) => assume_role(*role),
        From::IdentityPool(pool) => identity_pool(tree, pool)?,
        From::WebIdentity(table) => web_identity(table)?,
    };
    Some(Credentials { source, freshness, inputs, on_behalf_of })
}

fn assume_role(table: document::AssumeRole) -> Made {
    let identity = table.identity.as_deref().and_then(name_of).map(ToOwned::to_owned);
    let role = assume_role::Config {
        role_arn: table.role_arn.0.0,
        session_name: session_name(table.session_name),
        duration: table.duration.map(|read| read.0),
        external_id: table.external_id,
        source_identity: table.source_identity.map(|read| read.0),
        policy: table.policy.and_then(policy),
        policy_arns: table.policy_arns.into_iter().map(|arn| arn.0.0).collect(),
        tags: templates(table.tags),
        transitive_tags: table.transitive_tags,
    };
    let inputs = Inputs { caller: role.names_caller(), ..Inputs::default() };
    (CredentialsSource::AssumeRole { role, identity }, inputs, OnBehalfOf::Itself)
}

fn web_identity(table: document::WebIdentity) -> Option<Made> {
    let role = Assumption {
        role_arn: table.role_arn.0.0,
        session_name: session_name(table.session_name),
        duration: table.duration.map(|read| read.0),
        policy: table.policy.and_then(policy),
        policy_arns: table.policy_arns.into_iter().map(|arn| arn.0.0).collect(),
    };
    let caller = role.names_caller();
    let (token, subject, on_behalf_of) = match table.token {
        WebIdentityToken::File(place) => (WebToken::File(place.file), None, OnBehalfOf::Itself),
        WebIdentityToken::Named(named) if named == "caller" => {
            let issuer = table.issuer.as_deref().and_then(name_of).map(ToOwned::to_owned);
            (WebToken::Subject, Some(most(table.max_subjects)), OnBehalfOf::Subject(issuer))
        }
        WebIdentityToken::Named(named) => (WebToken::Held(name_of(&named)?.to_owned()), None, OnBehalfOf::Itself),
    };
    let inputs = Inputs { caller, scopes: false, subject };
    Some((CredentialsSource::WebIdentity { role, token }, inputs, on_behalf_of))
}

fn identity_pool(tree: &Node, table: document::IdentityPool) -> Option<Made> {
    let (login, subject, on_behalf_of) = match table.login {
        None => (Login::Guest, None, OnBehalfOf::Itself),
        Some(FromLogin::Developer(login)) => (Login::Developer(developer(login)), None, OnBehalfOf::Itself),
        Some(FromLogin::Named(named)) if named == "caller" => {
            let issuer = table.issuer.as_deref().and_then(name_of)?.to_owned();
            let provider = issuer_provider(tree, &issuer)?;
            (Login::Subject { provider }, Some(most(table.max_subjects)), OnBehalfOf::Subject(Some(issuer)))
        }
        Some(FromLogin::Named(named)) => {
            let name = name_of(&named)?.to_owned();
            let provider = login_provider(tree, &name)?;
            (Login::Token { name, provider }, None, OnBehalfOf::Itself)
        }
    };
    let flow = match table.flow {
        PoolFlow::Enhanced => Flow::Enhanced(table.role_arn.map(|arn| arn.0.0)),
        PoolFlow::Basic => {
            let duration = table.duration.map(|read| read.0);
            Flow::Basic(assumption(table.role_arn?, table.session_name, duration))
        }
    };
    let by_flow = matches!(&flow, Flow::Basic(role) if role.names_caller());
    let by_login = matches!(&login, Login::Developer(user) if user.names_caller());
    let pool =
        identity_pool::Config { identity_pool: table.identity_pool.0.id, region: table.identity_pool.0.region, flow };
    let inputs = Inputs { caller: by_flow || by_login, scopes: false, subject };
    Some((CredentialsSource::IdentityPool { pool, login }, inputs, on_behalf_of))
}

fn assumption(
    role_arn: Read<RoleArn>,
    name: Option<Read<Template>>,
    duration: Option<std::time::Duration>,
) -> Assumption {
    Assumption {
        role_arn: role_arn.0.0,
        session_name: session_name(name),
        duration,
        policy: None,
        policy_arns: Vec::new(),
    }
}

fn developer(login: document::DeveloperLogin) -> DeveloperUser {
    DeveloperUser { provider: login.provider, name: login.user.0, tags: templates(login.tags) }
}

fn session_name(name: Option<Read<Template>>) -> Template {
    name.map_or_else(|| Template::fixed("credbroker"), |read| read.0)
}

fn policy(place: PolicyPlace) -> Option<Policy> {
    place.file.map(Policy::File).or(place.json.map(Policy::Json))
}

fn templates(table: BTreeMap<String, Read<Template>>) -> BTreeMap<String, Template> {
    table.into_iter().map(|(key, value)| (key, value.0)).collect()
}

fn most(subjects: Option<u32>) -> NonZeroUsize {
    // The schema asks for one at least.
    NonZeroUsize::new(subjects.unwrap_or(MOST_SUBJECTS) as usize).unwrap_or(NonZeroUsize::MIN)
}
