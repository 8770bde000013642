//! The secrets of an app client at Amazon Cognito: `ListUserPoolClientSecrets`, `AddUserPoolClientSecret`,
//! `DeleteUserPoolClientSecret`, all signed.
//!
//! A client has one secret or two, and both work in every flow. The list shows ids and dates, never values. A value is 24 to 64
//! of `[\w+]`; one that we send is not sent back. `LimitExceededException` of Add means that there are two already, though the
//! SDK counts that code as throttling.

use std::sync::Arc;

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::types::ClientSecretDescriptorType;
use secrecy::{ExposeSecret as _, SecretString};

use crate::clock;
use crate::source::aws::{self, Identity, Sdk};
use crate::source::{Ask, Failure, FailureKind};

const WHAT: &str = "Amazon Cognito user pools";

/// One app client of one user pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The pool's id.
    pub user_pool: String,
    /// Its region.
    pub region: String,
    /// The app client's id.
    pub client_id: String,
}

/// The app client, as seen by the broker's own identity.
pub struct AppClient {
    config: Config,
    sdk: Arc<Sdk>,
    identity: Identity,
}

/// A secret that Cognito accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Since when, as RFC 3339.
    pub created: Option<String>,
}

/// A secret that was added.
pub struct Added {
    /// Its id.
    pub id: String,
    /// Its value, where Cognito chose another than ours.
    pub value: Option<SecretString>,
}

impl AppClient {
    /// `config`, asked as `identity`.
    pub fn new(config: Config, sdk: Arc<Sdk>, identity: Identity) -> Self {
        Self { config, sdk, identity }
    }

    /// What it is.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Its secrets.
    ///
    /// # Errors
    /// As AWS answers.
    pub async fn secrets(&self) -> Result<Vec<Listed>, Failure> {
        let request = self.client().await?.list_user_pool_client_secrets();
        let output = request
            .user_pool_id(&self.config.user_pool)
            .client_id(&self.config.client_id)
            .send()
            .await
            .map_err(|error| aws::failure(WHAT, "ListUserPoolClientSecrets", &error))?;
        output.client_secrets().iter().map(listed).collect()
    }

    /// Gives it a second secret.
    ///
    /// # Errors
    /// As AWS answers; where the answer is lost, it may have been added.
    #[expect(clippy::disallowed_methods, reason = "the secret is a parameter of the operation")]
    pub async fn add(&self, secret: &SecretString) -> Result<Added, Failure> {
        let request = self.client().await?.add_user_pool_client_secret();
        let output = request
            .user_pool_id(&self.config.user_pool)
            .client_id(&self.config.client_id)
            .client_secret(secret.expose_secret())
            .send()
            .await
            .map_err(|error| aws::failure(WHAT, "AddUserPoolClientSecret", &error))?;
        let descriptor = output.client_secret_descriptor().ok_or_else(|| unclear("AddUserPoolClientSecret"))?;
        let value = descriptor.client_secret_value().map(SecretString::from);
        Ok(Added { id: id_of(descriptor, "AddUserPoolClientSecret")?, value })
    }

    /// Takes the secret `id` from it.
    ///
    /// # Errors
    /// As AWS answers; where the answer is lost, it may be gone.
    pub async fn delete(&self, id: &str) -> Result<(), Failure> {
        let request = self.client().await?.delete_user_pool_client_secret();
        request
            .user_pool_id(&self.config.user_pool)
            .client_id(&self.config.client_id)
            .client_secret_id(id)
            .send()
            .await
            .map_err(|error| aws::failure(WHAT, "DeleteUserPoolClientSecret", &error))?;
        Ok(())
    }

    async fn client(&self) -> Result<Client, Failure> {
        let signer = self.identity.held(&Ask::default()).await?;
        Ok(Client::new(&self.sdk.signing(&self.config.region, &signer.value).await))
    }
}

fn listed(descriptor: &ClientSecretDescriptorType) -> Result<Listed, Failure> {
    let created = descriptor.client_secret_create_date().and_then(aws::wall).map(clock::rfc3339);
    Ok(Listed { id: id_of(descriptor, "ListUserPoolClientSecrets")?, created })
}

fn id_of(descriptor: &ClientSecretDescriptorType, operation: &str) -> Result<String, Failure> {
    descriptor.client_secret_id().map(ToOwned::to_owned).ok_or_else(|| unclear(operation))
}

fn unclear(operation: &str) -> Failure {
    Failure::new(FailureKind::Malformed, format!("{WHAT} ({operation}) answered without the id of a secret"))
}
