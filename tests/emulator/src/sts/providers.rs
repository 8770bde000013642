//! The account's OIDC providers: whose keys STS asks for.

use crate::authserver;
use crate::cloud::Cloud;
use crate::jwt::Unverified;
use crate::world::{Metadata, OidcProvider};

/// The provider of an issuer, and the name the world gives it.
pub(super) fn of_issuer<'a>(cloud: &'a Cloud, issuer: &str) -> Option<(&'a str, &'a OidcProvider)> {
    let mut providers = cloud.world.iam.oidc_providers.iter();
    let (label, provider) = providers.find(|(_, provider)| issuer_of(cloud, provider).as_deref() == Some(issuer))?;
    Some((label, provider))
}

fn issuer_of(cloud: &Cloud, provider: &OidcProvider) -> Option<String> {
    if let Some(pool_id) = &provider.pool {
        return Some(cloud.world.issuer(pool_id, cloud.world.pools.get(pool_id)?));
    }
    Some(authserver::issuer(cloud, provider.authorization_server.as_deref()?))
}

/// Whether a key the provider publishes signed the token. STS finds keys through OpenID Connect Discovery only.
pub(super) fn signed(cloud: &Cloud, provider: &OidcProvider, token: &Unverified) -> bool {
    if let Some(pool) = &provider.pool {
        let good = cloud.with_keys(pool, |keys| keys.by_kid(token.kid()).is_some_and(|key| token.signed_by(key)));
        return good == Some(true);
    }
    let name = provider.authorization_server.as_deref().unwrap_or_default();
    let server = cloud.world.authorization_servers.get(name);
    let server = server.filter(|server| server.metadata.contains(&Metadata::Oidc));
    server.is_some_and(|server| {
        let key = cloud.key_rings.by_kid(&authserver::ring(name), authserver::algorithm(server), token.kid());
        key.is_some_and(|key| token.signed_by(&key))
    })
}

/// How IAM names the provider.
pub(super) fn without_scheme(issuer: &str) -> &str {
    issuer.split_once("://").map_or(issuer, |(_, rest)| rest)
}
