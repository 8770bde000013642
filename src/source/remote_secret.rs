//! Secrets at AWS, asked for with the broker's own identity: DescribeUserPoolClient of Amazon Cognito user pools and
//! GetSecretValue of Secrets Manager.
//!
//! They are kept for a minute: the quota of DescribeUserPoolClient is 15 a second for a whole account, so it is never asked
//! per token. Whoever is refused with one asks for a newer one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use secrecy::SecretString;
use serde_json::Value;
use zeroize::Zeroizing;

use super::aws::{self, Identity, Sdk};
use super::keyring::Remote;
use super::{Ask, AwsCredentials, Failure, FailureKind, Source};
use crate::clock::Clock;
use crate::lease::Issued;

/// For so long a secret is not asked for again.
const LIFETIME: Duration = Duration::from_secs(60);

/// The source of one secret.
pub struct RemoteSecret {
    remote: Remote,
    sdk: Arc<Sdk>,
    identity: Identity,
    clock: Clock,
}

impl RemoteSecret {
    /// Asks for `remote` as `identity`.
    pub fn new(remote: Remote, sdk: Arc<Sdk>, identity: Identity, clock: Clock) -> Self {
        Self { remote, sdk, identity, clock }
    }

    async fn ask(&self, signer: &AwsCredentials) -> Result<SecretString, Failure> {
        match &self.remote {
            Remote::UserPoolClient { user_pool, region, client_id } => {
                self.describe(signer, user_pool, region, client_id).await
            }
            Remote::SecretsManager { id, key, stage } => self.secret_value(signer, id, key.as_deref(), stage).await,
        }
    }

    async fn describe(
        &self,
        signer: &AwsCredentials,
        user_pool: &str,
        region: &str,
        client_id: &str,
    ) -> Result<SecretString, Failure> {
        let settings = self.sdk.signing(region, signer).await;
        let output = aws_sdk_cognitoidentityprovider::Client::new(&settings)
            .describe_user_pool_client()
            .user_pool_id(user_pool)
            .client_id(client_id)
            .send()
            .await
            .map_err(|error| aws::failure("Amazon Cognito user pools", "DescribeUserPoolClient", &error))?;
        let secret =
            output.user_pool_client().and_then(|client| client.client_secret()).filter(|text| !text.is_empty());
        secret.map(SecretString::from).ok_or_else(|| self.without("the app client has no secret"))
    }

    async fn secret_value(
        &self,
        signer: &AwsCredentials,
        id: &str,
        key: Option<&str>,
        stage: &str,
    ) -> Result<SecretString, Failure> {
        let settings = match region_of(id) {
            Some(region) => self.sdk.signing(region, signer).await,
            None => self.sdk.signing_at_home(signer).await?,
        };
        let output = aws_sdk_secretsmanager::Client::new(&settings)
            .get_secret_value()
            .secret_id(id)
            .version_stage(stage)
            .send()
            .await
            .map_err(|error| aws::failure("AWS Secrets Manager", "GetSecretValue", &error))?;
        self.part(&text_of(output).ok_or_else(|| self.without("it is not a text"))?, key)
    }

    /// All of the text without one trailing newline, or what its JSON holds under `key`.
    fn part(&self, text: &str, key: Option<&str>) -> Result<SecretString, Failure> {
        let text = match key {
            None => text.strip_suffix('\n').unwrap_or(text).to_owned(),
            Some(key) => {
                let json: Value =
                    serde_json::from_str(text).map_err(|_| self.without("it is not JSON, though a key is given"))?;
                let value = json.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
                value.ok_or_else(|| self.without("its JSON holds no text under that key"))?
            }
        };
        if text.is_empty() { Err(self.without("it is empty")) } else { Ok(SecretString::from(text)) }
    }

    fn without(&self, fault: &str) -> Failure {
        Failure::new(FailureKind::Misconfigured, format!("{} gives no secret: {fault}", self.remote))
    }
}

/// The region in an ARN; a name has none and is looked for in the broker's own.
fn region_of(id: &str) -> Option<&str> {
    id.strip_prefix("arn:")?.split(':').nth(2).filter(|region| !region.is_empty())
}

fn text_of(output: GetSecretValueOutput) -> Option<Zeroizing<String>> {
    let GetSecretValueOutput { secret_string, secret_binary, .. } = output;
    let binary = || String::from_utf8(secret_binary?.into_inner()).ok();
    secret_string.or_else(binary).map(Zeroizing::new)
}

#[async_trait]
impl Source<SecretString> for RemoteSecret {
    async fn fetch(&self, _: &Ask) -> Result<Issued<SecretString>, Failure> {
        let sent_at = self.clock.now();
        let all = Ask::default();
        let secret =
            aws::signed_by(&self.sdk, &self.identity, &all, |signer| async move { self.ask(&signer.value).await })
                .await?;
        let expiry = sent_at.plus(LIFETIME);
        // Nobody needs it before the next request does.
        Ok(Issued { renewable: false, ..Issued::new(secret, sent_at, expiry) })
    }
}
