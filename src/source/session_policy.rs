//! The inline session policy that narrows a role (STS AssumeRole, AssumeRoleWithWebIdentity).

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::ExposeSecret as _;

use super::Failure;
use crate::secret::Secret;

/// An inline session policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Read from a file at each use.
    File(PathBuf),
    /// As it stands.
    Json(String),
}

impl Policy {
    /// The policy's JSON.
    ///
    /// # Errors
    /// `Misconfigured` if the file cannot be read.
    #[expect(clippy::disallowed_methods, reason = "a session policy is no secret; it is only read as carefully as one")]
    pub async fn text(&self) -> Result<String, Failure> {
        match self {
            Self::Json(json) => Ok(json.clone()),
            Self::File(path) => {
                let text = Secret::File(path.clone()).obtain(&Arc::default()).await?;
                Ok(text.expose_secret().to_owned())
            }
        }
    }
}

/// The JSON of `policy`, where there is one.
///
/// # Errors
/// As [`Policy::text`].
pub async fn text_of(policy: Option<&Policy>) -> Result<Option<String>, Failure> {
    match policy {
        Some(policy) => policy.text().await.map(Some),
        None => Ok(None),
    }
}
