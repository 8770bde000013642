//! `[audit]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::text::{FilePath, Read};

/// The audit log: a line of JSON for each decision about a credential, apart from the diagnostic log on standard error.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuditTable {
    /// Where the lines go: "stdout", "journald", { file = "/PATH" }, or "off".
    pub to: AuditTo,
    /// The key of the fingerprints of what was handed out, at least 32 characters: with it they are the same after a restart and on
    /// other hosts, and can be computed from a token. Else a random one for each start.
    pub key: Option<LocalSecret>,
}

/// Where the lines go.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AuditTo {
    /// To standard output, to journald, or nowhere.
    Word(AuditWord),
    /// To a file.
    File(AuditFile),
}

impl Default for AuditTo {
    fn default() -> Self {
        Self::Word(AuditWord::Stdout)
    }
}

/// Where the lines go that go to no file.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum AuditWord {
    /// To standard output.
    Stdout,
    /// To journald.
    Journald,
    /// Nowhere.
    Off,
}

/// A file that lines are appended to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditFile {
    /// The file. Its directory has to be there; the file is made, its owner's alone, and made again when it was renamed or removed.
    pub file: Read<FilePath>,
}

/// A secret of this machine: exactly one of file, env and credential. Never a literal.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-secret" = true, "x-one-of" = ["file", "env", "credential"]))]
pub struct LocalSecret {
    /// In a file; one trailing newline is dropped.
    #[schemars(length(min = 1), extend("x-one-line" = true))]
    pub file: Option<PathBuf>,
    /// In an environment variable of the daemon.
    #[schemars(length(min = 1), extend("x-one-line" = true))]
    pub env: Option<String>,
    /// In a systemd credential ($CREDENTIALS_DIRECTORY).
    #[schemars(length(min = 1), extend("x-one-line" = true))]
    pub credential: Option<String>,
}
