//! Cognito identity pools: the `cognito-identity` API operations.

mod credentials;
mod developer;
mod get_id;
mod identities;
mod logins;
mod open_id;
mod resolve;

use crate::request::Operation;

pub(crate) use self::identities::Identities;
pub(crate) use self::logins::tags_of;

/// The provider name of the identity service itself.
pub(crate) const SERVICE: &str = "cognito-identity.amazonaws.com";

/// The operation of a name.
pub(crate) fn operation(name: &str) -> Option<Operation> {
    let operation: Operation = match name {
        "GetId" => get_id::get_id,
        "GetCredentialsForIdentity" => credentials::get_credentials_for_identity,
        "GetOpenIdToken" => open_id::get_open_id_token,
        "GetOpenIdTokenForDeveloperIdentity" => developer::get_open_id_token_for_developer_identity,
        _ => return None,
    };
    Some(operation)
}
