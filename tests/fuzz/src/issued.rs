//! What holds for whatever a source has issued.

use std::fmt::Debug;
use std::time::Duration;

use credbroker::files::content::{self, CredentialsFormat, TokenFormat};
use credbroker::lease::Issued;
use credbroker::source::{AwsCredentials, BearerToken, Failure};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{canary, clock};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A token that a header carries, with an end within a day.
pub fn token(outcome: Result<Issued<BearerToken>, Failure>) {
    let Some(issued) = told(outcome, DAY) else { return };
    is_carried(&issued.value.token);
    if let Some(scope) = &issued.value.scope {
        assert!(scope.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{scope:?}");
    }
    let end = clock().wall_at(issued.expiry);
    let written = content::token(&issued.value, end, TokenFormat::Json);
    // A file has whole seconds.
    let read = content::end_of(&written).expect("what was written says when it ends");
    assert!(read <= end && end.duration_since(read).is_ok_and(|lost| lost < Duration::from_secs(1)));
    assert_eq!(*content::token(&issued.value, end, TokenFormat::Raw), issued.value.token.expose_secret());
}

/// Credentials that headers carry, with an end within `longest`.
pub fn credentials(outcome: Result<Issued<AwsCredentials>, Failure>, longest: Duration) {
    let Some(issued) = told(outcome, longest) else { return };
    let value = &issued.value;
    is_carried(&SecretString::from(value.access_key_id.as_str()));
    is_carried(&value.secret_access_key);
    is_carried(value.session_token.as_ref().expect("temporary credentials have one"));
    let end = clock().wall_at(issued.expiry);
    assert!(value.document(end)["Expiration"].as_str().is_some_and(|end| end.ends_with('Z')));
    for format in [CredentialsFormat::AwsProfile, CredentialsFormat::Json, CredentialsFormat::Env] {
        if let Ok(written) = content::credentials(value, end, format) {
            assert!(content::end_of(&written).is_some(), "what was written says when it ends");
        }
    }
}

/// A secret that is one.
pub fn secret(outcome: Result<Issued<SecretString>, Failure>) {
    let Some(issued) = told(outcome, DAY) else { return };
    assert!(!issued.value.expose_secret().is_empty());
}

/// What was issued, if anything was; it lives no longer than `longest`, and its Debug shows nothing.
fn told<T: Debug>(outcome: Result<Issued<T>, Failure>, longest: Duration) -> Option<Issued<T>> {
    match outcome {
        Ok(issued) => {
            assert!(issued.lifetime() <= longest, "{:?}", issued.lifetime());
            Some(issued)
        }
        Err(failure) => {
            canary::is_not_told(&failure);
            None
        }
    }
}

fn is_carried(secret: &SecretString) {
    let text = secret.expose_secret();
    assert!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
}
