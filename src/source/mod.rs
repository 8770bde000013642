//! Where tokens and credentials come from: one trait of one method, and one file per source.
//!
//! A source asks its upstream once per call. It knows neither that its answers are cached nor what HTTP status a caller
//! will see; it says in a [`Failure`] whose fault it was and what to do, and the engine decides when to ask again.

pub mod ambient;
pub mod assume_role;
pub mod aws;
pub mod bearer;
pub mod client_token;
pub mod discovery;
pub mod identity_pool;
pub mod identity_token;
pub mod jwt;
pub mod key_set;
pub mod keyring;
pub mod machine_user;
pub mod public_key;
pub mod remote_secret;
pub mod session_policy;
pub mod signing_key;
pub mod subject;
pub mod template;
pub mod token_endpoint;
pub mod upstream;
pub mod web_identity;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::clock::rfc3339;
use crate::lease::{Issued, Lease, RequestId};
pub use subject::Subject;

/// Obtains one kind of value from one upstream.
#[async_trait]
pub trait Source<T>: Send + Sync {
    /// Asks the upstream once.
    ///
    /// # Errors
    /// [`Failure`] says whose fault it was; its text is fit for callers and holds nothing secret.
    async fn fetch(&self, ask: &Ask) -> Result<Issued<T>, Failure>;

    /// Has what the upstream refused been replaced on this machine since? Nothing is asked of anybody for it.
    async fn is_mended(&self) -> bool {
        false
    }
}

/// An earlier stage of a chain: it holds what this source builds on, and fetches it first where it must.
#[async_trait]
pub trait Stage<T>: Send + Sync {
    /// What is held for `ask`.
    ///
    /// # Errors
    /// The [`Failure`] of that stage, marked with its name.
    async fn held(&self, ask: &Ask) -> Result<Arc<Lease<T>>, Failure>;

    /// A lease issued after `than`, for whoever was refused with it: the source is asked early, though not more often than
    /// every ten seconds. `None` if there is none to be had.
    async fn newer(&self, ask: &Ask, than: &Lease<T>) -> Option<Arc<Lease<T>>>;
}

/// What of a request changes what a source is asked for. It is part of the cache key, so an entry keeps only the inputs
/// that its source really uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ask {
    /// The caller's name, where a template of the source names it.
    pub caller: Option<String>,
    /// Fewer scopes than configured, sorted.
    pub scopes: Option<Vec<String>>,
    /// The subject token, where the source is asked for its user.
    pub subject: Option<Arc<Subject>>,
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let caller = self.caller.as_ref().map(|caller| format!("caller {caller}"));
        let scopes = self.scopes.as_ref().map(|scopes| format!("scope {}", scopes.join(" ")));
        let subject = self.subject.as_ref().map(|subject| format!("subject {}", subject.fingerprint()));
        let parts: Vec<String> = [caller, scopes, subject].into_iter().flatten().collect();
        f.write_str(if parts.is_empty() { "all" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

/// An OAuth 2.0 bearer token.
#[derive(Debug)]
pub struct BearerToken {
    /// The token itself.
    pub token: SecretString,
    /// The scopes granted, space separated, as far as the source says.
    pub scope: Option<String>,
}

/// Temporary AWS credentials.
#[derive(Debug)]
pub struct AwsCredentials {
    /// The access key id. Not secret: it stands in every signed request.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: SecretString,
    /// The session token; absent only for long-term keys.
    pub session_token: Option<SecretString>,
    /// The account they belong to, if known.
    pub account_id: Option<String>,
    /// The role they stand for, if known.
    pub role_arn: Option<String>,
}

impl AwsCredentials {
    /// The document that clients of the container credentials provider read, for credentials that end at `expiry`.
    #[expect(clippy::disallowed_methods, reason = "this is what is handed out to whoever may have it")]
    pub fn document(&self, expiry: SystemTime) -> Value {
        let mut body = json!({
            "AccessKeyId": self.access_key_id,
            "SecretAccessKey": self.secret_access_key.expose_secret(),
            "Token": self.session_token.as_ref().map_or("", |token| token.expose_secret()),
            "Expiration": rfc3339(expiry),
        });
        for (key, value) in [("AccountId", &self.account_id), ("RoleArn", &self.role_arn)] {
            if let Some(value) = value {
                body[key] = json!(value);
            }
        }
        body
    }
}

/// Who is at fault, named for what the engine does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The upstream knows us and refuses: it will go on refusing until somebody changes a permission or a secret.
    Denied,
    /// The upstream or the machine says that the configuration is wrong.
    Misconfigured,
    /// The upstream asks for fewer requests.
    Throttled,
    /// The upstream could not be reached, failed or did not answer.
    Unavailable,
    /// The upstream answered something that is not an answer.
    Malformed,
}

impl FailureKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Denied, Self::Misconfigured, Self::Throttled, Self::Unavailable, Self::Malformed];

    /// The stable name, for logs, status and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Misconfigured => "misconfigured",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Malformed => "malformed",
        }
    }

    /// Will asking again, with nothing changed, fail again?
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Denied | Self::Misconfigured)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why nothing was issued, in words for callers and operators. Never holds a secret, a token or an upstream's body.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Who is at fault.
    pub kind: FailureKind,
    /// What failed and what to do.
    pub message: String,
    /// How long the upstream asked us to wait.
    pub retry_after: Option<Duration>,
    /// Did the upstream not answer in time?
    pub timed_out: bool,
    /// Is it the secret that was refused, so that another one may do?
    pub secret_refused: bool,
    /// Is it the user's password or refresh token that was refused? Both, where the upstream does not say which.
    pub user_refused: bool,
    /// Has what it was asked with expired, so that a newer one may do?
    pub expired: bool,
    /// What the upstream calls the request in its own records.
    pub request_id: Option<RequestId>,
}

impl Failure {
    /// A failure with a message that names the thing and the remedy.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retry_after: None,
            timed_out: false,
            secret_refused: false,
            user_refused: false,
            expired: false,
            request_id: None,
        }
    }

    /// The upstream `what` did not answer within `limit`.
    pub fn timed_out(what: &str, limit: Duration) -> Self {
        let message = format!("{what} did not answer within {limit:?}; it is asked again");
        Self { timed_out: true, ..Self::new(FailureKind::Unavailable, message) }
    }

    /// The same failure, seen from a stage further on: `name` could not be had because of it.
    pub fn of_stage(mut self, name: &str) -> Self {
        self.message = format!("{name} is needed first: {}", self.message);
        (self.secret_refused, self.user_refused, self.expired) = (false, false, false);
        self
    }
}

impl From<crate::secret::Unreadable> for Failure {
    fn from(cause: crate::secret::Unreadable) -> Self {
        let kind = if cause.is_passing() { FailureKind::Unavailable } else { FailureKind::Misconfigured };
        Self::new(kind, cause.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use nix::libc::{EACCES, EIO, EMFILE, ENOENT};

    use super::*;
    use crate::{file, secret};

    #[test]
    fn a_secret_that_may_be_readable_soon_is_unavailable_and_any_other_a_mistake() {
        let system = |code| secret::Unreadable::File {
            path: "secret".into(),
            cause: file::Unreadable::System(io::Error::from_raw_os_error(code)),
        };
        for passing in [system(EMFILE), system(EIO), secret::Unreadable::Hanging("file /secret".into())] {
            assert_eq!(Failure::from(passing).kind, FailureKind::Unavailable);
        }
        for lasting in [system(ENOENT), system(EACCES), secret::Unreadable::Unset("SECRET".into())] {
            assert_eq!(Failure::from(lasting).kind, FailureKind::Misconfigured);
        }
    }
}
