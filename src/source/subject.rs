//! A token that a caller hands in to have credentials for its user: the subject token.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use secrecy::{ExposeSecret as _, SecretString};

use super::{Failure, FailureKind};
use crate::clock::Moment;
use crate::secret::sha256;

/// A subject token with what is known of it. Two are the same if their tokens are, to the letter: what is held for one is
/// never given to the bearer of another, not even of the same user, for what the user may can differ between the two.
pub struct Subject {
    token: SecretString,
    digest: [u8; 32],
    /// When the token ends; nothing obtained with it is kept longer.
    pub expiry: Moment,
    /// Issuer and user, where they have been verified.
    pub user: Option<(String, String)>,
}

impl Subject {
    /// The subject token `token`, which ends at `expiry`; `user` is its issuer and `sub`, if they have been verified.
    #[expect(clippy::disallowed_methods, reason = "the digest stands for the token from here on")]
    pub fn new(token: SecretString, expiry: Moment, user: Option<(String, String)>) -> Self {
        let digest = sha256([token.expose_secret().as_bytes()]);
        Self { token, digest, expiry, user }
    }

    /// The token itself.
    pub fn token(&self) -> &SecretString {
        &self.token
    }

    /// The first bytes of its digest, to tell two apart where a person looks.
    pub fn fingerprint(&self) -> String {
        self.digest[..6].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A request that should have brought a subject token did not.
pub fn no_subject() -> Failure {
    Failure::new(
        FailureKind::Misconfigured,
        "these credentials are for the user of a subject token, and none was given",
    )
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Subject {}

impl Hash for Subject {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl PartialOrd for Subject {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Subject {
    fn cmp(&self, other: &Self) -> Ordering {
        self.digest.cmp(&other.digest)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({})", self.fingerprint())
    }
}
