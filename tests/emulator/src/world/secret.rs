//! The `secrets` section: AWS Secrets Manager.

use serde::Deserialize;

/// `[secrets.NAME]`: a secret and its labelled versions. Names with slashes are written in quotes.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// `current`: the version labelled `AWSCURRENT`.
    pub current: String,
    /// `previous`: the version labelled `AWSPREVIOUS`, if there is one.
    pub previous: Option<String>,
    /// `pending`: the version labelled `AWSPENDING`, if there is one.
    pub pending: Option<String>,
    /// `binary`: the values are base64 and answered as `SecretBinary`.
    #[serde(default)]
    pub binary: bool,
    /// `deleted`: marked for deletion; reading it is `InvalidRequestException`.
    #[serde(default)]
    pub deleted: bool,
}
