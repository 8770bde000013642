//! The secrets a source authenticates with: wherever they are, one or two of them.
//!
//! A secret is read for each request, so that a replaced one takes effect at the next. Of two the first is tried and, when the
//! server says that it is wrong, the second: a rotation has no gap in whatever order the server and this machine learn of it.
//! What was refused is read again before it counts as refused, for it may have been replaced in the meantime. When nothing is left
//! to try, the refusal is remembered ([`refused`]). [`Keyring`] reads what stands at a [`Place`], and [`Keys`] decides what is tried.

mod keys;
mod place;
mod refused;

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

pub use self::keys::Keys;
pub use self::place::{Place, Remote};
use super::{Ask, Failure, FailureKind, Stage};
use crate::environment::Environment;
use crate::lease::Lease;
use crate::secret::sha256;

/// Everything secrets are read from. Cloning shares it.
#[derive(Clone, Default)]
pub struct Keyring {
    environment: Arc<Environment>,
    remote: Arc<BTreeMap<Remote, Arc<dyn Stage<SecretString>>>>,
    insists: bool,
}

impl Keyring {
    /// Local secrets are read by `environment`; `remote` holds a stage for each secret at AWS that is configured.
    pub fn new(environment: Arc<Environment>, remote: BTreeMap<Remote, Arc<dyn Stage<SecretString>>>) -> Self {
        Self { environment, remote: Arc::new(remote), insists: false }
    }

    /// The same with what is needed for `places`, and nothing else.
    #[must_use]
    pub fn only(&self, places: &[&Place]) -> Self {
        let wanted = places.iter().filter_map(|place| place.remote());
        let found = wanted.filter_map(|remote| Some((remote.clone(), Arc::clone(self.remote.get(remote)?))));
        Self { remote: Arc::new(found.collect()), ..self.clone() }
    }

    /// The same for whoever has just added a secret and waits until it works: no refusal is remembered.
    pub fn insisting(self) -> Self {
        Self { insists: true, ..self }
    }

    /// The secret at `place`.
    ///
    /// # Errors
    /// `Misconfigured` if it cannot be read here, `Unavailable` if that may pass; as AWS answers else.
    pub async fn obtain(&self, place: &Place) -> Result<SecretString, Failure> {
        Ok(self.read(place).await?.0)
    }

    async fn read(&self, place: &Place) -> Result<(SecretString, Option<Arc<Lease<SecretString>>>), Failure> {
        match place {
            Place::Local(secret) => Ok((secret.obtain(&self.environment).await?, None)),
            Place::Remote(remote) => {
                let lease = self.stage(remote)?.held(&Ask::default()).await?;
                Ok(((*lease.value).clone(), Some(lease)))
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
                (*self.stage(remote).ok()?.newer(&Ask::default(), &lease).await?.value).clone()
            }
            _ => self.obtain(place).await.ok()?,
        };
        (Print::of(&now) != Print::of(refused)).then_some(now)
    }

    /// Does something else stand at `place` than was `refused`? A place that cannot be read holds nothing new.
    async fn holds_another(&self, place: &Place, refused: Option<&Print>) -> bool {
        let Ok((now, lease)) = self.read(place).await else { return false };
        if refused != Some(&Print::of(&now)) {
            return true;
        }
        lease.is_some() && self.replaced(place, &now, lease).await.is_some()
    }

    async fn print(&self, place: &Place) -> Option<Print> {
        self.obtain(place).await.ok().map(|secret| Print::of(&secret))
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
#[derive(Clone, PartialEq, Eq)]
pub struct Print([u8; 32]);

impl Print {
    #[expect(clippy::disallowed_methods, reason = "the digest stands for the secret")]
    fn of(secret: &SecretString) -> Self {
        Self(sha256([secret.expose_secret().as_bytes()]))
    }
}

#[cfg(test)]
#[path = "keyring_tests.rs"]
mod tests;
