//! Where secrets are.

use std::fmt;

use crate::secret::Secret;

/// Where one secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this machine.
    Local(Secret),
    /// At AWS.
    Remote(Remote),
}

/// Where one secret is at AWS, to be asked for with the broker's own identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remote {
    /// An app client's secret, at the user pool itself (DescribeUserPoolClient).
    UserPoolClient {
        /// The pool's id.
        user_pool: String,
        /// Its region.
        region: String,
        /// The app client's id.
        client_id: String,
    },
    /// In Secrets Manager (GetSecretValue).
    SecretsManager {
        /// Name or ARN.
        id: String,
        /// The key inside its JSON; else all of it.
        key: Option<String>,
        /// The stage of the version that is read.
        stage: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(secret) => secret.fmt(f),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserPoolClient { user_pool, client_id, .. } => write!(f, "user pool {user_pool}, client {client_id}"),
            Self::SecretsManager { id, key, stage } => {
                write!(f, "Secrets Manager {id}")?;
                key.as_ref().map_or(Ok(()), |key| write!(f, ", key {key}"))?;
                if stage == "AWSCURRENT" { Ok(()) } else { write!(f, ", stage {stage}") }
            }
        }
    }
}

impl Place {
    /// Where it is at AWS, if it is there.
    pub fn remote(&self) -> Option<&Remote> {
        match self {
            Self::Local(_) => None,
            Self::Remote(remote) => Some(remote),
        }
    }
}
