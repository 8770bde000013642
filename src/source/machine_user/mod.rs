//! A machine user of a Cognito user pool: it signs in once, then its tokens are renewed by the refresh token.
//!
//! Where the app client has a secret, a request carries `SECRET_HASH`, the Base64 of HMAC-SHA256(key = secret, message = user ||
//! client id). The user is the name sent for signing in, and the name that Cognito uses within for everything after it. A
//! challenge needs a person, so it is a failure here.
//!
//! The refresh token is kept in memory and nowhere else. It is forgotten only when renewing itself says that it is of no use: it
//! or its user is refused, or what is answered is not the token wanted. After that, and after any other failure that asking again
//! would not mend (a firewall, a trigger, a secret that cannot be read), the user signs in with the password in the same fetch,
//! because that asks another operation and may do; but then the refresh token is kept for when the cause is mended. Where the
//! upstream is down or throttles, signing in would only add to it.

mod refresh;
mod sign_in;
mod srp;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::types::AuthenticationResultType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};

use self::refresh::Operation;
use super::aws::{Identity, Sdk};
use super::bearer::{self, Grant};
use super::jwt::Claims;
use super::keyring::{Keyring, Keys, Place};
use super::{Ask, BearerToken, Failure, FailureKind, Source};
use crate::clock::{Clock, Moment};
use crate::lease::Issued;

const WHAT: &str = "Amazon Cognito user pools";

/// One user, signing in through one app client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The pool's id.
    pub user_pool: String,
    /// Its region.
    pub region: String,
    /// The app client's id.
    pub client_id: String,
    /// Its secret, where it has one, or its two.
    pub client_secret: Vec<Place>,
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: Place,
    /// How the user signs in.
    pub flow: Flow,
    /// Which of the tokens is handed out.
    pub hand_out: Which,
}

/// How the user signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// InitiateAuth with the password.
    UserPassword,
    /// AdminInitiateAuth with the password, signed by the broker's own identity.
    AdminUserPassword,
    /// InitiateAuth with a proof of the password.
    UserSrp,
}

impl Flow {
    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserPassword => "user-password",
            Self::AdminUserPassword => "admin-user-password",
            Self::UserSrp => "user-srp",
        }
    }
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
    identity: Identity,
    sdk: Arc<Sdk>,
    clock: Clock,
    password: Keys,
    secrets: Keys,
    session: Mutex<Option<Arc<Session>>>,
}

/// What renews the tokens of a user who has signed in.
struct Session {
    refresh_token: SecretString,
    /// The user as Cognito calls it.
    user: String,
    /// What renewed it last.
    by: Operation,
}

impl MachineUser {
    /// Signs in with `config`; `identity` signs what has to be signed.
    pub fn new(config: Config, identity: Identity, sdk: Arc<Sdk>, clock: Clock, keyring: Keyring) -> Self {
        let password = Keys::new(vec![config.password.clone()], keyring.clone(), clock.clone());
        let password = password.of_user(config.client_secret.clone());
        let secrets = Keys::new(config.client_secret.clone(), keyring, clock.clone());
        Self { config, identity, sdk, clock, password, secrets, session: Mutex::default() }
    }

    async fn client(&self) -> Client {
        Client::new(&self.sdk.unsigned(&self.config.region).await)
    }

    /// Makes `attempt` with the app client's secret, or its two, or none where it has none.
    async fn with_secret<F, A>(&self, attempt: F) -> Result<Issued<BearerToken>, Failure>
    where
        F: Fn(Option<SecretString>) -> A + Sync,
        A: Future<Output = Result<Issued<BearerToken>, Failure>> + Send,
    {
        if self.config.client_secret.is_empty() {
            return attempt(None).await;
        }
        self.secrets.attempt(|secret| attempt(Some(secret))).await
    }

