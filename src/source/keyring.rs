//! The secrets a source authenticates with: wherever they are, one or two of them.
//!
//! A secret is read for each request, so that a replaced one takes effect at the next. Of two the first is tried and, when the
//! server says that it is wrong, the second: a rotation has no gap in whatever order the server and this machine learn of it.
//! What was refused is read again before it counts as refused, for it may have been replaced in the meantime.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret as _, SecretString};

use super::{Ask, Failure, FailureKind, Stage};
use crate::environment::Environment;
use crate::lease::{Issued, Lease};
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

/// Everything secrets are read from. Cloning shares it.
#[derive(Clone, Default)]
pub struct Keyring {
    environment: Arc<Environment>,
    remote: Arc<BTreeMap<Remote, Arc<dyn Stage<SecretString>>>>,
}

impl Keyring {
    /// Local secrets are read by `environment`; `remote` holds a stage for each secret at AWS that is configured.
    pub fn new(environment: Arc<Environment>, remote: BTreeMap<Remote, Arc<dyn Stage<SecretString>>>) -> Self {
        Self { environment, remote: Arc::new(remote) }
    }

    /// The secret at `place`.
    ///
    /// # Errors
    /// `Misconfigured` if it cannot be read here; as AWS answers else.
    pub async fn obtain(&self, place: &Place) -> Result<SecretString, Failure> {
        Ok(self.read(place).await?.0)
    }

    async fn read(&self, place: &Place) -> Result<(SecretString, Option<Arc<Lease<SecretString>>>), Failure> {
        match place {
            Place::Local(secret) => Ok((secret.obtain(&self.environment).await?, None)),
            Place::Remote(remote) => {
                let lease = self.stage(remote)?.held(&Ask::default()).await?;
                Ok((lease.value.clone(), Some(lease)))
            }
        }
    }

    /// What stands at `place` now, if that is something else than `refused`.
    async fn replaced(
        &self,
        place: &Place,
        refused: &SecretString,
        lease: Option<Arc<Lease<SecretString>>>,
    ) -> Option<SecretString> {
        let now = match (place, lease) {
            (Place::Remote(remote), Some(lease)) => {
                self.stage(remote).ok()?.newer(&Ask::default(), &lease).await?.value.clone()
            }
            _ => self.obtain(place).await.ok()?,
        };
        (Print::of(&now) != Print::of(refused)).then_some(now)
    }

    fn stage(&self, remote: &Remote) -> Result<&Arc<dyn Stage<SecretString>>, Failure> {
        let unknown = || {
            Failure::new(
                FailureKind::Misconfigured,
                format!("nothing reads {remote}; this is a mistake of credbroker, please report it"),
            )
        };
        self.remote.get(remote).ok_or_else(unknown)
    }
}

/// What stands for a secret where only sameness matters.
#[derive(PartialEq, Eq)]
struct Print([u8; 32]);

impl Print {
    #[expect(clippy::disallowed_methods, reason = "the digest stands for the secret")]
    fn of(secret: &SecretString) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, secret.expose_secret().as_bytes()).as_ref());
        Self(bytes)
    }
}

/// One secret, or two of which either may be the live one.
pub struct Keys {
    keyring: Keyring,
    places: Vec<Place>,
    /// The content of the first that was refused while the second was not.
    retired: Mutex<Option<Print>>,
}

impl Keys {
    /// The secrets at `places`, to be tried in this order.
    pub fn new(places: Vec<Place>, keyring: Keyring) -> Self {
        Self { keyring, places, retired: Mutex::default() }
    }

    /// Makes `attempt` with the secret; where the server refuses it (`secret_refused`), with what has taken its place since, then
    /// with the other one. A first secret that was refused while the second one worked is not tried before the second again
    /// until it is replaced.
    ///
    /// # Errors
    /// The failure of the last attempt, or that no secret can be read.
    pub async fn attempt<T, F, A>(&self, attempt: F) -> Result<Issued<T>, Failure>
    where
        F: Fn(SecretString) -> A + Sync,
        A: Future<Output = Result<Issued<T>, Failure>> + Send,
        T: Send,
    {
        let mut last = None;
        for place in self.order().await {
            match self.attempt_at(place, &attempt).await {
                Ok((issued, used)) => {
                    self.note(place, &used).await;
                    return Ok(self.marked(issued, place));
                }
                Err(failure) if failure.secret_refused => last = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        Err(last.unwrap_or_else(|| Failure::new(FailureKind::Misconfigured, "no secret is configured")))
    }

    async fn attempt_at<T, F, A>(&self, place: &Place, attempt: &F) -> Result<(Issued<T>, SecretString), Failure>
    where
        F: Fn(SecretString) -> A + Sync,
        A: Future<Output = Result<Issued<T>, Failure>> + Send,
        T: Send,
    {
        let (secret, lease) = self.keyring.read(place).await.map_err(|failure| self.unread(failure))?;
        match attempt(secret.clone()).await {
            Err(refused) if refused.secret_refused => match self.keyring.replaced(place, &secret, lease).await {
                Some(replaced) => attempt(replaced.clone()).await.map(|issued| (issued, replaced)),
                None => Err(refused),
            },
            outcome => outcome.map(|issued| (issued, secret)),
        }
    }

    /// A secret that cannot be read is no reason not to try the other one.
    fn unread(&self, failure: Failure) -> Failure {
        Failure { secret_refused: self.places.len() > 1, ..failure }
    }

    async fn order(&self) -> Vec<&Place> {
        let mut order: Vec<&Place> = self.places.iter().collect();
        if order.len() == 2 && self.is_retired(order[0]).await {
            order.reverse();
        }
        order
    }

    async fn is_retired(&self, first: &Place) -> bool {
        let remembered = self.retired().is_some();
        remembered && self.keyring.obtain(first).await.is_ok_and(|now| *self.retired() == Some(Print::of(&now)))
    }

    /// `used`, at `place`, is the live one.
    async fn note(&self, place: &Place, used: &SecretString) {
        let [first, _] = &self.places[..] else { return };
        let retired = if place == first { None } else { self.keyring.obtain(first).await.ok() };
        let retired = retired.map(|secret| Print::of(&secret)).filter(|print| *print != Print::of(used));
        *self.retired() = retired;
    }

    fn marked<T>(&self, issued: Issued<T>, place: &Place) -> Issued<T> {
        let which = match self.places.iter().position(|other| other == place) {
            _ if self.places.len() < 2 => return issued,
            Some(0) => "first",
            _ => "second",
        };
        Issued { obtained_with: Some(format!("{which} of two, {place}").into()), ..issued }
    }

    fn retired(&self) -> std::sync::MutexGuard<'_, Option<Print>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "keyring_tests.rs"]
mod tests;
