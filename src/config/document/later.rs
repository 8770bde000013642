//! Tables of later versions: their grammar is known, so that they are refused by name.

use schemars::JsonSchema;
use serde::Deserialize;

use super::SecretPlace;

/// A cache shared by a fleet.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedCacheTable {
    /// The server.
    pub url: String,
    /// The key that seals its entries.
    pub key: SecretPlace,
}
