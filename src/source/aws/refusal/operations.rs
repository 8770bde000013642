//! Codes that mean something of their own at one operation, so that the remedy can name what the operator looks at there.

use super::Meaning;
use crate::source::FailureKind;

/// What `code` means at `operation`, if it means something of its own there.
pub fn meaning(operation: &str, code: &str) -> Option<Meaning> {
    match operation {
        "GetClientToken" => client_token(code),
        "InitiateAuth"
        | "AdminInitiateAuth"
        | "RespondToAuthChallenge"
        | "GetTokensFromRefreshToken"
        | "InitiateAuth, REFRESH_TOKEN_AUTH" => machine_user(operation, code),
        "DescribeUserPoolClient"
        | "ListUserPoolClientSecrets"
        | "AddUserPoolClientSecret"
        | "DeleteUserPoolClientSecret" => app_client(operation, code),
        "GetId" | "GetCredentialsForIdentity" | "GetOpenIdToken" => identity_pool(code),
        "GetOpenIdTokenForDeveloperIdentity" => developer_identity(code),
        "AssumeRole" => assume_role(code),
        "AssumeRoleWithWebIdentity" => web_identity(code),
        "GetWebIdentityToken" => identity_token(code),
        "GetSecretValue" => secret_value(code),
        _ => None,
    }
}

fn client_token(code: &str) -> Option<Meaning> {
    use FailureKind::{Denied, Misconfigured};
    Some(match code {
        "NotAuthorizedException" => (
            Denied,
            "the client id or the client secret is wrong, or the app client does not have ALLOW_CLIENT_TOKEN_AUTH; put the current secret in its place, or enable that flow",
        ),
        "InvalidParameterException" => (Misconfigured, "check client_id, scopes, metadata and the form of the secret"),
        "ResourceNotFoundException" => (Misconfigured, "there is no such app client; check client_id and user_pool"),
        "OperationNotEnabledException" => {
            (Misconfigured, "the operation is not available for this user pool; set domain to use its token endpoint")
        }
        _ => return None,
    })
}

fn machine_user(operation: &str, code: &str) -> Option<Meaning> {
    use FailureKind::{Denied, Misconfigured};
    Some(match code {
        "NotAuthorizedException"
            if matches!(operation, "InitiateAuth" | "AdminInitiateAuth" | "RespondToAuthChallenge") =>
        {
            (
                Denied,
                "the user's name or password or the client's secret is wrong, the user is disabled, or the app client does not have the flow; put the current password in its place, or enable the flow",
            )
        }
        "NotAuthorizedException" => (
            Denied,
            "the refresh token or the client's secret is not accepted any more; the machine user signs in again",
        ),
        "AccessDeniedException" => {
            (Denied, "allow cognito-idp:AdminInitiateAuth on the user pool for the broker's identity")
        }
        "InvalidParameterException" => {
            (Misconfigured, "check client_id, username and flow, and enable that flow on the app client")
        }
        "ResourceNotFoundException" => (Misconfigured, "there is no such app client; check client_id and user_pool"),
        "OperationNotEnabledException" | "UnsupportedOperationException" => {
            (Misconfigured, "the user pool does not offer it; choose another flow")
        }
        _ => return None,
    })
}

fn app_client(operation: &str, code: &str) -> Option<Meaning> {
    use FailureKind::{Denied, Misconfigured};
    Some(match (operation, code) {
        ("AddUserPoolClientSecret", "LimitExceededException") => {
            (Denied, "the app client has two secrets already; delete the one that is not in use")
        }
        ("DeleteUserPoolClientSecret", "InvalidParameterException") => {
            (Misconfigured, "the last secret of an app client cannot be deleted; list its secrets")
        }
        (operation, "NotAuthorizedException" | "AccessDeniedException") => (Denied, allow(operation)),
        (_, "InvalidParameterException") => (Misconfigured, "check user_pool and client_id"),
        (_, "ResourceNotFoundException") => {
            (Misconfigured, "there is no such app client; check user_pool and client_id, and the account")
        }
        _ => return None,
    })
}

/// Which action of the app client's administration is to be allowed.
fn allow(operation: &str) -> &'static str {
    match operation {
        "DescribeUserPoolClient" => {
            "allow cognito-idp:DescribeUserPoolClient on the user pool for the broker's identity"
        }
        "AddUserPoolClientSecret" => "allow cognito-idp:AddUserPoolClientSecret on the user pool for whoever rotates",
        "ListUserPoolClientSecrets" => {
            "allow cognito-idp:ListUserPoolClientSecrets on the user pool for whoever rotates"
        }
        _ => "allow cognito-idp:DeleteUserPoolClientSecret on the user pool for whoever rotates",
    }
}

