//! `[files.*]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::text::{FileMode, FilePath, Read};

/// A file kept fresh, replaced as a whole at each renewal and removed when what it holds expires. What is in it is kept always.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-one-of" = ["token", "credentials"]))]
pub struct FileTable {
    /// The token in it; this or `credentials`.
    #[schemars(extend("x-ref" = ["tokens"]))]
    pub token: Option<String>,
    /// The credentials in it; this or `token`.
    #[schemars(extend("x-ref" = ["credentials"]))]
    pub credentials: Option<String>,
    /// Where it is. Its directory has to be there, and the daemon's user has to be allowed to write in it.
    pub path: Read<FilePath>,
    /// Its permission bits: "0400" if nothing is said, "0440" with a group.
    pub mode: Option<Read<FileMode>>,
    /// Its group, by name or number; the daemon's user has to be in it. Else that of the directory or the daemon.
    pub group: Option<Group>,
    /// Of a token "raw", the bare token without a newline (the default), or "json". Of credentials "aws-profile", an AWS shared credentials
    /// file (the default), "json", as /v1/credentials answers, or "env", lines of VARIABLE=value.
    pub format: Option<FileFormat>,
}

/// A group of this machine.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Group {
    /// By number.
    Id(#[schemars(range(min = 0, max = 4294967294u32))] u32),
    /// By name.
    Name(#[schemars(length(min = 1))] String),
}

/// The formats of a file.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileFormat {
    /// The bare token.
    Raw,
    /// JSON.
    Json,
    /// An AWS shared credentials file.
    AwsProfile,
    /// Lines of VARIABLE=value.
    Env,
}
