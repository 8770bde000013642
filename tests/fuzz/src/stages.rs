//! Earlier stages that hold something and never anything newer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use credbroker::environment::Environment;
use credbroker::lease::{Issued, Lease};
use credbroker::source::aws::{self, Sdk};
use credbroker::source::keyring::{Keyring, Place, Remote};
use credbroker::source::upstream::Upstream;
use credbroker::source::{Ask, AwsCredentials, BearerToken, Failure, Stage};
use secrecy::SecretString;

use crate::clock;

/// It holds this.
struct Held<T>(Arc<Lease<T>>);

#[async_trait]
impl<T: Send + Sync> Stage<T> for Held<T> {
    async fn held(&self, _: &Ask) -> Result<Arc<Lease<T>>, Failure> {
        Ok(Arc::clone(&self.0))
    }

    async fn newer(&self, _: &Ask, _: &Lease<T>) -> Option<Arc<Lease<T>>> {
        None
    }
}

fn holding<T: Send + Sync + 'static>(value: T) -> Arc<dyn Stage<T>> {
    let now = clock().now();
    let end = now.plus(Duration::from_secs(3_600));
    Arc::new(Held(Arc::new(Lease::new(Issued::new(value, now, end), end))))
}

/// Credentials that sign.
pub fn identity() -> aws::Identity {
    holding(AwsCredentials {
        access_key_id: "AKIAEXAMPLE".to_owned(),
        secret_access_key: SecretString::from("secret"),
        session_token: Some(SecretString::from("session")),
        account_id: None,
        role_arn: None,
    })
}

/// A token that logs in.
pub fn token() -> Arc<dyn Stage<BearerToken>> {
    holding(BearerToken { token: SecretString::from("login"), scope: None })
}

/// Where the secret of every client is.
pub fn place() -> Place {
    Place::Remote(remote())
}

fn remote() -> Remote {
    Remote::SecretsManager { id: "secret".to_owned(), key: None, stage: "AWSCURRENT".to_owned() }
}

/// What holds that secret, so that none is read from the machine.
pub fn keyring() -> Keyring {
    let stages = BTreeMap::from([(remote(), holding(SecretString::from("client-secret")))]);
    Keyring::new(Arc::new(Environment::default()), stages)
}

/// The SDK, in Ireland, with `upstream` for AWS.
pub fn sdk(upstream: Upstream) -> Arc<Sdk> {
    let config = aws::Config { region: Some("eu-west-1".to_owned()), profile: None };
    Arc::new(Sdk::new(config, upstream, clock()))
}
