//! AWS Secrets Manager: `GetSecretValue`, JSON 1.1, always signed.
//!
//! A secret is asked for by name, by ARN, or by ARN without its six random characters. Without `VersionId` and
//! `VersionStage` the version labelled `AWSCURRENT` is answered.

mod secret_value;
mod secrets;

use crate::request::Operation;

pub(crate) use self::secrets::Secrets;

/// The operation of a name.
pub(crate) fn operation(name: &str) -> Option<Operation> {
    match name {
        "GetSecretValue" => Some(secret_value::get_secret_value),
        _ => None,
    }
}
