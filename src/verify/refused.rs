//! Why a token is not accepted.

use crate::source::Failure;

/// Why a token is not accepted, as a fact. The words never hold the token or anything out of it: whoever sent it chose that.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// It is no JWT, or a claim is of the wrong type.
    #[error("the token {0}")]
    Malformed(&'static str),
    /// Its header says that it is for something else.
    #[error("the token is no access or ID token, by the typ of its header")]
    Kind,
    /// It is signed in a way that its key does not allow, or not at all.
    #[error("the token is not signed with an algorithm of its issuer's key")]
    Algorithm,
    /// The issuer has no key of that id.
    #[error("the token is signed with a key that its issuer does not publish")]
    UnknownKey,
    /// The signature is not that key's.
    #[error("the token's signature is wrong")]
    Signature,
    /// `exp` is past.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is to come.
    #[error("the token is not valid yet; check the clocks of this machine and of the issuer")]
    NotYetValid,
    /// `iss` is another.
    #[error("the token is another issuer's")]
    Issuer,
    /// It is an ID token instead of an access token, or the other way round.
    #[error("the token is of the wrong kind; token_use says which of access and ID tokens are accepted")]
    TokenUse,
    /// The client it was issued to is not among `clients`.
    #[error("the token was issued to a client that is not among the accepted ones")]
    Client,
    /// It is meant for others than those in `audience`.
    #[error("the token is meant for another audience")]
    Audience,
    /// It lacks scopes that are required.
    #[error("the token lacks the scope {}", .missing.join(" "))]
    Scope {
        /// Which.
        missing: Vec<String>,
    },
    /// The issuer's keys cannot be had, so nothing is known of the token.
    #[error("the token cannot be verified: {0}")]
    KeysUnavailable(Failure),
}

impl Refused {
    /// The stable name, for logs, status and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Kind => "kind",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Issuer => "issuer",
            Self::TokenUse => "token_use",
            Self::Client => "client",
            Self::Audience => "audience",
            Self::Scope { .. } => "scope",
            Self::KeysUnavailable(_) => "keys_unavailable",
        }
    }
}
