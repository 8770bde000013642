//! Who is asking, and what they may have. [`caller`] is pure: what the kernel and the request say about a peer comes in as
//! values, and so it is with [`unit`]; [`pace`] is how fast one may ask; [`directory`] is the edge that reads token files and
//! looks users up; [`generated`] makes tokens and writes them, and [`proof`] shows a client that the daemon knows its token.

pub mod caller;
pub mod directory;
pub mod generated;
pub mod pace;
pub mod proof;
pub mod unit;

pub use caller::{Caller, Callers, Factors, Presented, Process, TokenDigest};
pub use directory::Directory;
pub use generated::MadeToken;

/// Something a caller may be allowed: one named thing, no wildcards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// `tokens.NAME`.
    Token(String),
    /// `credentials.NAME`.
    Credentials(String),
    /// `issuers.NAME`.
    Issuer(String),
}

impl std::fmt::Display for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(name) => write!(f, "tokens.{name}"),
            Self::Credentials(name) => write!(f, "credentials.{name}"),
            Self::Issuer(name) => write!(f, "issuers.{name}"),
        }
    }
}

/// The proof that a caller may have one named thing. Only [`Caller::permit`] makes one, and the store asks for it.
#[derive(Debug)]
pub struct Permit {
    caller: String,
    grant: Grant,
}

impl Permit {
    /// Whose it is.
    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// What it is for.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }
}
