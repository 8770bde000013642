//! Signing in: InitiateAuth and AdminInitiateAuth with the password, or InitiateAuth and RespondToAuthChallenge with its proof.
//! Only the admin operation is signed.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::operation::RequestId as _;
use aws_sdk_cognitoidentityprovider::types::{AuthFlowType, ChallengeNameType};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::srp::{self, Challenge, Exchange};
use super::{Flow, MachineUser, Session, WHAT, malformed};
use crate::lease::{Issued, Lease};
use crate::source::{Ask, AwsCredentials, BearerToken, Failure, FailureKind, aws};

impl MachineUser {
    /// Signs in with the password.
    pub(super) async fn sign_in(&self, ask: &Ask) -> Result<Issued<BearerToken>, Failure> {
        self.password
            .attempt(|password| async move {
                let password = &password;
                self.with_secret(move |secret| self.sign_in_with(ask, password, secret)).await
            })
            .await
    }

    async fn sign_in_with(
        &self,
        ask: &Ask,
        password: &SecretString,
        secret: Option<SecretString>,
    ) -> Result<Issued<BearerToken>, Failure> {
        match self.config.flow {
            Flow::UserPassword => self.user_password(password, secret.as_ref()).await,
            Flow::AdminUserPassword => {
                let secret = secret.as_ref();
                let sign_in = |signer: Arc<Lease<_>>| async move {
                    self.admin_user_password(&signer.value, password, secret).await
                };
                aws::signed_by(&self.sdk, &self.identity, ask, sign_in).await
            }
            Flow::UserSrp => self.user_srp(password, secret.as_ref()).await,
        }
    }

    async fn user_password(
        &self,
        password: &SecretString,
        secret: Option<&SecretString>,
    ) -> Result<Issued<BearerToken>, Failure> {
        let request = self
            .client()
            .await
            .initiate_auth()
            .auth_flow(AuthFlowType::UserPasswordAuth)
            .client_id(&self.config.client_id)
            .set_auth_parameters(Some(self.name_and_password(password, secret)));
        let sent_at = self.clock.now();
        let output = request.send().await.map_err(|error| aws::failure(WHAT, "InitiateAuth", &error))?;
        self.unchallenged(output.challenge_name())?;
        self.accept("InitiateAuth", output.authentication_result(), Session::new(&self.config.username), sent_at)
            .map(|issued| issued.by_request(output.request_id()))
    }

    async fn admin_user_password(
        &self,
        signer: &AwsCredentials,
        password: &SecretString,
        secret: Option<&SecretString>,
    ) -> Result<Issued<BearerToken>, Failure> {
        let request = Client::new(&self.sdk.signing(&self.config.region, signer).await)
            .admin_initiate_auth()
            .auth_flow(AuthFlowType::AdminUserPasswordAuth)
            .user_pool_id(&self.config.user_pool)
            .client_id(&self.config.client_id)
            .set_auth_parameters(Some(self.name_and_password(password, secret)));
        let sent_at = self.clock.now();
        let output = request.send().await.map_err(|error| aws::failure(WHAT, "AdminInitiateAuth", &error))?;
        self.unchallenged(output.challenge_name())?;
        self.accept("AdminInitiateAuth", output.authentication_result(), Session::new(&self.config.username), sent_at)
            .map(|issued| issued.by_request(output.request_id()))
    }

    #[expect(clippy::disallowed_methods, reason = "the password is a parameter of the operation")]
    fn name_and_password(&self, password: &SecretString, secret: Option<&SecretString>) -> HashMap<String, String> {
        let username = &self.config.username;
        self.authenticated(secret, username, [("USERNAME", username), ("PASSWORD", password.expose_secret())])
    }

    async fn user_srp(
        &self,
        password: &SecretString,
        secret: Option<&SecretString>,
    ) -> Result<Issued<BearerToken>, Failure> {
        let (client, username) = (self.client().await, &self.config.username);
        let exchange = Exchange::new(&*exponent()?);
        let opening = [("USERNAME", username.as_str()), ("SRP_A", &exchange.public())];
        let output = client
            .initiate_auth()
            .auth_flow(AuthFlowType::UserSrpAuth)
            .client_id(&self.config.client_id)
            .set_auth_parameters(Some(self.authenticated(secret, username, opening)))
            .send()
            .await
            .map_err(|error| aws::failure(WHAT, "InitiateAuth", &error))?;
        let Some(ChallengeNameType::PasswordVerifier) = output.challenge_name() else {
            self.unchallenged(output.challenge_name())?;
            return Err(malformed("InitiateAuth", "without the challenge that USER_SRP_AUTH begins with"));
        };
        let challenge = output.challenge_parameters().and_then(challenge);
        let challenge = challenge.ok_or_else(|| malformed("InitiateAuth", "a challenge with a part missing"))?;
        let request = client
            .respond_to_auth_challenge()
            .challenge_name(ChallengeNameType::PasswordVerifier)
            .client_id(&self.config.client_id)
            .set_session(output.session().map(ToOwned::to_owned))
            .set_challenge_responses(Some(self.proof(&exchange, &challenge, password, secret)?));
        let sent_at = self.clock.now();
        let output = request.send().await.map_err(|error| aws::failure(WHAT, "RespondToAuthChallenge", &error))?;
        self.unchallenged(output.challenge_name())?;
        let session = Session::new(challenge.user);
        self.accept("RespondToAuthChallenge", output.authentication_result(), session, sent_at)
            .map(|issued| issued.by_request(output.request_id()))
    }

