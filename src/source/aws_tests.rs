use aws_smithy_types::body::SdkBody;

use super::*;

fn response(status: u16) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from("<html>secret body</html>"))
}

#[test]
fn each_error_of_the_aws_operations_has_its_kind() {
    use FailureKind::{Denied, Malformed, Misconfigured, Throttled, Unavailable};
    for (status, code, kind) in [
        (400, "NotAuthorizedException", Denied),
        (400, "TooManyRequestsException", Throttled),
        (400, "Throttling", Throttled),
        (400, "LimitExceededException", Throttled),
        (403, "AccessDenied", Denied),
        (400, "AccessDeniedException", Denied),
        (400, "ForbiddenException", Denied),
        (400, "RefreshTokenReuseException", Denied),
        (400, "UserNotFoundException", Denied),
        (400, "PasswordResetRequiredException", Denied),
        (403, "InvalidClientTokenId", Denied),
        (400, "UnrecognizedClientException", Denied),
        (403, "SignatureDoesNotMatch", Denied),
        (400, "InvalidSignatureException", Denied),
        (403, "MissingAuthenticationToken", Denied),
        (400, "InvalidIdentityToken", Denied),
        (403, "IDPRejectedClaim", Denied),
        (400, "InvalidParameterException", Misconfigured),
        (400, "ValidationError", Misconfigured),
        (400, "ResourceNotFoundException", Misconfigured),
        (403, "OutboundWebIdentityFederationDisabledException", Misconfigured),
        (400, "JWTPayloadSizeExceededException", Misconfigured),
        (403, "SessionDurationEscalationException", Unavailable),
        (400, "InvalidRequestException", Misconfigured),
        (400, "DecryptionFailure", Denied),
        (400, "OperationNotEnabledException", Misconfigured),
        (400, "InvalidIdentityPoolConfigurationException", Misconfigured),
        (400, "MalformedPolicyDocument", Misconfigured),
        (400, "PackedPolicyTooLarge", Misconfigured),
        (403, "RegionDisabledException", Misconfigured),
        (400, "ResourceConflictException", Misconfigured),
        (400, "DeveloperUserAlreadyRegisteredException", Misconfigured),
        (400, "UserLambdaValidationException", Misconfigured),
        (404, "UnknownOperationException", Misconfigured),
        (400, "FeatureUnavailableInTierException", Misconfigured),
        (400, "MFAMethodNotFoundException", Misconfigured),
        (400, "ExpiredTokenException", Unavailable),
        (403, "ExpiredToken", Unavailable),
        (400, "IDPCommunicationError", Unavailable),
        (500, "InternalErrorException", Unavailable),
        (400, "ExternalServiceException", Unavailable),
        (503, "SomethingNew", Unavailable),
        (403, "SomethingNew", Denied),
        (400, "SomethingNew", Malformed),
    ] {
        let failure = answered("STS (AssumeRole)", Some(code), &response(status));
        assert_eq!(failure.kind, kind, "{status} {code}: {failure}");
        assert!(failure.message.contains(code) && !failure.message.contains("html"), "{failure}");
    }
    for (status, kind) in [(429, Throttled), (403, Denied), (500, Unavailable), (200, Malformed), (404, Malformed)] {
        assert_eq!(answered("STS", None, &response(status)).kind, kind, "{status}");
    }
}

#[test]
fn an_odd_code_is_not_repeated() {
    let failure = answered("STS", Some("<script>\n"), &response(400));
    assert!(failure.message.contains("status 400") && !failure.message.contains("script"), "{failure}");
}

#[test]
fn a_wait_that_aws_asks_for_is_read() {
    let mut throttled = response(429);
    throttled.headers_mut().insert("retry-after", "30");
    assert_eq!(answered("STS", None, &throttled).retry_after, Some(Duration::from_secs(30)));
    throttled.headers_mut().insert("x-amz-retry-after", "1500");
    assert_eq!(answered("STS", None, &throttled).retry_after, Some(Duration::from_millis(1500)));
    throttled.headers_mut().insert("x-amz-retry-after", "soon");
    assert_eq!(answered("STS", None, &throttled).retry_after, Some(Duration::from_secs(30)));
}

#[tokio::test(start_paused = true)]
async fn credentials_without_a_part_or_an_end_are_not_kept() {
    let clock = Clock::tokio(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
    let now = clock.now();
    let later = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(4_600));
    let parts = |key, secret, token, expiration| Parts { access_key_id: key, secret, session_token: token, expiration };
    for bad in [
        parts(None, Some("s"), Some("t"), later),
        parts(Some("k"), Some(""), Some("t"), later),
        parts(Some("k"), Some("s"), Some("t\n"), later),
        parts(Some("k"), Some("s"), Some("t"), None),
    ] {
        assert_eq!(
            issued("STS", &bad, (None, None), Duration::from_secs(3_600), now, &clock).unwrap_err().kind,
            FailureKind::Malformed
        );
    }
    let good = issued(
        "STS",
        &parts(Some("k"), Some("s"), Some("t"), later),
        (None, None),
        Duration::from_secs(3_600),
        now,
        &clock,
    )
    .unwrap();
    assert_eq!(good.expiry.since(now), Duration::from_secs(3_600));
    let by_a_slow_clock = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(9_999));
    let good = parts(Some("k"), Some("s"), Some("t"), by_a_slow_clock);
    let good = issued("STS", &good, (None, None), Duration::from_secs(3_600), now, &clock).unwrap();
    assert_eq!(good.expiry.since(now), Duration::from_secs(3_600), "no longer than such credentials live");
}

#[test]
fn the_account_is_read_from_an_arn() {
    assert_eq!(account_of("arn:aws:sts::111122223333:assumed-role/r/s").as_deref(), Some("111122223333"));
    assert_eq!(account_of("arn:aws:iam::"), None);
    assert_eq!(account_of("nonsense"), None);
}
