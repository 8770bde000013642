//! From the configuration to the issuers: where each one's keys are, and an entry that holds them.

use std::collections::BTreeMap;
use std::sync::Arc;

use url::Url;

use super::metadata::Stages;
use super::{AS_USED, CannotStart, Outside};
use crate::config::{Issuer, IssuerKeys};
use crate::environment::Environment;
use crate::refresh::schedule::Freshness;
use crate::refresh::{Entry, Inputs};
use crate::source::key_set::{Place, Publication};
use crate::source::upstream::Upstream;
use crate::verify::{self, Issuers};

/// Keys are held for a day and looked at again as early as an entry can be, every 72 minutes, while they are used.
const KEYS: Freshness = Freshness { ahead: 0.0, ..AS_USED };

/// Makes the issuers of the configuration. Nothing is fetched yet.
///
/// # Errors
/// If an address cannot be made out of the configuration, which its check excludes.
pub fn issuers(
    configured: &BTreeMap<String, Issuer>,
    upstream: &Upstream,
    metadata: &Stages,
    outside: &Outside,
) -> Result<Issuers, CannotStart> {
    let named = configured.iter().map(|(name, issuer)| {
        let full = format!("issuers.{name}");
        let (place, origin) = place(&full, issuer, metadata, outside)?;
        let clock = outside.clock.clone();
        let spelled = issuer.asked.issuers.first().cloned().unwrap_or_default();
        let source = Arc::new(Publication::new(spelled, place, upstream.clone(), clock.clone()));
        let keys = Arc::new(Entry::new(&full, origin, source, Inputs::default(), KEYS, clock.clone()));
        Ok((name.clone(), verify::Issuer::new(issuer.asked.clone(), keys, clock)))
    });
    Ok(Issuers::new(named.collect::<Result<_, CannotStart>>()?))
}

/// Where the keys are, and the same in words.
fn place(full: &str, issuer: &Issuer, metadata: &Stages, outside: &Outside) -> Result<(Place, String), CannotStart> {
    let url = match &issuer.keys {
        IssuerKeys::At(url) => url.clone(),
        IssuerKeys::UserPool { id, region } => {
            pool_keys(&outside.environment, id, region).ok_or_else(|| CannotStart::Unmade(full.to_owned()))?
        }
        IssuerKeys::Discovered(url) => {
            let spelled = issuer.asked.issuers.first().map_or("", String::as_str);
            let origin = format!("keys where the metadata of {spelled} says");
            return Ok((Place::Named(metadata.of(url, spelled)), origin));
        }
    };
    let origin = format!("keys at {url}");
    Ok((Place::At(url), origin))
}

/// A user pool's key set: on the pool's own host, or where the SDK is pointed to for user pools.
fn pool_keys(environment: &Environment, id: &str, region: &str) -> Option<Url> {
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
