//! What is in a file: the entry it is filled from, and the format.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use super::content::{self, Content, CredentialsFormat, TokenFormat, Unquotable};
use crate::clock::Moment;
use crate::lease::{Lease, RequestId};
use crate::ops::audit::{Fingerprint, Key};
use crate::refresh::cell::Trouble;
use crate::refresh::{Entry, Report};
use crate::source::{Ask, AwsCredentials, BearerToken};

/// An entry and the format of its values.
#[derive(Clone)]
pub enum What {
    /// A token.
    Token(Arc<Entry<BearerToken>>, TokenFormat),
    /// Credentials.
    Credentials(Arc<Entry<AwsCredentials>>, CredentialsFormat),
}

/// A value that is held, and the format for it.
pub enum Held {
    /// A token.
    Token(Arc<Lease<BearerToken>>, TokenFormat),
    /// Credentials.
    Credentials(Arc<Lease<AwsCredentials>>, CredentialsFormat),
}

impl What {
    /// Tells whenever the source has answered.
    pub fn news(&self) -> watch::Receiver<()> {
        match self {
            Self::Token(entry, _) => entry.news(),
            Self::Credentials(entry, _) => entry.news(),
        }
    }

    /// What is held of it now.
    pub fn held(&self) -> Option<Held> {
        match self {
            Self::Token(entry, format) => entry.at_hand().map(|lease| Held::Token(lease, *format)),
            Self::Credentials(entry, format) => entry.at_hand().map(|lease| Held::Credentials(lease, *format)),
        }
    }

    /// The full name of the entry.
    pub fn name(&self) -> &str {
        match self {
            Self::Token(entry, _) => entry.name(),
            Self::Credentials(entry, _) => entry.name(),
        }
    }

    /// As the configuration writes the format.
    pub fn format(&self) -> &'static str {
        match self {
            Self::Token(_, format) => format.as_str(),
            Self::Credentials(_, format) => format.as_str(),
        }
    }

    /// Does the file say, by the wall clock, when what is in it ends?
    pub fn tells_its_end(&self) -> bool {
        !matches!(self, Self::Token(_, TokenFormat::Raw))
    }

    /// What keeps the entry from being renewed.
    pub fn trouble(&self) -> Option<Trouble> {
        let whole = |(ask, _): &(Ask, _)| *ask == Ask::default();
        let of = |report: Report| report.variations.into_iter().find(whole).and_then(|(_, held)| held.trouble);
        match self {
            Self::Token(entry, _) => of(entry.report()),
            Self::Credentials(entry, _) => of(entry.report()),
        }
    }
}

impl fmt::Debug for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.name(), self.format())
    }
}

impl Held {
    /// When it was issued: by this one value is told from another.
    pub fn issued_at(&self) -> Moment {
        match self {
            Self::Token(lease, _) => lease.issued_at,
            Self::Credentials(lease, _) => lease.issued_at,
        }
    }

    /// When it ends.
    pub fn expiry(&self) -> Moment {
        match self {
            Self::Token(lease, _) => lease.expiry,
            Self::Credentials(lease, _) => lease.expiry,
        }
    }

    /// What tells it from another, without showing it.
    pub fn fingerprint(&self, key: &Key) -> Fingerprint {
        match self {
            Self::Token(lease, _) => key.of_token(&lease.value.token),
            Self::Credentials(lease, _) => key.of(&lease.value.access_key_id),
        }
    }

    /// What the upstream calls the request by which it was had.
    pub fn request_id(&self) -> Option<RequestId> {
        match self {
            Self::Token(lease, _) => lease.request_id.clone(),
            Self::Credentials(lease, _) => lease.request_id.clone(),
        }
    }

    /// What is written, where the wall clock will show `end` when it ends.
    ///
    /// # Errors
    /// [`Unquotable`].
    pub fn content(&self, end: SystemTime) -> Result<Content, Unquotable> {
        match self {
            Self::Token(lease, format) => Ok(content::token(&lease.value, end, *format)),
            Self::Credentials(lease, format) => content::credentials(&lease.value, end, *format),
        }
    }
}
