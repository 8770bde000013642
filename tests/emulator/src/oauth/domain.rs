//! Which user pool a `Host` means.
//!
//! | host | where |
//! |---|---|
//! | `PREFIX.auth.REGION.amazoncognito.com` | everywhere but in GovCloud |
//! | `PREFIX.auth-fips.REGION.amazoncognito.com` | GovCloud and the other Regions of the United States |
//! | the pool's custom domain | everywhere but in GovCloud |
//! | anything else, such as a loopback address | all pools |

use crate::call::Call;
use crate::failure::Failure;
use crate::world::World;

/// The only pool whose clients may come; `None` when the host restricts nothing.
pub(super) fn pool<'a>(world: &'a World, call: &Call) -> Result<Option<&'a str>, Failure> {
    let host = call.header("host").unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
    if let Some(pool) = world.pool_by_custom_domain(&host) {
        return Ok(Some(pool));
    }
    if !host.ends_with(".amazoncognito.com") {
        return Ok(None);
    }
    let pool = prefix(&world.region, &host).and_then(|prefix| world.pool_by_domain(prefix));
    pool.map(Some).ok_or_else(|| Failure::new(404, "not_found", "no user pool has this domain"))
}

/// The prefix of a hosted domain of this region.
fn prefix<'h>(region: &str, host: &'h str) -> Option<&'h str> {
    let (prefix, kind) = host.strip_suffix(&format!(".{region}.amazoncognito.com"))?.rsplit_once('.')?;
    let exists = match kind {
        "auth" => !region.starts_with("us-gov-"),
        "auth-fips" => region.starts_with("us-"),
        _ => false,
    };
    exists.then_some(prefix)
}

#[cfg(test)]
mod tests {
    use super::prefix;

    #[test]
    fn hosted_domains_of_a_region() {
        let of = |region, host: &'static str| prefix(region, host);
        let (west, gov) = ("us-west-2", "us-gov-west-1");
        assert_eq!(of("eu-west-1", "acme.auth.eu-west-1.amazoncognito.com"), Some("acme"));
        assert_eq!(of("eu-west-1", "acme.auth-fips.eu-west-1.amazoncognito.com"), None);
        assert_eq!(of(west, "acme.auth.us-west-2.amazoncognito.com"), Some("acme"));
        assert_eq!(of(west, "acme.auth-fips.us-west-2.amazoncognito.com"), Some("acme"));
        assert_eq!(of(gov, "acme.auth-fips.us-gov-west-1.amazoncognito.com"), Some("acme"));
        assert_eq!(of(gov, "acme.auth.us-gov-west-1.amazoncognito.com"), None);
        assert_eq!(of(west, "acme.auth.us-east-1.amazoncognito.com"), None);
        assert_eq!(of(west, "acme.login.us-west-2.amazoncognito.com"), None);
        assert_eq!(of(west, "auth.us-west-2.amazoncognito.com"), None);
    }
}