fn identity_pool(code: &str) -> Option<Meaning> {
    use FailureKind::{Denied, Misconfigured};
    Some(match code {
        "NotAuthorizedException" => (
            Denied,
            "the login token is refused, or there is none and the pool takes no guests; it must be a valid ID token (use = \"id\") of a provider that the pool trusts",
        ),
        "ResourceConflictException" => {
            (Misconfigured, "the login belongs to another identity of the pool; unlink it from that one")
        }
        "ResourceNotFoundException" => (
            Misconfigured,
            "there is no such identity pool or identity; check identity_pool, the region in it and login",
        ),
        "InvalidParameterException" => (
            Misconfigured,
            "check login and role_arn; flow = \"basic\" needs a pool that allows the classic flow and maps no roles",
        ),
        "InvalidIdentityPoolConfigurationException" => (
            Misconfigured,
            "give the identity pool a role for this login, and let the role's trust policy name the pool",
        ),
        "LimitExceededException" => (FailureKind::Throttled, "too many identities at once; it is asked again later"),
        _ => return None,
    })
}

fn developer_identity(code: &str) -> Option<Meaning> {
    use FailureKind::{Denied, Misconfigured};
    Some(match code {
        "NotAuthorizedException" | "AccessDeniedException" => (
            Denied,
            "allow cognito-identity:GetOpenIdTokenForDeveloperIdentity on the identity pool for the broker's identity",
        ),
        "DeveloperUserAlreadyRegisteredException" | "ResourceConflictException" => {
            (Misconfigured, "the developer user belongs to another identity of the pool; unlink it from that one")
        }
        "InvalidParameterException" => (Misconfigured, "check the provider and the user of login, and the tags"),
        "ResourceNotFoundException" => {
            (Misconfigured, "there is no such identity pool or identity; check identity_pool and the region in it")
        }
        _ => return None,
    })
}

fn assume_role(code: &str) -> Option<Meaning> {
    use FailureKind::{Denied, Misconfigured};
    Some(match code {
        "AccessDenied" | "AccessDeniedException" => (
            Denied,
            "allow sts:AssumeRole (and sts:TagSession, sts:SetSourceIdentity where used) to the identity that asks, and let the role's trust policy name it",
        ),
        "ValidationError" | "ValidationException" => (
            Misconfigured,
            "check duration against the role's maximum (1 h in a chain), role_arn, session_name, tags and policy",
        ),
        _ => return None,
    })
}

fn web_identity(code: &str) -> Option<Meaning> {
    use FailureKind::{Denied, Misconfigured, Unavailable};
    Some(match code {
        "AccessDenied" | "AccessDeniedException" => {
            (Denied, "let the role's trust policy name the token's issuer, audience and subject")
        }
        "InvalidIdentityToken" => (
            Denied,
            "the token is refused; register its issuer as an OIDC provider in IAM with the token's audience, and check that it is a JWT",
        ),
        "IDPRejectedClaim" => (Denied, "the token's issuer has expired or revoked it; get a new one there"),
        "ExpiredToken" | "ExpiredTokenException" => (Unavailable, "the token has expired; a fresh one is needed"),
        "IDPCommunicationError" => (
            Unavailable,
            "AWS cannot fetch the keys of the token's issuer, which must be reachable from there; it is asked again",
        ),
        "ValidationError" | "ValidationException" => {
            (Misconfigured, "check duration against the role's maximum, role_arn, session_name and policy")
        }
        _ => return None,
    })
}

fn identity_token(code: &str) -> Option<Meaning> {
    use FailureKind::{Denied, Misconfigured};
    Some(match code {
        "AccessDenied" | "AccessDeniedException" => {
            (Denied, "allow sts:GetWebIdentityToken, with this audience and lifetime, to the identity that asks")
        }
        "OutboundWebIdentityFederationDisabledException" | "OutboundWebIdentityFederationDisabled" => {
            (Misconfigured, "enable it for the account with iam:EnableOutboundWebIdentityFederation")
        }
        "SessionDurationEscalationException" => {
            (Misconfigured, "lifetime is longer than what is left of the session that asks; shorten lifetime")
        }
        "JWTPayloadSizeExceededException" => {
            (Misconfigured, "the token would be too large; name fewer audiences, or give the session fewer tags")
        }
        "ValidationError" | "ValidationException" => (Misconfigured, "check audience, lifetime and algorithm"),
        _ => return None,
    })
}

fn secret_value(code: &str) -> Option<Meaning> {
    use FailureKind::{Denied, Misconfigured, Unavailable};
    Some(match code {
        "AccessDenied" | "AccessDeniedException" => (
            Denied,
            "allow secretsmanager:GetSecretValue on the secret for the broker's identity, and kms:Decrypt on its key",
        ),
        "DecryptionFailure" => (
            Denied,
            "the secret cannot be decrypted; enable its KMS key and allow kms:Decrypt on it for the broker's identity",
        ),
        "ResourceNotFoundException" => (
            Misconfigured,
            "there is no such secret, or none with that stage; check secrets_manager, stage and the region",
        ),
        "InvalidParameterException" => (Misconfigured, "check secrets_manager and stage"),
        "InvalidRequestException" => (
            Misconfigured,
            "the secret cannot be read in its state; restore it if it is marked for deletion, or give it a value",
        ),
        "InternalServiceError" => (Unavailable, "it is asked again"),
        _ => return None,
    })
}
