//! What the AWS operations in use say no with: error code → kind and remedy, by operation where a code means another thing
//! there ([`operations`]).
//!
//! Codes of the JSON services end in `Exception`, those of STS mostly do not. AWS's own message is left out, for a validation
//! error quotes the value that it found wrong; a code is repeated only where it looks like one. Throttling and signing are
//! refused by every service in the same way, in two spellings.

mod operations;

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::lease::RequestId;
use crate::source::{Failure, FailureKind};

type Meaning = (FailureKind, &'static str);

/// Those that prove a secret or a password, so that `NotAuthorizedException` may speak of it and another one may do.
const WITH_SECRET: [&str; 6] = [
    "GetClientToken",
    "InitiateAuth",
    "AdminInitiateAuth",
    "RespondToAuthChallenge",
    "GetTokensFromRefreshToken",
    "InitiateAuth, REFRESH_TOKEN_AUTH",
];

/// Those in which a user's password or refresh token is shown beside the client's secret.
const BY_A_USER: [&str; 5] = [
    "InitiateAuth",
    "AdminInitiateAuth",
    "RespondToAuthChallenge",
    "GetTokensFromRefreshToken",
    "InitiateAuth, REFRESH_TOKEN_AUTH",
];

/// Those of them that show a refresh token.
const BY_REFRESH_TOKEN: [&str; 2] = ["GetTokensFromRefreshToken", "InitiateAuth, REFRESH_TOKEN_AUTH"];

/// What says that a refresh token is of no use any more, besides `NotAuthorizedException`.
const NO_MORE_REFRESHING: [&str; 4] = [
    "RefreshTokenReuseException",
    "UserNotFoundException",
    "UserNotConfirmedException",
    "PasswordResetRequiredException",
];

/// What an error says of itself.
#[derive(Clone, Copy, Default)]
pub struct Said<'a> {
    /// Its code.
    pub code: Option<&'a str>,
    /// AWS's own words, which tell a wrong password from a wrong secret and are not passed on.
    pub message: Option<&'a str>,
}

/// What `response` of `operation` means, if it is no success. `what` names the service.
pub fn failure(what: &str, operation: &str, Said { code, message }: Said<'_>, response: &HttpResponse) -> Failure {
    let status = response.status().as_u16();
    let known = code.and_then(|code| operations::meaning(operation, code).or_else(|| by_code(code)));
    let (kind, remedy) = known.unwrap_or_else(|| by_status(status));
    let (secret_refused, user_refused) = refused_proofs(operation, code, message.unwrap_or_default());
    let said =
        code.filter(|code| code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"._".contains(&b)));
    let said = said.map_or_else(|| format!("status {status}"), ToOwned::to_owned);
    Failure {
        retry_after: retry_after(response),
        secret_refused,
        user_refused,
        request_id: request_id(response),
        expired: matches!(code, Some("ExpiredToken" | "ExpiredTokenException" | "RequestExpired")),
        ..Failure::new(kind, format!("{what} ({operation}) answered {said}: {remedy}"))
    }
}

/// Is it the client's secret, and is it what the user showed? Both may be, unless the message says which.
fn refused_proofs(operation: &str, code: Option<&str>, message: &str) -> (bool, bool) {
    const OF_THE_SECRET: [&str; 2] = ["Unable to verify secret hash", "SECRET_HASH was not received"];
    const OF_THE_USER: [&str; 3] = ["Incorrect username or password", "Password attempts exceeded", "Refresh Token"];
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    let refused = code == Some("NotAuthorizedException");
    let by_a_user = BY_A_USER.contains(&operation);
    let is_over = BY_REFRESH_TOKEN.contains(&operation) && code.is_some_and(|code| NO_MORE_REFRESHING.contains(&code));
    (
        refused && WITH_SECRET.contains(&operation) && !(by_a_user && says(&OF_THE_USER)),
        (refused && by_a_user && !says(&OF_THE_SECRET)) || is_over,
    )
}

fn request_id(response: &HttpResponse) -> Option<RequestId> {
    let header = |name| response.headers().get(name);
    header("x-amzn-requestid").or_else(|| header("x-amz-request-id")).and_then(RequestId::of)
}

fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let header = |name| response.headers().get(name).and_then(|value| value.trim().parse().ok());
    header("x-amz-retry-after").map(Duration::from_millis).or_else(|| header("retry-after").map(Duration::from_secs))
}