    /// The answer to `challenge`.
    fn proof(
        &self,
        exchange: &Exchange,
        challenge: &Challenge<'_>,
        password: &SecretString,
        secret: Option<&SecretString>,
    ) -> Result<HashMap<String, String>, Failure> {
        let timestamp = srp::timestamp(self.sdk.reading().wall_at(self.clock.now()));
        let signature = exchange
            .prove(&self.config.user_pool, password, challenge, &timestamp)
            .map_err(|refused| malformed("InitiateAuth", &refused.to_string()))?;
        let answer = [
            ("USERNAME", challenge.user),
            ("PASSWORD_CLAIM_SECRET_BLOCK", challenge.secret_block),
            ("PASSWORD_CLAIM_SIGNATURE", &signature),
            ("TIMESTAMP", &timestamp),
        ];
        Ok(self.authenticated(secret, challenge.user, answer))
    }

    fn unchallenged(&self, challenge: Option<&ChallengeNameType>) -> Result<(), Failure> {
        challenge.map_or(Ok(()), |name| Err(challenged(&self.config.username, name.as_str())))
    }
}

/// A secret exponent nobody can foresee.
fn exponent() -> Result<Zeroizing<[u8; 128]>, Failure> {
    let mut random = Zeroizing::new([0; 128]);
    let without = |_| Failure::new(FailureKind::Unavailable, "this machine gives no random numbers; it is asked again");
    SystemRandom::new().fill(&mut *random).map_err(without)?;
    Ok(random)
}

fn challenge(parameters: &HashMap<String, String>) -> Option<Challenge<'_>> {
    let part = |name: &str| parameters.get(name).map(String::as_str);
    Some(Challenge {
        user: part("USER_ID_FOR_SRP")?,
        salt: part("SALT")?,
        server: part("SRP_B")?,
        secret_block: part("SECRET_BLOCK")?,
    })
}

/// The challenges of InitiateAuth and RespondToAuthChallenge.
const CHALLENGES: [&str; 14] = [
    "NEW_PASSWORD_REQUIRED",
    "SOFTWARE_TOKEN_MFA",
    "SMS_MFA",
    "SMS_OTP",
    "EMAIL_OTP",
    "MFA_SETUP",
    "SELECT_MFA_TYPE",
    "SELECT_CHALLENGE",
    "PASSWORD",
    "PASSWORD_SRP",
    "WEB_AUTHN",
    "CUSTOM_CHALLENGE",
    "DEVICE_SRP_AUTH",
    "DEVICE_PASSWORD_VERIFIER",
];

fn challenged(username: &str, challenge: &str) -> Failure {
    // Only names that are known are repeated.
    let challenge = CHALLENGES.into_iter().find(|known| *known == challenge).unwrap_or("a challenge");
    let remedy = match challenge {
        "NEW_PASSWORD_REQUIRED" => "set a permanent password for it",
        "SOFTWARE_TOKEN_MFA" | "SMS_MFA" | "SMS_OTP" | "EMAIL_OTP" | "MFA_SETUP" | "SELECT_MFA_TYPE" => {
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
    fn a_challenge_says_what_to_do() {
        for (name, remedy) in [
            ("NEW_PASSWORD_REQUIRED", "permanent password"),
            ("MFA_SETUP", "multi-factor authentication off"),
            ("SOFTWARE_TOKEN_MFA", "multi-factor authentication off"),
            ("CUSTOM_CHALLENGE", "a flow that needs no person"),
        ] {
            let failure = challenged("robot", name);
            assert!(failure.kind.is_terminal() && failure.message.contains(name), "{failure}");
            assert!(failure.message.contains(remedy), "{failure}");
        }
        assert!(!challenged("robot", "hunter2").message.contains("hunter2"));
    }

    #[test]
    fn a_challenge_with_a_part_missing_is_none() {
        let parts = ["USER_ID_FOR_SRP", "SALT", "SRP_B", "SECRET_BLOCK"];
        let whole: HashMap<_, _> = parts.map(|name| (name.to_owned(), name.to_lowercase())).into();
        assert_eq!(challenge(&whole).map(|challenge| challenge.server), Some("srp_b"));
        for name in parts {
            let mut lacking = whole.clone();
            lacking.remove(name);
            assert!(challenge(&lacking).is_none(), "{name}");
        }
    }
}
