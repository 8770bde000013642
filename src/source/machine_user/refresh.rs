//! Renewing: GetTokensFromRefreshToken, or InitiateAuth with `REFRESH_TOKEN_AUTH` where that operation does not exist.
//!
//! Neither is signed. The first takes the app client's secret itself and is the only one that works with rotating refresh tokens,
//! whose old one is void when the new one is answered; the second takes `SECRET_HASH`.

use std::sync::Arc;

use aws_sdk_cognitoidentityprovider::operation::RequestId as _;
use aws_sdk_cognitoidentityprovider::types::AuthFlowType;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use secrecy::{ExposeSecret as _, SecretString};

use super::{MachineUser, Session, WHAT};
use crate::lease::Issued;
use crate::source::{BearerToken, Failure, FailureKind, aws};

/// What renews a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// GetTokensFromRefreshToken.
    GetTokens,
    /// InitiateAuth.
    InitiateAuth,
}

impl MachineUser {
    /// Renews by the refresh token of `session`. `None` if the password may do what this does not; the refresh token is forgotten
    /// if it was refused.
    pub(super) async fn refresh(&self, session: &Arc<Session>) -> Option<Result<Issued<BearerToken>, Failure>> {
        let outcome = self.with_secret(|secret| self.redeem(session, secret)).await;
        let Err(failure) = &outcome else { return Some(outcome) };
        if failure.user_refused {
            *self.session() = None;
        }
        (!failure.user_refused && is_passing(failure)).then_some(outcome)
    }

    async fn redeem(&self, session: &Session, secret: Option<SecretString>) -> Result<Issued<BearerToken>, Failure> {
        if session.by == Operation::GetTokens
            && let Some(outcome) = self.tokens_from_refresh_token(session, secret.as_ref()).await
        {
            return outcome;
        }
        self.refresh_token_auth(session, secret.as_ref()).await
    }

    /// `None` where the operation does not exist.
    #[expect(clippy::disallowed_methods, reason = "token and secret are parameters of the operation")]
    async fn tokens_from_refresh_token(
        &self,
        session: &Session,
        secret: Option<&SecretString>,
    ) -> Option<Result<Issued<BearerToken>, Failure>> {
        let request = self
            .client()
            .await
            .get_tokens_from_refresh_token()
            .client_id(&self.config.client_id)
            .refresh_token(session.refresh_token.expose_secret())
            .set_client_secret(secret.map(|secret| secret.expose_secret().to_owned()));
        let sent_at = self.clock.now();
        let operation = "GetTokensFromRefreshToken";
        Some(match request.send().await {
            Err(error) if is_unknown(&error) => return None,
            Err(error) => Err(aws::failure(WHAT, operation, &error)),
            Ok(output) => {
                let session = session.by(Operation::GetTokens);
                self.accept(operation, output.authentication_result(), session, sent_at)
                    .map(|issued| issued.by_request(output.request_id()))
                    .map_err(of_no_use)
            }
        })
    }

    #[expect(clippy::disallowed_methods, reason = "the token is a parameter of the operation")]
    async fn refresh_token_auth(
        &self,
        session: &Session,
        secret: Option<&SecretString>,
    ) -> Result<Issued<BearerToken>, Failure> {
        let refresh_token = [("REFRESH_TOKEN", session.refresh_token.expose_secret())];
        let request = self
            .client()
            .await
            .initiate_auth()
            .auth_flow(AuthFlowType::RefreshTokenAuth)
            .client_id(&self.config.client_id)
            .set_auth_parameters(Some(self.authenticated(secret, &session.user, refresh_token)));
        let sent_at = self.clock.now();
        let operation = "InitiateAuth, REFRESH_TOKEN_AUTH";
        let output = request.send().await.map_err(|error| aws::failure(WHAT, operation, &error))?;
        let session = session.by(Operation::InitiateAuth);
        self.accept(operation, output.authentication_result(), session, sent_at)
            .map(|issued| issued.by_request(output.request_id()))
            .map_err(of_no_use)
    }
}

impl Session {
    /// The same, renewed by `operation`.
    fn by(&self, operation: Operation) -> Self {
        Self { refresh_token: self.refresh_token.clone(), user: self.user.clone(), by: operation }
    }
}

/// A refresh token that was taken and led to no token.
fn of_no_use(failure: Failure) -> Failure {
    Failure { user_refused: true, ..failure }
}

/// Would asking for anything else fail too?
fn is_passing(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Unavailable | FailureKind::Throttled)
}

/// Does the endpoint not have the operation?
fn is_unknown<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    const CODES: [&str; 4] =
        ["OperationNotEnabledException", "UnknownOperationException", "InvalidAction", "NotImplemented"];
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    let status = error.raw_response().map(|response| response.status().as_u16());
    code.is_some_and(|code| CODES.contains(&code)) || matches!(status, Some(404 | 501))
}

#[cfg(test)]
mod tests {
    use aws_sdk_cognitoidentityprovider::operation::get_tokens_from_refresh_token::GetTokensFromRefreshTokenError as Error;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    fn answered(status: u16, code: &str) -> SdkError<Error, HttpResponse> {
        let error = Error::generic(ErrorMetadata::builder().code(code).build());
        SdkError::service_error(error, HttpResponse::new(status.try_into().unwrap(), SdkBody::empty()))
    }

    #[test]
    fn an_endpoint_without_the_operation_is_asked_by_the_other_one() {
        for (status, code) in [
            (400, "OperationNotEnabledException"),
            (400, "UnknownOperationException"),
            (404, "UnknownOperationException"),
            (400, "InvalidAction"),
            (501, "NotImplemented"),
            (404, ""),
        ] {
            assert!(is_unknown(&answered(status, code)), "{status} {code}");
        }
        for (status, code) in [
            (400, "NotAuthorizedException"),
            (400, "RefreshTokenReuseException"),
            (400, "TooManyRequestsException"),
            (500, "InternalErrorException"),
            (503, ""),
        ] {
            assert!(!is_unknown(&answered(status, code)), "{status} {code}");
        }
    }
}
