//! The table: what an upstream says, and what callers and operators read of it.

/// How a failure looks from outside.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    /// In `/v1/status`.
    pub kind: &'static str,
    /// For a caller.
    pub status: u16,
    /// On OAuth paths.
    pub error: &'static str,
    /// On credentials paths.
    pub code: &'static str,
}

const fn seen(kind: &'static str, status: u16, error: &'static str, code: &'static str) -> Seen {
    Seen { kind, status, error, code }
}

pub const DENIED: Seen = seen("denied", 502, "upstream_denied", "UpstreamDenied");
pub const WRONG: Seen = seen("misconfigured", 502, "upstream_misconfigured", "UpstreamMisconfigured");
pub const THROTTLED: Seen = seen("throttled", 503, "temporarily_unavailable", "UpstreamThrottled");
pub const DOWN: Seen = seen("unavailable", 503, "temporarily_unavailable", "UpstreamUnavailable");
pub const ODD: Seen = seen("malformed", 503, "temporarily_unavailable", "UpstreamMalformed");
/// Nothing is seen of it: the machine user gets its token in another way in the same fetch.
pub const HELPED: Seen = seen("", 200, "", "");

/// Operation (`token` and `oauth2` are token endpoints); error code, or a challenge, or a body that is no error of the protocol;
/// the upstream's status; what is seen; a part of the remedy.
pub type Row = (&'static str, &'static str, u16, Seen, &'static str);

const AGAIN: &str = "asked again";
const FEWER: &str = "fewer requests";
const QUOTA: &str = "quota";
const FIREWALL: &str = "firewall";
const NO_CLIENT: &str = "client_id and user_pool";
const TRIGGER: &str = "trigger of the user pool fails; look at its log";
const USER: &str = "put the current password in its place";
const FLOW: &str = "enable that flow on the app client";
const FACTOR: &str = "multi-factor authentication off";
const LOGIN: &str = "valid ID token";
const UNLINK: &str = "unlink it";
const POOL_ID: &str = "check identity_pool";
const NEWER: &str = "asked again with newer ones";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    // Cognito's token endpoint.
    ("token", "invalid_request", 400, WRONG, "check domain, scopes and metadata"),
    ("token", "invalid_client", 400, DENIED, "client secret"),
    ("token", "invalid_grant", 400, DENIED, "check the app client and its scopes"),
    ("token", "unauthorized_client", 400, DENIED, "enable that flow on the app client"),
    ("token", "unsupported_grant_type", 400, WRONG, "check domain"),
    ("token", "invalid_scope", 400, WRONG, "allow them on the app client or change scopes"),
    ("token", "TooManyRequestsException", 400, THROTTLED, FEWER),
    ("token", "TooManyRequestsException", 429, THROTTLED, FEWER),
    ("token", "Rate exceeded", 400, THROTTLED, FEWER),
    ("token", "{\"message\":\"Too many requests\"}", 403, THROTTLED, FEWER),
    ("token", "<html>Rate exceeded</html>", 429, THROTTLED, FEWER),
    ("token", "<html>403 Forbidden</html>", 403, DENIED, FIREWALL),
    ("token", "<html>Bad request</html>", 400, ODD, "check domain"),
    ("token", "<html>Not found</html>", 404, WRONG, "check domain"),
    ("token", "{\"error\":", 400, ODD, "check domain"),
    ("token", "something_new", 400, ODD, "check domain"),
    ("token", "<html>OK</html>", 200, ODD, "access_token"),
    ("token", "invalid_client", 500, DOWN, AGAIN),
    ("token", "<html>Bad gateway</html>", 502, DOWN, AGAIN),
    ("token", "<html>Unavailable</html>", 503, DOWN, AGAIN),

    // Any other server's.
    ("oauth2", "invalid_request", 400, WRONG, "check token_endpoint, client_auth"),
    ("oauth2", "invalid_client", 400, DENIED, "client secret"),
    ("oauth2", "invalid_client", 401, DENIED, "client secret"),
    ("oauth2", "invalid_grant", 400, DENIED, "check the client and its scopes"),
    ("oauth2", "unauthorized_client", 400, DENIED, "enable that flow on the client"),
    ("oauth2", "unauthorized_client", 401, DENIED, "client secret"),
    ("oauth2", "unsupported_grant_type", 400, WRONG, "check token_endpoint"),
    ("oauth2", "invalid_scope", 400, WRONG, "change scopes"),
    ("oauth2", "invalid_target", 400, WRONG, "check resource and audience"),
    ("oauth2", "access_denied", 403, DENIED, "allow it on the client"),
    ("oauth2", "server_error", 400, DOWN, AGAIN),
    ("oauth2", "temporarily_unavailable", 503, DOWN, AGAIN),
    ("oauth2", "slow_down", 400, THROTTLED, FEWER),
    ("oauth2", "<html>Unauthorized</html>", 401, DENIED, "client secret"),

    ("GetClientToken", "NotAuthorizedException", 400, DENIED, "ALLOW_CLIENT_TOKEN_AUTH"),
    ("GetClientToken", "ForbiddenException", 400, DENIED, FIREWALL),
    ("GetClientToken", "InvalidParameterException", 400, WRONG, "check client_id, scopes, metadata"),
    ("GetClientToken", "ResourceNotFoundException", 400, WRONG, NO_CLIENT),
    ("GetClientToken", "OperationNotEnabledException", 400, WRONG, "set domain"),
    ("GetClientToken", "TooManyRequestsException", 400, THROTTLED, QUOTA),
    ("GetClientToken", "InternalErrorException", 500, DOWN, AGAIN),

    // Of a rotation; there is no caller, so only the words are seen.
    ("ListUserPoolClientSecrets", "InvalidParameterException", 400, WRONG, "check user_pool and client_id"),
    ("ListUserPoolClientSecrets", "ResourceNotFoundException", 400, WRONG, "check user_pool and client_id"),
    ("ListUserPoolClientSecrets", "LimitExceededException", 400, THROTTLED, QUOTA),
    ("ListUserPoolClientSecrets", "TooManyRequestsException", 400, THROTTLED, QUOTA),
    ("ListUserPoolClientSecrets", "InternalServerException", 500, DOWN, AGAIN),
    ("AddUserPoolClientSecret", "AccessDeniedException", 400, DENIED, "allow cognito-idp"),
    ("AddUserPoolClientSecret", "LimitExceededException", 400, DENIED, "two secrets already"),
    ("AddUserPoolClientSecret", "InvalidParameterException", 400, WRONG, "check user_pool and client_id"),
    ("AddUserPoolClientSecret", "ResourceNotFoundException", 400, WRONG, "check user_pool and client_id"),
    ("AddUserPoolClientSecret", "TooManyRequestsException", 400, THROTTLED, QUOTA),
    ("AddUserPoolClientSecret", "InternalServerException", 500, DOWN, AGAIN),
    ("DeleteUserPoolClientSecret", "InvalidParameterException", 400, WRONG, "last secret"),
    ("DeleteUserPoolClientSecret", "ResourceNotFoundException", 400, WRONG, "check user_pool and client_id"),
    ("DeleteUserPoolClientSecret", "LimitExceededException", 400, THROTTLED, QUOTA),
    ("DeleteUserPoolClientSecret", "TooManyRequestsException", 400, THROTTLED, QUOTA),
    ("DeleteUserPoolClientSecret", "InternalServerException", 500, DOWN, AGAIN),

    ("DescribeUserPoolClient", "NotAuthorizedException", 400, DENIED, "allow cognito-idp"),
    ("DescribeUserPoolClient", "AccessDeniedException", 400, DENIED, "allow cognito-idp"),
    ("DescribeUserPoolClient", "InvalidParameterException", 400, WRONG, "check user_pool and client_id"),
    ("DescribeUserPoolClient", "ResourceNotFoundException", 400, WRONG, "check user_pool and client_id"),
    ("DescribeUserPoolClient", "TooManyRequestsException", 400, THROTTLED, QUOTA),
    ("DescribeUserPoolClient", "ExpiredTokenException", 400, DOWN, NEWER),
    ("DescribeUserPoolClient", "InternalErrorException", 500, DOWN, AGAIN),

    // A machine user signs in.
    ("InitiateAuth", "NotAuthorizedException", 400, DENIED, USER),
    ("InitiateAuth", "ForbiddenException", 400, DENIED, FIREWALL),
    ("InitiateAuth", "UserNotFoundException", 400, DENIED, "check username"),
    ("InitiateAuth", "UserNotConfirmedException", 400, DENIED, "confirm it"),
    ("InitiateAuth", "PasswordResetRequiredException", 400, DENIED, "set a permanent password"),
    ("InitiateAuth", "InvalidParameterException", 400, WRONG, FLOW),
    ("InitiateAuth", "ResourceNotFoundException", 400, WRONG, NO_CLIENT),
    ("InitiateAuth", "OperationNotEnabledException", 400, WRONG, "choose another flow"),
    ("InitiateAuth", "UnsupportedOperationException", 400, WRONG, "choose another flow"),
    ("InitiateAuth", "FeatureUnavailableInTierException", 400, WRONG, "change the plan or the flow"),
    ("InitiateAuth", "InvalidUserPoolConfigurationException", 400, WRONG, "choose another flow"),
    ("InitiateAuth", "InvalidEmailRoleAccessPolicyException", 400, WRONG, FACTOR),
    ("InitiateAuth", "InvalidSmsRoleAccessPolicyException", 400, WRONG, FACTOR),
    ("InitiateAuth", "InvalidSmsRoleTrustRelationshipException", 400, WRONG, FACTOR),
    ("InitiateAuth", "InvalidLambdaResponseException", 400, WRONG, TRIGGER),
    ("InitiateAuth", "UnexpectedLambdaException", 400, WRONG, TRIGGER),
    ("InitiateAuth", "UserLambdaValidationException", 400, WRONG, TRIGGER),
    ("InitiateAuth", "TooManyRequestsException", 400, THROTTLED, QUOTA),
    ("InitiateAuth", "InternalErrorException", 500, DOWN, AGAIN),
    ("InitiateAuth", "challenge NEW_PASSWORD_REQUIRED", 200, WRONG, "set a permanent password"),
    ("InitiateAuth", "challenge SMS_MFA", 200, WRONG, FACTOR),
    ("InitiateAuth", "challenge EMAIL_OTP", 200, WRONG, FACTOR),
    ("InitiateAuth", "challenge SOFTWARE_TOKEN_MFA", 200, WRONG, FACTOR),
    ("InitiateAuth", "challenge MFA_SETUP", 200, WRONG, FACTOR),
    ("InitiateAuth", "challenge SELECT_MFA_TYPE", 200, WRONG, FACTOR),
    ("InitiateAuth", "challenge CUSTOM_CHALLENGE", 200, WRONG, "a flow that needs no person"),
    ("AdminInitiateAuth", "NotAuthorizedException", 400, DENIED, USER),
    ("AdminInitiateAuth", "AccessDeniedException", 400, DENIED, "allow cognito-idp:AdminInitiateAuth"),
    ("AdminInitiateAuth", "UserNotFoundException", 400, DENIED, "check username"),
    ("AdminInitiateAuth", "UserNotConfirmedException", 400, DENIED, "confirm it"),
    ("AdminInitiateAuth", "PasswordResetRequiredException", 400, DENIED, "set a permanent password"),
    ("AdminInitiateAuth", "InvalidParameterException", 400, WRONG, FLOW),
    ("AdminInitiateAuth", "ResourceNotFoundException", 400, WRONG, NO_CLIENT),
    ("AdminInitiateAuth", "OperationNotEnabledException", 400, WRONG, "choose another flow"),
    ("AdminInitiateAuth", "UnsupportedOperationException", 400, WRONG, "choose another flow"),
    ("AdminInitiateAuth", "FeatureUnavailableInTierException", 400, WRONG, "change the plan or the flow"),
    ("AdminInitiateAuth", "InvalidUserPoolConfigurationException", 400, WRONG, "choose another flow"),
    ("AdminInitiateAuth", "InvalidEmailRoleAccessPolicyException", 400, WRONG, FACTOR),
    ("AdminInitiateAuth", "InvalidSmsRoleAccessPolicyException", 400, WRONG, FACTOR),
    ("AdminInitiateAuth", "InvalidSmsRoleTrustRelationshipException", 400, WRONG, FACTOR),
    ("AdminInitiateAuth", "MFAMethodNotFoundException", 400, WRONG, FACTOR),
    ("AdminInitiateAuth", "InvalidLambdaResponseException", 400, WRONG, TRIGGER),
    ("AdminInitiateAuth", "UnexpectedLambdaException", 400, WRONG, TRIGGER),
    ("AdminInitiateAuth", "UserLambdaValidationException", 400, WRONG, TRIGGER),
    ("AdminInitiateAuth", "TooManyRequestsException", 400, THROTTLED, QUOTA),
    ("AdminInitiateAuth", "ExpiredTokenException", 400, DOWN, NEWER),
    ("AdminInitiateAuth", "InternalErrorException", 500, DOWN, AGAIN),
    ("AdminInitiateAuth", "challenge NEW_PASSWORD_REQUIRED", 200, WRONG, "set a permanent password"),
    ("RespondToAuthChallenge", "NotAuthorizedException", 400, DENIED, USER),
    ("RespondToAuthChallenge", "ForbiddenException", 400, DENIED, FIREWALL),
    ("RespondToAuthChallenge", "UserNotFoundException", 400, DENIED, "check username"),
    ("RespondToAuthChallenge", "UserNotConfirmedException", 400, DENIED, "confirm it"),
    ("RespondToAuthChallenge", "PasswordResetRequiredException", 400, DENIED, "set a permanent password"),
    ("RespondToAuthChallenge", "InvalidParameterException", 400, WRONG, FLOW),
    ("RespondToAuthChallenge", "ResourceNotFoundException", 400, WRONG, NO_CLIENT),
    ("RespondToAuthChallenge", "InvalidUserPoolConfigurationException", 400, WRONG, "choose another flow"),
    ("RespondToAuthChallenge", "MFAMethodNotFoundException", 400, WRONG, FACTOR),
    ("RespondToAuthChallenge", "SoftwareTokenMFANotFoundException", 400, WRONG, FACTOR),
    ("RespondToAuthChallenge", "CodeMismatchException", 400, WRONG, FACTOR),
    ("RespondToAuthChallenge", "ExpiredCodeException", 400, WRONG, FACTOR),
    ("RespondToAuthChallenge", "InvalidLambdaResponseException", 400, WRONG, TRIGGER),
    ("RespondToAuthChallenge", "UnexpectedLambdaException", 400, WRONG, TRIGGER),
    ("RespondToAuthChallenge", "UserLambdaValidationException", 400, WRONG, TRIGGER),
    ("RespondToAuthChallenge", "TooManyRequestsException", 400, THROTTLED, QUOTA),
    ("RespondToAuthChallenge", "InternalErrorException", 500, DOWN, AGAIN),
    ("RespondToAuthChallenge", "challenge SOFTWARE_TOKEN_MFA", 200, WRONG, FACTOR),

    // Its tokens are renewed; where they cannot be, it signs in again.
    ("GetTokensFromRefreshToken", "NotAuthorizedException", 400, HELPED, ""),
    ("GetTokensFromRefreshToken", "RefreshTokenReuseException", 400, HELPED, ""),
    ("GetTokensFromRefreshToken", "ForbiddenException", 400, HELPED, ""),
    ("GetTokensFromRefreshToken", "UserNotFoundException", 400, HELPED, ""),
    ("GetTokensFromRefreshToken", "InvalidParameterException", 400, HELPED, ""),
    ("GetTokensFromRefreshToken", "ResourceNotFoundException", 400, HELPED, ""),
    ("GetTokensFromRefreshToken", "OperationNotEnabledException", 400, HELPED, ""),
    ("GetTokensFromRefreshToken", "InvalidLambdaResponseException", 400, HELPED, ""),
    ("GetTokensFromRefreshToken", "UnexpectedLambdaException", 400, HELPED, ""),
    ("GetTokensFromRefreshToken", "UserLambdaValidationException", 400, HELPED, ""),
    ("GetTokensFromRefreshToken", "TooManyRequestsException", 400, THROTTLED, QUOTA),
    ("GetTokensFromRefreshToken", "InternalErrorException", 500, DOWN, AGAIN),

    // Identity pools.
    ("GetId", "NotAuthorizedException", 400, DENIED, LOGIN),
    ("GetId", "InvalidParameterException", 400, WRONG, "check login"),
    ("GetId", "ResourceConflictException", 400, WRONG, UNLINK),
    ("GetId", "ResourceNotFoundException", 400, WRONG, POOL_ID),
    ("GetId", "LimitExceededException", 400, THROTTLED, "too many identities"),
    ("GetId", "TooManyRequestsException", 400, THROTTLED, QUOTA),
    ("GetId", "ExternalServiceException", 400, DOWN, AGAIN),
    ("GetId", "InternalErrorException", 500, DOWN, AGAIN),
    ("GetCredentialsForIdentity", "NotAuthorizedException", 400, DENIED, LOGIN),
    ("GetCredentialsForIdentity", "InvalidParameterException", 400, WRONG, "check login and role_arn"),
    ("GetCredentialsForIdentity", "InvalidIdentityPoolConfigurationException", 400, WRONG, "trust policy name the pool"),
    ("GetCredentialsForIdentity", "ResourceConflictException", 400, WRONG, UNLINK),
    ("GetCredentialsForIdentity", "ResourceNotFoundException", 400, WRONG, POOL_ID),
    ("GetCredentialsForIdentity", "TooManyRequestsException", 400, THROTTLED, QUOTA),
    ("GetCredentialsForIdentity", "ExternalServiceException", 400, DOWN, AGAIN),
    ("GetCredentialsForIdentity", "InternalErrorException", 500, DOWN, AGAIN),
    ("GetOpenIdToken", "NotAuthorizedException", 400, DENIED, LOGIN),
    ("GetOpenIdToken", "InvalidParameterException", 400, WRONG, "classic flow"),
    ("GetOpenIdToken", "ResourceConflictException", 400, WRONG, UNLINK),
    ("GetOpenIdToken", "ResourceNotFoundException", 400, WRONG, POOL_ID),
    ("GetOpenIdToken", "TooManyRequestsException", 400, THROTTLED, QUOTA),
    ("GetOpenIdToken", "ExternalServiceException", 400, DOWN, AGAIN),
    ("GetOpenIdToken", "InternalErrorException", 500, DOWN, AGAIN),
    ("GetOpenIdTokenForDeveloperIdentity", "NotAuthorizedException", 400, DENIED, "allow cognito-identity:"),
    ("GetOpenIdTokenForDeveloperIdentity", "AccessDeniedException", 400, DENIED, "allow cognito-identity:"),
    ("GetOpenIdTokenForDeveloperIdentity", "DeveloperUserAlreadyRegisteredException", 400, WRONG, UNLINK),
    ("GetOpenIdTokenForDeveloperIdentity", "ResourceConflictException", 400, WRONG, UNLINK),
    ("GetOpenIdTokenForDeveloperIdentity", "InvalidParameterException", 400, WRONG, "the user of login"),
    ("GetOpenIdTokenForDeveloperIdentity", "ResourceNotFoundException", 400, WRONG, POOL_ID),
    ("GetOpenIdTokenForDeveloperIdentity", "TooManyRequestsException", 400, THROTTLED, QUOTA),
    ("GetOpenIdTokenForDeveloperIdentity", "ExpiredTokenException", 400, DOWN, NEWER),
    ("GetOpenIdTokenForDeveloperIdentity", "InternalErrorException", 500, DOWN, AGAIN),

    // STS.
    ("AssumeRole", "AccessDenied", 403, DENIED, "trust policy name it"),
    ("AssumeRole", "ValidationError", 400, WRONG, "check duration"),
    ("AssumeRole", "MalformedPolicyDocument", 400, WRONG, "not an IAM policy"),
    ("AssumeRole", "PackedPolicyTooLarge", 400, WRONG, "fewer or shorter"),
    ("AssumeRole", "RegionDisabledException", 403, WRONG, "another region under [aws]"),
    ("AssumeRole", "Throttling", 400, THROTTLED, QUOTA),
    ("AssumeRole", "ExpiredToken", 403, DOWN, NEWER),
    ("AssumeRoleWithWebIdentity", "InvalidIdentityToken", 400, DENIED, "OIDC provider in IAM"),
    ("AssumeRoleWithWebIdentity", "IDPRejectedClaim", 403, DENIED, "get a new one"),
    ("AssumeRoleWithWebIdentity", "AccessDenied", 403, DENIED, "issuer, audience and subject"),
    ("AssumeRoleWithWebIdentity", "ValidationError", 400, WRONG, "check duration"),
    ("AssumeRoleWithWebIdentity", "MalformedPolicyDocument", 400, WRONG, "not an IAM policy"),
    ("AssumeRoleWithWebIdentity", "PackedPolicyTooLarge", 400, WRONG, "fewer or shorter"),
    ("AssumeRoleWithWebIdentity", "RegionDisabledException", 403, WRONG, "another region under [aws]"),
    ("AssumeRoleWithWebIdentity", "Throttling", 400, THROTTLED, QUOTA),
    ("AssumeRoleWithWebIdentity", "IDPCommunicationError", 400, DOWN, "keys of the token's issuer"),
    ("AssumeRoleWithWebIdentity", "ExpiredTokenException", 400, DOWN, "whoever writes that file does not renew it"),
    ("GetWebIdentityToken", "AccessDenied", 403, DENIED, "allow sts:GetWebIdentityToken"),
    ("GetWebIdentityToken", "OutboundWebIdentityFederationDisabledException", 403, WRONG, "iam:EnableOutboundWebIdentityFederation"),
    ("GetWebIdentityToken", "SessionDurationEscalationException", 403, WRONG, "shorten lifetime"),
    ("GetWebIdentityToken", "JWTPayloadSizeExceededException", 400, WRONG, "fewer audiences"),
    ("GetWebIdentityToken", "ValidationError", 400, WRONG, "check audience, lifetime"),
    ("GetWebIdentityToken", "Throttling", 400, THROTTLED, QUOTA),
    ("GetWebIdentityToken", "ExpiredToken", 403, DOWN, NEWER),

    ("GetSecretValue", "AccessDeniedException", 400, DENIED, "allow secretsmanager:GetSecretValue"),
    ("GetSecretValue", "DecryptionFailure", 400, DENIED, "kms:Decrypt"),
    ("GetSecretValue", "ResourceNotFoundException", 400, WRONG, "no such secret"),
    ("GetSecretValue", "InvalidParameterException", 400, WRONG, "check secrets_manager and stage"),
    ("GetSecretValue", "InvalidRequestException", 400, WRONG, "restore it"),
    ("GetSecretValue", "ThrottlingException", 400, THROTTLED, QUOTA),
    ("GetSecretValue", "ExpiredTokenException", 400, DOWN, NEWER),
    ("GetSecretValue", "InternalServiceError", 500, DOWN, AGAIN),
];

/// The rows of these operations.
pub fn of<'a>(operations: &'a [&str]) -> impl Iterator<Item = &'static Row> + 'a {
    ROWS.iter().filter(move |(operation, ..)| operations.contains(operation))
}
