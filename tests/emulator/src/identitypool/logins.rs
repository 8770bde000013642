//! `Logins`: proving that each entry is a good token of a configured provider.
//!
//! Only an ID token of a user pool has what is needed. A machine's access token lacks `aud` and is refused.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::SERVICE;
use crate::discovery::IDENTITY_ISSUER;
use crate::failure::Failure;
use crate::json_api::invalid;
use crate::jwt::Unverified;
use crate::request::Request;
use crate::world::{IdentityPool, Provider, World};

/// A login that was proven.
pub(super) struct Login {
    pub(super) kind: Kind,
    /// What the `amr` of an OpenID token says of it.
    pub(super) amr: Vec<String>,
    /// `cognito:roles` of the token.
    pub(super) roles: Vec<String>,
    /// Session tags the token brings.
    pub(super) tags: Map<String, Value>,
}

impl Login {
    /// `PROVIDER:SUBJECT`, where a provider's token was the proof.
    pub(super) fn user(&self) -> Option<&str> {
        match &self.kind {
            Kind::Provider(link) => Some(link),
            Kind::Own(_) => None,
        }
    }
}

pub(super) enum Kind {
    /// A user of a provider; the text identifies the login within the identity pool.
    Provider(String),
    /// The identity service's own token for this identity.
    Own(String),
}

/// At most ten entries, keys of 1 to 128 characters, values of 1 to 50,000.
pub(super) fn well_formed(logins: &BTreeMap<String, String>) -> Result<(), Failure> {
    if logins.len() > 10 {
        return Err(invalid("logins", "Member must have length less than or equal to 10"));
    }
    let fits = |(key, value): (&String, &String)| (1..=128).contains(&key.len()) && (1..=50_000).contains(&value.len());
    if logins.iter().all(fits) { Ok(()) } else { Err(invalid("logins", "Map keys or values have the wrong length")) }
}

/// Verifies every entry.
pub(super) fn proven(
    request: &Request<'_>,
    pool_id: &str,
    pool: &IdentityPool,
    logins: &BTreeMap<String, String>,
) -> Result<Vec<Login>, Failure> {
    logins.iter().map(|(key, token)| one(request, pool_id, pool, key, token)).collect()
}

fn one(request: &Request<'_>, pool_id: &str, pool: &IdentityPool, key: &str, token: &str) -> Result<Login, Failure> {
    if key == SERVICE {
        return own(request, pool_id, token);
    }
    let world = &request.cloud.world;
    let providers: Vec<&Provider> = pool.providers.iter().filter(|p| is_key_of(world, p, key)).collect();
    let Some(provider) = providers.first() else {
        return Err(refused("Token is not from a supported provider of this identity pool."));
    };
    let token = Unverified::parse(token).ok_or_else(|| wrong("Not a valid OpenId Connect identity token."))?;
    let issuer = world.pools.get(&provider.pool).map(|pool| world.issuer(&provider.pool, pool));
    if token.text("iss") != issuer.as_deref() {
        return Err(wrong("Issuer doesn't match providerName"));
    }
    let audience = token.text("aud").ok_or_else(|| wrong("Missing a required claim: aud"))?;
    let signed = request
        .cloud
        .with_keys(&provider.pool, |keys| keys.by_kid(token.kid()).is_some_and(|key| token.signed_by(key)));
    if signed != Some(true) {
        return Err(wrong("Couldn't verify signed token."));
    }
    unexpired(&token, request.now)?;
    if !providers.iter().any(|p| p.client == audience) {
        return Err(wrong("Incorrect token audience."));
    }
    let subject = token.text("sub").ok_or_else(|| wrong("Missing a required claim: sub"))?;
    let link = format!("{}:{subject}", world.login_key(&provider.pool));
    Ok(Login {
        kind: Kind::Provider(link),
        amr: vec!["authenticated".into(), key.into(), format!("{key}:CognitoSignIn:{subject}")],
        roles: token.list("cognito:roles"),
        tags: Map::new(),
    })
}

/// A pool's own key, or where its issuer is of the updated form also that issuer's: AWS does not say which it takes.
fn is_key_of(world: &World, provider: &Provider, key: &str) -> bool {
    let issuer = world.pools.get(&provider.pool).map(|pool| world.issuer(&provider.pool, pool));
    key == world.login_key(&provider.pool) || issuer.is_some_and(|issuer| issuer.strip_prefix("https://") == Some(key))
}

/// A token of `GetOpenIdToken` or `GetOpenIdTokenForDeveloperIdentity`.
fn own(request: &Request<'_>, pool_id: &str, token: &str) -> Result<Login, Failure> {
    let token = Unverified::parse(token).ok_or_else(|| wrong("Not a valid OpenId Connect identity token."))?;
    if token.text("iss") != Some(IDENTITY_ISSUER) {
        return Err(wrong("Issuer doesn't match providerName"));
    }
    if !token.signed_by(&request.cloud.identity_key) {
        return Err(wrong("Couldn't verify signed token."));
    }
    unexpired(&token, request.now)?;
    if token.text("aud") != Some(pool_id) {
        return Err(wrong("Incorrect token audience."));
    }
    let identity = token.text("sub").unwrap_or_default().to_owned();
    Ok(Login { kind: Kind::Own(identity), amr: token.list("amr"), roles: Vec::new(), tags: tags_of(&token) })
}

/// The principal tags in a token: each a list of one text.
pub(crate) fn tags_of(token: &Unverified) -> Map<String, Value> {
    let tags = token.claim("https://aws.amazon.com/tags")["principal_tags"].as_object();
    let tags = tags.into_iter().flatten();
    tags.filter_map(|(name, values)| Some((name.clone(), values.get(0)?.clone()))).collect()
}

fn unexpired(token: &Unverified, now: i64) -> Result<(), Failure> {
    match token.seconds("exp") {
        Some(expiry) if expiry > now => Ok(()),
        Some(expiry) => Err(wrong(&format!("Token expired: {expiry} >= {now}"))),
        None => Err(wrong("Missing a required claim: exp")),
    }
}

fn wrong(sentence: &str) -> Failure {
    refused(&format!("Invalid login token. {sentence}"))
}

/// The code all refusals of this service share.
pub(super) fn refused(sentence: &str) -> Failure {
    Failure::bad("NotAuthorizedException", sentence.to_owned())
}