fn by_status(status: u16) -> Meaning {
    match status {
        429 => (FailureKind::Throttled, "too many requests; it is asked again later"),
        403 => (FailureKind::Denied, "check the permissions of the broker's identity, and any firewall in between"),
        500.. => (FailureKind::Unavailable, "it is asked again"),
        _ => (FailureKind::Malformed, "that is no answer of this AWS API; check the endpoint"),
    }
}

/// Codes that mean the same at every operation.
fn by_code(code: &str) -> Option<Meaning> {
    signing(code).or_else(|| passing(code)).or_else(|| refused(code))
}

/// About the broker's own identity, or the one that signs in its place.
fn signing(code: &str) -> Option<Meaning> {
    use FailureKind::{Denied, Unavailable};
    Some(match code {
        "AccessDenied" | "AccessDeniedException" => {
            (Denied, "allow the action for the broker's identity, and let the role's trust policy name it")
        }
        "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidAccessKeyId" => {
            (Denied, "AWS does not know the access key of the broker's identity; replace it")
        }
        "SignatureDoesNotMatch" | "InvalidSignatureException" => {
            (Denied, "the signature is refused; check the secret key of the broker's identity and this machine's clock")
        }
        "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "IncompleteSignatureException" => {
            (Denied, "the request was not signed; give the broker an identity of its own")
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => (
            Unavailable,
            "the credentials that signed have expired; it is asked again with newer ones (check this machine's clock if it stays)",
        ),
        _ => return None,
    })
}

/// What another request later may not meet.
fn passing(code: &str) -> Option<Meaning> {
    use FailureKind::{Throttled, Unavailable};
    Some(match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "SlowDown"
        | "LimitExceededException" => (Throttled, "too many requests for the account's quota; it is asked again later"),
        "InternalErrorException"
        | "InternalServerException"
        | "InternalFailure"
        | "InternalError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "ExternalServiceException"
        | "RequestTimeout"
        | "RequestTimeoutException" => (Unavailable, "it is asked again"),
        _ => return None,
    })
}

