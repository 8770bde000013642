//! A machine user of a Cognito user pool: InitiateAuth with `USER_PASSWORD_AUTH`.
//!
//! The operation is not signed. Where the app client has a secret, `SECRET_HASH` is the Base64 of
//! HMAC-SHA256(key = secret, message = username || client id). A challenge needs a person, so it is a failure here.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_cognitoidentityprovider::types::AuthFlowType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};

use super::aws::{self, Sdk};
use super::bearer::{self, Grant};
use super::keyring::{Keyring, Place};
use super::{Ask, BearerToken, Failure, FailureKind, Source};
use crate::clock::Clock;
use crate::lease::Issued;

const WHAT: &str = "Amazon Cognito user pools";

/// One user, signing in through one app client.
#[derive(Clone, Debug)]
pub struct Config {
    /// The pool's region.
    pub region: String,
    /// The app client's id.
    pub client_id: String,
    /// Its secret, where it has one, or its two.
    pub client_secret: Vec<Place>,
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: Place,
    /// Which of the tokens is handed out.
    pub hand_out: Which,
}

/// Which of the tokens is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The ID token, the only one an identity pool accepts.
    Id,
    /// The access token.
    Access,
}

/// The source.
pub struct MachineUser {
    config: Config,
    sdk: Arc<Sdk>,
    clock: Clock,
    keyring: Keyring,
}

impl MachineUser {
    /// Signs in with `config`.
    pub fn new(config: Config, sdk: Arc<Sdk>, clock: Clock, keyring: Keyring) -> Self {
        Self { config, sdk, clock, keyring }
    }
}

#[expect(clippy::disallowed_methods, reason = "the secret is the key of the hash")]
fn secret_hash(secret: &SecretString, username: &str, client_id: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    STANDARD.encode(hmac::sign(&key, format!("{username}{client_id}").as_bytes()))
}

#[async_trait]
impl Source<BearerToken> for MachineUser {
    #[expect(clippy::disallowed_methods, reason = "the password is a parameter of the operation")]
    async fn fetch(&self, _: &Ask) -> Result<Issued<BearerToken>, Failure> {
        let config = &self.config;
        let password = self.keyring.obtain(&config.password).await?;
        let client_secret = match config.client_secret.first() {
            Some(secret) => Some(self.keyring.obtain(secret).await?),
            None => None,
        };
        let client = aws_sdk_cognitoidentityprovider::Client::new(&self.sdk.unsigned(&config.region).await);
        let mut request = client
            .initiate_auth()
            .auth_flow(AuthFlowType::UserPasswordAuth)
            .client_id(&config.client_id)
            .auth_parameters("USERNAME", &config.username)
            .auth_parameters("PASSWORD", password.expose_secret());
        if let Some(secret) = &client_secret {
            request = request.auth_parameters("SECRET_HASH", secret_hash(secret, &config.username, &config.client_id));
        }
        let sent_at = self.clock.now();
        let output = request.send().await.map_err(|error| aws::failure(WHAT, "InitiateAuth", &error))?;
        if let Some(challenge) = output.challenge_name() {
            return Err(challenged(&config.username, challenge.as_str()));
        }
        let missing = || {
            Failure::new(
                FailureKind::Malformed,
                format!("{WHAT} (InitiateAuth) answered without the token asked for; it is asked again"),
            )
        };
        let result = output.authentication_result().ok_or_else(missing)?;
        let token = match config.hand_out {
            Which::Id => result.id_token(),
            Which::Access => result.access_token(),
        };
        let grant = Grant {
            access_token: SecretString::from(token.ok_or_else(missing)?),
            token_type: result.token_type().unwrap_or("Bearer").to_owned(),
            expires_in: Some(u64::try_from(result.expires_in()).unwrap_or(0)),
            scope: None,
        };
        bearer::issued(WHAT, grant, &[], sent_at, &self.clock)
    }
}

fn challenged(username: &str, challenge: &str) -> Failure {
    let is_name = challenge.len() <= 64 && challenge.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let challenge = if is_name { challenge } else { "a challenge" };
    let remedy = match challenge {
        "NEW_PASSWORD_REQUIRED" => "set a permanent password for it",
        "SOFTWARE_TOKEN_MFA" | "SMS_MFA" | "EMAIL_OTP" | "MFA_SETUP" | "SELECT_MFA_TYPE" => {
            "turn multi-factor authentication off for it"
        }
        _ => "give it a flow that needs no person",
    };
    let message = format!("the machine user {username} is asked for {challenge}, which needs a person: {remedy}");
    Failure::new(FailureKind::Misconfigured, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_hash_is_cognitos() {
        let secret = SecretString::from("abcdefghijklmnopqrstuvwxyz0123456789");
        let hash = secret_hash(&secret, "svc-broker", "1example23456789");
        assert_eq!(hash, "wQ4UISV8PRCoJlCNxFmtrLX0tRxJ4L51/6QHFfIrNdk=");
    }

    #[test]
    fn a_challenge_says_what_to_do() {
        let failure = challenged("robot", "NEW_PASSWORD_REQUIRED");
        assert!(failure.kind.is_terminal() && failure.message.contains("permanent password"), "{failure}");
    }
}
