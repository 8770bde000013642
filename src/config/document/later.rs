//! Tables of later versions: their grammar is known, so that they are refused by name.

use schemars::JsonSchema;
use serde::Deserialize;

use super::SecretPlace;
use crate::config::text::{LoopbackAddress, Read, Region, UpstreamUrl};

/// A local forward address.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EgressTable {
    /// Where it listens.
    pub listen: Read<LoopbackAddress>,
    /// Where it forwards to.
    pub upstream: Read<UpstreamUrl>,
    /// The token it adds …
    #[schemars(extend("x-ref" = ["tokens"]))]
    pub bearer: Option<String>,
    /// … or the signature.
    pub sigv4: Option<SigV4>,
    /// For whom.
    #[schemars(extend("x-ref" = ["callers"]))]
    pub caller: String,
}

/// A signature that egress adds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SigV4 {
    /// Who signs.
    #[schemars(extend("x-ref" = ["credentials"]))]
    pub credentials: String,
    /// The service signed for.
    pub service: String,
    /// Its region.
    pub region: Read<Region>,
}

/// A cache shared by a fleet.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedCacheTable {
    /// The server.
    pub url: String,
    /// The key that seals its entries.
    pub key: SecretPlace,
}