/// What stays until somebody changes it.
fn refused(code: &str) -> Option<Meaning> {
    use FailureKind::{Denied, Misconfigured};
    Some(match code {
        "NotAuthorizedException" => (Denied, "what it was asked with is refused; check ids, secrets and permissions"),
        "RefreshTokenReuseException" => {
            (Denied, "the refresh token was replaced by another one; the machine user signs in again")
        }
        "ForbiddenException" => {
            (Denied, "a web application firewall of the user pool blocks the broker; let its web ACL pass this host")
        }
        "UserNotFoundException" => (Denied, "there is no such user; check username"),
        "UserNotConfirmedException" | "PasswordResetRequiredException" => {
            (Denied, "the machine user needs a person first; confirm it or set a permanent password")
        }
        "InvalidParameterException" | "ValidationError" | "ValidationException" | "InvalidParameterValue" => {
            (Misconfigured, "a configured value is not accepted; check scopes, duration and names")
        }
        "ResourceNotFoundException" => {
            (Misconfigured, "no such pool, client or identity; check the ids and the region")
        }
        "MalformedPolicyDocument" | "MalformedPolicyDocumentException" => {
            (Misconfigured, "policy is not an IAM policy; mend it")
        }
        "PackedPolicyTooLarge" | "PackedPolicyTooLargeException" => {
            (Misconfigured, "policy, policy_arns and tags are too large together; make them fewer or shorter")
        }
        "RegionDisabledException" => (
            Misconfigured,
            "STS is not enabled in this region for the account; enable it in IAM, or set another region under [aws]",
        ),
        "UserLambdaValidationException" | "UnexpectedLambdaException" | "InvalidLambdaResponseException" => {
            (Misconfigured, "a trigger of the user pool fails; look at its log")
        }
        "UnknownOperationException" | "InvalidAction" | "NotImplemented" => {
            (Misconfigured, "the endpoint does not know the operation; check it")
        }
        "FeatureUnavailableInTierException" => {
            (Misconfigured, "the plan of the user pool does not include it; change the plan or the flow")
        }
        "MFAMethodNotFoundException"
        | "SoftwareTokenMFANotFoundException"
        | "CodeMismatchException"
        | "ExpiredCodeException"
        | "InvalidSmsRoleAccessPolicyException"
        | "InvalidSmsRoleTrustRelationshipException"
        | "InvalidEmailRoleAccessPolicyException" => {
            (Misconfigured, "the user pool asks for a second factor; turn multi-factor authentication off for the user")
        }
        "InvalidUserPoolConfigurationException" => {
            (Misconfigured, "the user pool's configuration is not valid for this flow; choose another flow")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn response(status: u16) -> HttpResponse {
        HttpResponse::new(status.try_into().unwrap(), SdkBody::from("<html>secret body</html>"))
    }

    fn answered(operation: &str, code: Option<&str>, status: u16) -> Failure {
        failure("AWS", operation, Said { code, message: None }, &response(status))
    }

    /// Those that the wire tests have no operation for.
    #[test]
    fn codes_of_signing_and_of_any_service_have_their_kind() {
        use FailureKind::{Denied, Malformed, Misconfigured, Throttled, Unavailable};
        for (status, code, kind) in [
            (400, "ThrottlingException", Throttled),
            (403, "InvalidClientTokenId", Denied),
            (400, "UnrecognizedClientException", Denied),
            (403, "SignatureDoesNotMatch", Denied),
            (400, "InvalidSignatureException", Denied),
            (403, "MissingAuthenticationToken", Denied),
            (400, "IncompleteSignatureException", Denied),
            (404, "UnknownOperationException", Misconfigured),
            (400, "RequestExpired", Unavailable),
            (503, "SomethingNew", Unavailable),
            (403, "SomethingNew", Denied),
            (400, "SomethingNew", Malformed),
        ] {
            let failure = answered("AssumeRole", Some(code), status);
            assert_eq!(failure.kind, kind, "{status} {code}: {failure}");
            assert!(failure.message.contains(code) && !failure.message.contains("html"), "{failure}");
        }
        for (status, kind) in [(429, Throttled), (403, Denied), (500, Unavailable), (200, Malformed), (404, Malformed)]
        {
            assert_eq!(answered("AssumeRole", None, status).kind, kind, "{status}");
        }
    }

    #[test]
    fn another_secret_is_tried_only_where_one_was_shown() {
        let refused = |operation| answered(operation, Some("NotAuthorizedException"), 400).secret_refused;
        assert!(WITH_SECRET.iter().all(|operation| refused(operation)));
        for other in
            ["GetId", "GetCredentialsForIdentity", "GetOpenIdTokenForDeveloperIdentity", "DescribeUserPoolClient"]
        {
            assert!(!refused(other), "{other}");
        }
        assert!(!answered("GetClientToken", Some("ForbiddenException"), 400).secret_refused);
    }

    #[test]
    fn the_message_tells_a_wrong_secret_from_a_wrong_password_and_is_not_passed_on() {
        for (message, secret, user) in [
            ("Incorrect username or password.", false, true),
            ("Password attempts exceeded", false, true),
            ("Refresh Token has been revoked", false, true),
            ("Invalid Refresh Token", false, true),
            ("Unable to verify secret hash for client 1abc", true, false),
            ("Client 1abc is configured with secret but SECRET_HASH was not received", true, false),
            ("Something else", true, true),
        ] {
            for operation in BY_A_USER {
                let said = Said { code: Some("NotAuthorizedException"), message: Some(message) };
                let failure = failure("AWS", operation, said, &response(400));
                assert_eq!((failure.secret_refused, failure.user_refused), (secret, user), "{operation}: {message}");
                assert!(!failure.message.contains(message), "{failure}");
            }
        }
        let other = answered("GetClientToken", Some("NotAuthorizedException"), 400);
        assert!(other.secret_refused && !other.user_refused, "there is no user");
    }

    #[test]
    fn a_refresh_token_is_of_no_use_only_where_renewing_says_so() {
        for operation in BY_A_USER {
            let is_over = |code| answered(operation, Some(code), 400).user_refused;
            let renews = BY_REFRESH_TOKEN.contains(&operation);
            assert!(NO_MORE_REFRESHING.iter().all(|code| is_over(code) == renews), "{operation}");
            for code in
                ["ForbiddenException", "InvalidParameterException", "UserLambdaValidationException", "Throttling"]
            {
                assert!(!is_over(code), "{operation} {code}");
            }
        }
    }

    #[test]
    fn an_odd_code_is_not_repeated() {
        let failure = answered("AssumeRole", Some("<script>\n"), 400);
        assert!(failure.message.contains("status 400") && !failure.message.contains("script"), "{failure}");
    }

    #[test]
    fn a_wait_that_aws_asks_for_is_read() {
        let mut throttled = response(429);
        let mut wait = |name: &'static str, value: &'static str| {
            throttled.headers_mut().insert(name, value);
            failure("AWS", "AssumeRole", Said::default(), &throttled).retry_after
        };
        assert_eq!(wait("retry-after", "30"), Some(Duration::from_secs(30)));
        assert_eq!(wait("x-amz-retry-after", "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(wait("x-amz-retry-after", "soon"), Some(Duration::from_secs(30)));
    }
}
