//! Cognito user pools: the `cognito-idp` API operations.

mod administration;
mod app_client;
mod client_secrets;
mod client_token;
mod describe;
pub(crate) mod machine_token;
mod parameters;
mod refresh;
mod refresh_tokens;
mod secret_hash;
mod secret_rotation;
mod sign_in;
mod user_tokens;

use crate::request::Operation;

pub(crate) use self::client_secrets::ClientSecrets;
pub(crate) use self::refresh_tokens::RefreshTokens;

/// The operation of a name.
pub(crate) fn operation(name: &str) -> Option<Operation> {
    let operation: Operation = match name {
        "GetClientToken" => client_token::get_client_token,
        "InitiateAuth" => sign_in::initiate_auth,
        "AdminInitiateAuth" => sign_in::admin_initiate_auth,
        "GetTokensFromRefreshToken" => refresh::get_tokens,
        "RevokeToken" => refresh::revoke_token,
        "DescribeUserPool" => describe::user_pool,
        "DescribeUserPoolClient" => describe::user_pool_client,
        "AddUserPoolClientSecret" => secret_rotation::add,
        "ListUserPoolClientSecrets" => secret_rotation::list,
        "DeleteUserPoolClientSecret" => secret_rotation::delete,
        _ => return None,
    };
    Some(operation)
}
