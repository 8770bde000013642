//! How the tests sign the demo's machine user in, through clients with a secret.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::wire::{Answer, Fixture};

pub(crate) const ROBOT: &str = "robot";
pub(crate) const ALIAS: &str = "robot@example.com";
pub(crate) const SUB: &str = "0f9e8d7c-0000-4000-8000-000000000001";
pub(crate) const PASSWORD: &str = "correct horse Battery 1";

/// An app client with a secret.
#[derive(Clone, Copy)]
pub(crate) struct Confidential {
    pub(crate) id: &'static str,
    pub(crate) secret: &'static str,
}

/// Allows every flow.
pub(crate) const PLAIN: Confidential =
    Confidential { id: "8robotsecretclient", secret: "robotsecret0123456789abcdefghijklmnopqr" };

/// Rotates refresh tokens, with thirty seconds of grace.
pub(crate) const ROTATING: Confidential =
    Confidential { id: "9robotrotatingclient", secret: "rotatingsecret0123456789abcdefghijklmno" };

impl Confidential {
    /// `SECRET_HASH` over `username`.
    pub(crate) fn hash(&self, username: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        STANDARD.encode(hmac::sign(&key, format!("{username}{}", self.id).as_bytes()))
    }

    pub(crate) async fn initiate(&self, emulator: &Fixture, flow: &str, parameters: Value) -> Answer {
        let body = json!({ "ClientId": self.id, "AuthFlow": flow, "AuthParameters": parameters });
        idp(emulator, "InitiateAuth", &body).await
    }

    /// Signs in with the password; what is in `AuthenticationResult`.
    pub(crate) async fn sign_in(&self, emulator: &Fixture) -> Value {
        let answer = self.initiate(emulator, "USER_PASSWORD_AUTH", self.password_as(ROBOT)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["AuthenticationResult"].clone()
    }

    /// Parameters of a password flow, for the name sent.
    pub(crate) fn password_as(&self, name: &str) -> Value {
        json!({ "USERNAME": name, "PASSWORD": PASSWORD, "SECRET_HASH": self.hash(name) })
    }

    /// `GetTokensFromRefreshToken`
    pub(crate) async fn renew(&self, emulator: &Fixture, refresh_token: &Value) -> Answer {
        let body = json!({ "ClientId": self.id, "ClientSecret": self.secret, "RefreshToken": refresh_token });
        idp(emulator, "GetTokensFromRefreshToken", &body).await
    }
}

/// An unsigned `cognito-idp` call.
pub(crate) async fn idp(emulator: &Fixture, operation: &str, body: &Value) -> Answer {
    emulator.call(&format!("AWSCognitoIdentityProviderService.{operation}"), body).await
}

/// Asserts a refusal; its message.
pub(crate) fn refused(answer: &Answer, code: &str) -> String {
    assert_eq!((answer.status, &answer.json()["__type"]), (400, &json!(code)), "{}", answer.body);
    answer.json()["message"].as_str().unwrap_or_default().to_owned()
}
