//! The errors that the upstreams' own references list, operation by operation: what the table may not leave out.

pub const FACTS: &[(&str, &str)] = &[
    // The hosted token endpoint of a user pool; throttling has no documented form.
    (
        "token",
        "invalid_request invalid_client invalid_grant unauthorized_client unsupported_grant_type invalid_scope \
         TooManyRequestsException",
    ),
    // RFC 6749 sections 4.1.2.1 and 5.2, RFC 8707 section 2, RFC 8628 section 3.5 (slow_down, used by others too).
    (
        "oauth2",
        "invalid_request invalid_client invalid_grant unauthorized_client unsupported_grant_type invalid_scope \
         invalid_target access_denied server_error temporarily_unavailable slow_down",
    ),
    (
        "GetClientToken",
        "ForbiddenException InternalErrorException InvalidParameterException NotAuthorizedException \
         OperationNotEnabledException ResourceNotFoundException TooManyRequestsException",
    ),
    (
        "AddUserPoolClientSecret",
        "AccessDeniedException InternalServerException InvalidParameterException LimitExceededException \
         ResourceNotFoundException TooManyRequestsException",
    ),
    (
        "ListUserPoolClientSecrets",
        "InternalServerException InvalidParameterException LimitExceededException ResourceNotFoundException \
         TooManyRequestsException",
    ),
    (
        "DeleteUserPoolClientSecret",
        "InternalServerException InvalidParameterException LimitExceededException ResourceNotFoundException \
         TooManyRequestsException",
    ),
    (
        "DescribeUserPoolClient",
        "InternalErrorException InvalidParameterException NotAuthorizedException ResourceNotFoundException \
         TooManyRequestsException AccessDeniedException ExpiredTokenException",
    ),
    (
        "InitiateAuth",
        "ForbiddenException InternalErrorException InvalidEmailRoleAccessPolicyException InvalidLambdaResponseException \
         InvalidParameterException InvalidSmsRoleAccessPolicyException InvalidSmsRoleTrustRelationshipException \
         InvalidUserPoolConfigurationException NotAuthorizedException OperationNotEnabledException \
         PasswordResetRequiredException ResourceNotFoundException TooManyRequestsException UnexpectedLambdaException \
         UnsupportedOperationException UserLambdaValidationException UserNotConfirmedException UserNotFoundException \
         FeatureUnavailableInTierException",
    ),
    (
        "AdminInitiateAuth",
        "InternalErrorException InvalidEmailRoleAccessPolicyException InvalidLambdaResponseException \
         InvalidParameterException InvalidSmsRoleAccessPolicyException InvalidSmsRoleTrustRelationshipException \
         InvalidUserPoolConfigurationException MFAMethodNotFoundException NotAuthorizedException \
         OperationNotEnabledException PasswordResetRequiredException ResourceNotFoundException TooManyRequestsException \
         UnexpectedLambdaException UnsupportedOperationException UserLambdaValidationException UserNotConfirmedException \
         UserNotFoundException FeatureUnavailableInTierException AccessDeniedException ExpiredTokenException",
    ),
    (
        "RespondToAuthChallenge",
        "CodeMismatchException ExpiredCodeException ForbiddenException InternalErrorException \
         InvalidLambdaResponseException InvalidParameterException InvalidUserPoolConfigurationException \
         MFAMethodNotFoundException NotAuthorizedException PasswordResetRequiredException ResourceNotFoundException \
         SoftwareTokenMFANotFoundException TooManyRequestsException UnexpectedLambdaException \
         UserLambdaValidationException UserNotConfirmedException UserNotFoundException",
    ),
    (
        "GetTokensFromRefreshToken",
        "ForbiddenException InternalErrorException InvalidLambdaResponseException InvalidParameterException \
         NotAuthorizedException OperationNotEnabledException RefreshTokenReuseException ResourceNotFoundException \
         TooManyRequestsException UnexpectedLambdaException UserLambdaValidationException UserNotFoundException",
    ),
    (
        "GetId",
        "ExternalServiceException InternalErrorException InvalidParameterException LimitExceededException \
         NotAuthorizedException ResourceConflictException ResourceNotFoundException TooManyRequestsException",
    ),
    (
        "GetCredentialsForIdentity",
        "ExternalServiceException InternalErrorException InvalidIdentityPoolConfigurationException \
         InvalidParameterException NotAuthorizedException ResourceConflictException ResourceNotFoundException \
         TooManyRequestsException",
    ),
    (
        "GetOpenIdToken",
        "ExternalServiceException InternalErrorException InvalidParameterException NotAuthorizedException \
         ResourceConflictException ResourceNotFoundException TooManyRequestsException",
    ),
    (
        "GetOpenIdTokenForDeveloperIdentity",
        "DeveloperUserAlreadyRegisteredException InternalErrorException InvalidParameterException \
         NotAuthorizedException ResourceConflictException ResourceNotFoundException TooManyRequestsException \
         AccessDeniedException ExpiredTokenException",
    ),
    (
        "AssumeRole",
        "ExpiredToken AccessDenied MalformedPolicyDocument PackedPolicyTooLarge RegionDisabledException ValidationError \
         Throttling",
    ),
    (
        "AssumeRoleWithWebIdentity",
        "IDPCommunicationError InvalidIdentityToken ExpiredTokenException IDPRejectedClaim AccessDenied \
         MalformedPolicyDocument PackedPolicyTooLarge RegionDisabledException ValidationError Throttling",
    ),
    (
        "GetWebIdentityToken",
        "SessionDurationEscalationException OutboundWebIdentityFederationDisabledException \
         JWTPayloadSizeExceededException ExpiredToken AccessDenied ValidationError Throttling",
    ),
    (
        "GetSecretValue",
        "ResourceNotFoundException AccessDeniedException DecryptionFailure InvalidParameterException \
         InvalidRequestException InternalServiceError ThrottlingException ExpiredTokenException",
    ),
];
