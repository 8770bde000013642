//! From the configuration to the issuers: where each one's keys are, and an entry that holds them.

use std::collections::BTreeMap;
use std::sync::Arc;

use url::Url;

use super::made::{Known, kept};
use super::metadata::Stages;
use super::{AS_USED, CannotStart, Outside};
use crate::config::{Issuer, IssuerKeys};
use crate::environment::Environment;
use crate::refresh::schedule::Freshness;
use crate::refresh::{Entry, Inputs};
use crate::source::key_set::{KeySet, Place, Publication};
use crate::source::upstream::Upstream;
use crate::verify::{self, Issuers};

/// Keys are held for a day and looked at again as early as an entry can be, every 72 minutes, while they are used.
const KEYS: Freshness = Freshness { ahead: 0.0, ..AS_USED };

/// How an issuer is spelled and where its keys are.
pub type Definition = (String, IssuerKeys);

/// The key sets of issuers, each with what it was made from.
pub type KeySets = Known<Definition, KeySet>;

/// From what the key set of `issuer` is made.
pub fn definition(issuer: &Issuer) -> Definition {
    (spelled(issuer).to_owned(), issuer.keys.clone())
}

fn spelled(issuer: &Issuer) -> &str {
    issuer.asked.issuers.first().map_or("", String::as_str)
}

/// Makes the issuers of the configuration; key sets of those `before` that are in the same place go on. Nothing is fetched yet.
///
/// # Errors
/// If an address cannot be made out of the configuration, which its check excludes.
pub fn issuers(
    configured: &BTreeMap<String, Issuer>,
    upstream: &Upstream,
    metadata: &Stages,
    outside: &Outside,
    before: Option<&KeySets>,
) -> Result<(Issuers, KeySets), CannotStart> {
    let mut key_sets = KeySets::new();
    let mut named = BTreeMap::new();
    for (name, issuer) in configured {
        let full = format!("issuers.{name}");
        let (place, origin, may_stay) = place(&full, issuer, metadata, outside)?;
        let clock = outside.clock.clone();
        let definition = definition(issuer);
        let keys = kept(before.filter(|_| may_stay), name, |before| *before == definition).unwrap_or_else(|| {
            let source = Arc::new(Publication::new(definition.0.clone(), place, upstream.clone(), clock.clone()));
            Arc::new(Entry::new(&full, origin, source, Inputs::default(), KEYS, clock.clone()))
        });
        key_sets.insert(name.clone(), (definition, Arc::clone(&keys)));
        named.insert(name.clone(), verify::Issuer::new(issuer.asked.clone(), keys, clock));
    }
    Ok((Issuers::new(named), key_sets))
}

/// Where the keys are, the same in words, and whether that stands on nothing that is made anew.
fn place(
    full: &str,
    issuer: &Issuer,
    metadata: &Stages,
    outside: &Outside,
) -> Result<(Place, String, bool), CannotStart> {
    let url = match &issuer.keys {
        IssuerKeys::At(url) => url.clone(),
        IssuerKeys::UserPool { id, region } => {
            pool_keys(&outside.environment, id, region).ok_or_else(|| CannotStart::Unmade(full.to_owned()))?
        }
        IssuerKeys::Discovered(url) => {
            let spelled = spelled(issuer);
            let origin = format!("keys where the metadata of {spelled} says");
            let (stage, is_kept) = metadata.of(url, spelled);
            return Ok((Place::Named(stage), origin, is_kept));
        }
    };
    let origin = format!("keys at {url}");
    Ok((Place::At(url), origin, true))
}

/// A user pool's key set: on the pool's own host, or where the SDK is pointed to for user pools.
pub fn pool_keys(environment: &Environment, id: &str, region: &str) -> Option<Url> {
    let variables = ["AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "AWS_ENDPOINT_URL"];
    let base = match variables.iter().find_map(|name| environment.var(name)) {
        Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
        None => format!("https://cognito-idp.{region}.amazonaws.com"),
    };
    Url::parse(&format!("{base}/{id}/.well-known/jwks.json")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &str = "eu-west-1_AbCd12345";

    #[test]
    fn a_pools_keys_are_at_its_host_or_where_the_sdk_is_pointed_to() {
        let keys = |environment: Environment| pool_keys(&environment, POOL, "eu-west-1").unwrap().to_string();
        assert_eq!(
            keys(Environment::default()),
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCd12345/.well-known/jwks.json"
        );
        let all = ("AWS_ENDPOINT_URL", "http://127.0.0.1:5000/");
        let own = ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "http://127.0.0.1:5001/idp");
        assert_eq!(keys(Environment::from([all])), "http://127.0.0.1:5000/eu-west-1_AbCd12345/.well-known/jwks.json");
        assert_eq!(
            keys(Environment::from([all, own])),
            "http://127.0.0.1:5001/idp/eu-west-1_AbCd12345/.well-known/jwks.json"
        );
    }
}
