//! Tables of later versions: their grammar is known, so that they are refused by name.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::SecretPlace;
use crate::config::text::{FileMode, LoopbackAddress, Read};

/// An IMDSv2 look-alike.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImdsTable {
    /// Where it listens.
    pub listen: Read<LoopbackAddress>,
    /// What it hands out.
    #[schemars(extend("x-ref" = ["credentials"]))]
    pub credentials: String,
    /// To whom.
    #[schemars(extend("x-ref" = ["callers"]))]
    pub caller: String,
}

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

/// A cache shared by a fleet.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedCacheTable {
    /// The server.
    pub url: String,
    /// The key that seals its entries.
    pub key: SecretPlace,
}
