//! Tables of later versions: their grammar is known, so that they are refused by name.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::SecretPlace;
use crate::config::text::{FileMode, LoopbackAddress, Read, Region, UpstreamUrl};

/// A file kept fresh.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileTable {
    /// The token in it …
    #[schemars(extend("x-ref" = ["tokens"]))]
    pub token: Option<String>,
    /// … or the credentials.
    #[schemars(extend("x-ref" = ["credentials"]))]
    pub credentials: Option<String>,
    /// The file.
    #[schemars(length(min = 1))]
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: Option<Read<FileMode>>,
    /// Its group.
    pub group: Option<String>,
    /// Its format.
    pub format: Option<FileFormat>,
}

/// The formats of a file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileFormat {
    /// The bare token.
    Raw,
    /// JSON.
    Json,
    /// An AWS credentials file.
    AwsProfile,
    /// Lines of VARIABLE=value.
    Env,
}

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