    /// `parameters`, and the hash that proves the app client's secret for `user`.
    fn authenticated<const COUNT: usize>(
        &self,
        secret: Option<&SecretString>,
        user: &str,
        parameters: [(&str, &str); COUNT],
    ) -> HashMap<String, String> {
        let hash = secret.map(|secret| ("SECRET_HASH".to_owned(), secret_hash(secret, user, &self.config.client_id)));
        parameters.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).chain(hash).collect()
    }

    /// Keeps the refresh token of what `operation` answered, then hands out the token asked for. `session` is the one that asked.
    fn accept(
        &self,
        operation: &str,
        result: Option<&AuthenticationResultType>,
        session: Session,
        sent_at: Moment,
    ) -> Result<Issued<BearerToken>, Failure> {
        let missing = || malformed(operation, "without the token asked for");
        let result = result.ok_or_else(missing)?;
        *self.session() = session.renewed(result).map(Arc::new);
        let token = match self.config.hand_out {
            Which::Id => result.id_token(),
            Which::Access => result.access_token(),
        };
        let grant = Grant {
            access_token: SecretString::from(token.ok_or_else(missing)?),
            token_type: result.token_type().unwrap_or("Bearer").to_owned(),
            // That is of the access token; the ID token says itself when it ends.
            expires_in: match self.config.hand_out {
                Which::Id => None,
                Which::Access => Some(u64::try_from(result.expires_in()).unwrap_or(0)),
            },
            scope: None,
        };
        bearer::issued(WHAT, grant, &[], sent_at, self.sdk.reading())
    }

    fn session(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Of a `user` who has no refresh token yet.
    fn new(user: &str) -> Self {
        Self { refresh_token: SecretString::default(), user: user.to_owned(), by: Operation::GetTokens }
    }

    /// The session that goes on after `result`, if it can be renewed.
    #[expect(clippy::disallowed_methods, reason = "a session without a refresh token is none")]
    fn renewed(self, result: &AuthenticationResultType) -> Option<Self> {
        let named = result.access_token().and_then(Claims::of).and_then(|claims| claims.username);
        let refresh_token = result.refresh_token().map_or(self.refresh_token, SecretString::from);
        let user = named.unwrap_or(self.user);
        (!refresh_token.expose_secret().is_empty()).then_some(Self { refresh_token, user, by: self.by })
    }
}

#[async_trait]
impl Source<BearerToken> for MachineUser {
    async fn fetch(&self, ask: &Ask) -> Result<Issued<BearerToken>, Failure> {
        let session = self.session().clone();
        if let Some(session) = session
            && let Some(outcome) = self.refresh(&session).await
        {
            return outcome;
        }
        self.sign_in(ask).await
    }

    async fn is_mended(&self) -> bool {
        self.secrets.is_mended().await || self.password.is_mended().await
    }
}

#[expect(clippy::disallowed_methods, reason = "the secret is the key of the hash")]
fn secret_hash(secret: &SecretString, username: &str, client_id: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    STANDARD.encode(hmac::sign(&key, format!("{username}{client_id}").as_bytes()))
}

fn malformed(operation: &str, fault: &str) -> Failure {
    Failure::new(FailureKind::Malformed, format!("{WHAT} ({operation}) answered {fault}; it is asked again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(access: Option<&str>, refresh: Option<&str>) -> AuthenticationResultType {
        AuthenticationResultType::builder()
            .set_access_token(access.map(ToOwned::to_owned))
            .set_refresh_token(refresh.map(ToOwned::to_owned))
            .build()
    }

    #[test]
    fn the_secret_hash_is_cognitos() {
        let secret = SecretString::from("abcdefghijklmnopqrstuvwxyz0123456789");
        let hash = secret_hash(&secret, "svc-broker", "1example23456789");
        assert_eq!(hash, "wQ4UISV8PRCoJlCNxFmtrLX0tRxJ4L51/6QHFfIrNdk=");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test looks at it")]
    fn a_session_goes_on_with_the_newest_refresh_token_and_the_name_cognito_uses() {
        let jwt = format!("e30.{}.c2ln", STANDARD.encode(r#"{"username":"0f4e-internal!!"}"#).trim_end_matches('='));
        let first = Session::new("robot@example.com").renewed(&result(Some(&jwt), Some("r1"))).unwrap();
        assert_eq!((first.user.as_str(), first.refresh_token.expose_secret()), ("0f4e-internal!!", "r1"));
        let kept = first.renewed(&result(Some("opaque"), None)).unwrap();
        assert_eq!((kept.user.as_str(), kept.refresh_token.expose_secret()), ("0f4e-internal!!", "r1"));
        let rotated = kept.renewed(&result(None, Some("r2"))).unwrap();
        assert_eq!(rotated.refresh_token.expose_secret(), "r2");
        assert!(Session::new("robot").renewed(&result(Some(&jwt), None)).is_none(), "nothing to renew it with");
    }
}
