//! The one table from what went wrong to what a caller sees, and the headers of every answer.
//!
//! OAuth paths and `/v1/tokens` answer `{"error","error_description"}` (RFC 6749 section 5.2); credentials paths answer
//! `{"code","message","Code","Message"}`, because AWS SDKs read different spellings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, PRAGMA, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::lease::RequestId;
use crate::refresh::Unserved;
use crate::source::{Failure, FailureKind};

/// For what is no page.
const NO_CONTENT: &str = "default-src 'none'; frame-ancestors 'none'";

/// An answer.
pub type Response = warp::reply::Response;

/// Why a request is not served.
#[derive(Debug)]
pub enum Trouble {
    /// It is no request for us, with what is wrong.
    BadRequest(&'static str),
    /// The scope is not one that can be had, with why.
    BadScope(&'static str),
    /// The subject token is refused, with why.
    BadSubject(String),
    /// It came from elsewhere, or by way of somebody else.
    Foreign(&'static str),
    /// Nobody we know.
    UnknownCaller,
    /// Nobody we know, at a path of OAuth clients; with the challenge for the way in which it showed itself.
    UnknownClient(Option<&'static str>),
    /// Not allowed for this client, or not configured: which of them it is not told.
    NotForThisClient,
    /// No target for a token exchange of this client, with why.
    BadTarget(&'static str),
    /// A grant type that is none of ours.
    UnsupportedGrant,
    /// A caller without a token did not show that it means it.
    NotDeliberate,
    /// The user that a proxy asks for showed no bearer token.
    NoBearer,
    /// That user's token is refused, with why.
    BadBearer(String),
    /// That user's token lacks some of these scopes.
    LacksScope(String),
    /// It cannot be forwarded, with what cannot.
    NotForwardable(&'static str),
    /// Its body has to be held as a whole and is larger than may be held, with what to do.
    BodyTooLarge(&'static str),
    /// It was forwarded and not answered, with whereto and why.
    NotForwarded {
        /// What went wrong.
        why: String,
        /// Did the upstream not answer in time?
        timed_out: bool,
    },
    /// The listener is for one caller, and this is another one or nobody known.
    NotTheCaller,
    /// No metadata session was shown: IMDSv1.
    NoSession,
    /// The metadata session is not known, or has ended.
    SessionOver,
    /// Metadata sessions are opened at the version `latest` only.
    OtherVersion,
    /// Not allowed for this caller.
    NotAllowed(String),
    /// Not configured.
    NoSuchName(String),
    /// No such path.
    NoSuchPath,
    /// The path has other methods.
    MethodNotAllowed(&'static [&'static str]),
    /// It is for the user of a subject token, which only a POST brings.
    NeedsSubject(String),
    /// More than is ever needed.
    TooLarge,
    /// The request took too long to answer.
    TooSlow,
    /// Too many narrowings of it are held.
    Crowded(String),
    /// Every place for a subject token is taken by a fetch that goes on.
    CrowdedSubjects(String),
    /// As much is being answered as may be at once.
    Overloaded,
    /// As much is being answered for this caller as may be at once.
    TooManyAtOnce,
    /// This caller asks faster than it may.
    TooFast,
    /// A fetch goes on.
    Pending(String),
    /// The source failed.
    Failed {
        /// Of what.
        name: String,
        /// Why.
        failure: Arc<Failure>,
        /// When it is worth asking again.
        retry_after: Duration,
    },
}

/// Goes with the answer to a request that is not served, for the audit log.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The code.
    pub reason: &'static str,
    /// What the upstream calls the request that failed.
    pub request_id: Option<RequestId>,
}

impl From<&Trouble> for Refusal {
    fn from(trouble: &Trouble) -> Self {
        let request_id = match trouble {
            Trouble::Failed { failure, .. } => failure.request_id.clone(),
            _ => None,
        };
        Self { reason: trouble.code(), request_id }
    }
}

/// How an error is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For OAuth clients.
    OAuth,
    /// For AWS SDKs.
    Aws,
    /// As a plain text, where programs look at the status only.
    Text,
}

impl Style {
    /// The style of a path.
    pub fn of(path: &str) -> Self {
        if path.starts_with("/v1/credentials") { Self::Aws } else { Self::OAuth }
    }
}

impl Trouble {
    /// Why `name` could not be served.
    pub fn unserved(name: &str, unserved: Unserved) -> Self {
        match unserved {
            Unserved::Pending => Self::Pending(name.to_owned()),
            Unserved::Crowded => Self::Crowded(name.to_owned()),
            Unserved::Failed { failure, retry_after } => Self::Failed { name: name.to_owned(), failure, retry_after },
        }
    }

    /// The keys of `name` cannot be had.
    pub fn keys_unavailable(name: &str, failure: Failure) -> Self {
        let retry_after = failure.retry_after.unwrap_or(Duration::from_secs(1));
        Self::Failed { name: name.to_owned(), failure: Arc::new(failure), retry_after }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_)
            | Self::BadScope(_)
            | Self::BadSubject(_)
            | Self::NotForThisClient
            | Self::BadTarget(_)
            | Self::UnsupportedGrant => StatusCode::BAD_REQUEST,
            Self::UnknownCaller
            | Self::UnknownClient(_)
            | Self::NoBearer
            | Self::BadBearer(_)
            | Self::NoSession
            | Self::SessionOver => StatusCode::UNAUTHORIZED,
            Self::Foreign(_)
            | Self::NotDeliberate
            | Self::NotTheCaller
            | Self::OtherVersion
            | Self::NotAllowed(_)
            | Self::LacksScope(_) => StatusCode::FORBIDDEN,
            Self::NotForwardable(_) => StatusCode::NOT_IMPLEMENTED,
            Self::NotForwarded { timed_out: false, .. } => StatusCode::BAD_GATEWAY,
            Self::NotForwarded { timed_out: true, .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::NoSuchName(_) | Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) | Self::NeedsSubject(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge | Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Crowded(_) | Self::CrowdedSubjects(_) | Self::TooManyAtOnce | Self::TooFast => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::TooSlow | Self::Pending(_) | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed { failure, .. } => match failure.kind {
                FailureKind::Denied | FailureKind::Misconfigured => StatusCode::BAD_GATEWAY,
                FailureKind::Unavailable if failure.timed_out => StatusCode::GATEWAY_TIMEOUT,
                FailureKind::Throttled | FailureKind::Unavailable | FailureKind::Malformed => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
            },
        }
    }

    /// The code that OAuth clients see.
    fn error(&self) -> &'static str {
        match self {
            Self::BadRequest(_) | Self::BadSubject(_) | Self::TooLarge | Self::BodyTooLarge(_) => "invalid_request",
            Self::NotForwardable(_) => "not_implemented",
            Self::NotForwarded { .. } => "bad_gateway",
            Self::BadScope(_) => "invalid_scope",
            Self::NoBearer => "token_required",
            Self::BadBearer(_) | Self::NoSession | Self::SessionOver => "invalid_token",
            Self::LacksScope(_) => "insufficient_scope",
            Self::UnknownCaller | Self::UnknownClient(_) => "invalid_client",
            Self::NotForThisClient => "unauthorized_client",
            Self::BadTarget(_) => "invalid_target",
            Self::UnsupportedGrant => "unsupported_grant_type",
            Self::Foreign(_) | Self::NotDeliberate | Self::NotTheCaller | Self::OtherVersion | Self::NotAllowed(_) => {
                "access_denied"
            }
            Self::NoSuchName(_) | Self::NoSuchPath => "not_found",
            Self::MethodNotAllowed(_) | Self::NeedsSubject(_) => "method_not_allowed",
            Self::Crowded(_) | Self::CrowdedSubjects(_) | Self::TooManyAtOnce | Self::TooFast => "slow_down",
            Self::TooSlow | Self::Pending(_) | Self::Overloaded => "temporarily_unavailable",
            Self::Failed { failure, .. } => match failure.kind {
                FailureKind::Denied => "upstream_denied",
                FailureKind::Misconfigured => "upstream_misconfigured",
                FailureKind::Throttled | FailureKind::Unavailable | FailureKind::Malformed => "temporarily_unavailable",
            },
        }
    }

    /// The code that AWS SDKs see, and the log. Never the words: a confused client may put its token where a name belongs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadRequest(_) | Self::BadScope(_) | Self::UnsupportedGrant => "InvalidRequest",
            Self::BadSubject(_) => "InvalidSubjectToken",
            Self::TooLarge | Self::BodyTooLarge(_) => "RequestTooLarge",
            Self::NotForwardable(_) => "NotImplemented",
            Self::NotForwarded { timed_out: false, .. } => "BadGateway",
            Self::NotForwarded { timed_out: true, .. } => "GatewayTimeout",
            Self::NoBearer => "TokenRequired",
            Self::BadBearer(_) => "InvalidToken",
            Self::LacksScope(_) => "InsufficientScope",
            Self::NoSession => "SessionRequired",
            Self::SessionOver => "SessionOver",
            Self::UnknownCaller | Self::UnknownClient(_) | Self::NotTheCaller => "UnknownCaller",
            Self::Foreign(_)
            | Self::NotDeliberate
            | Self::OtherVersion
            | Self::NotAllowed(_)
            | Self::NotForThisClient
            | Self::BadTarget(_) => "AccessDenied",
            Self::NoSuchName(_) | Self::NoSuchPath => "NotFound",
            Self::MethodNotAllowed(_) | Self::NeedsSubject(_) => "MethodNotAllowed",
            Self::Crowded(_) | Self::CrowdedSubjects(_) | Self::TooManyAtOnce | Self::TooFast => "TooManyRequests",
            Self::Overloaded => "Overloaded",
            Self::TooSlow | Self::Pending(_) => "CredentialsUninitialized",
            Self::Failed { failure, .. } => match failure.kind {
                FailureKind::Denied => "UpstreamDenied",
                FailureKind::Misconfigured => "UpstreamMisconfigured",
                FailureKind::Throttled => "UpstreamThrottled",
                FailureKind::Unavailable => "UpstreamUnavailable",
                FailureKind::Malformed => "UpstreamMalformed",
            },
        }
    }

    /// What a bearer token is asked for with (RFC 6750 section 3). Whoever showed none is told of no error.
    fn challenge(&self) -> Option<String> {
        let challenge = "Bearer realm=\"credbroker\"";
        let faulty = || {
            format!("{challenge}, error=\"{}\", error_description=\"{}\"", self.error(), printable(&self.to_string()))
        };
        match self {
            Self::UnknownCaller | Self::NoBearer => Some(challenge.to_owned()),
            Self::UnknownClient(challenge) => challenge.map(ToOwned::to_owned),
            Self::BadBearer(_) => Some(faulty()),
            Self::LacksScope(scope) => Some(format!("{}, scope=\"{}\"", faulty(), printable(scope))),
            _ => None,
        }
    }

    /// Whole seconds after which it is worth asking again, at least one.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooSlow
            | Self::Pending(_)
            | Self::CrowdedSubjects(_)
            | Self::Overloaded
            | Self::TooManyAtOnce
            | Self::TooFast => Some(1),
            Self::Crowded(_) => Some(60),
            Self::Failed { retry_after, .. } => Some(
                retry_after.as_secs().max(1) + u64::from(retry_after.subsec_nanos() > 0 && retry_after.as_secs() > 0),
            ),
            _ => None,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(what) | Self::Foreign(what) | Self::BadScope(what) | Self::NotForwardable(what) | Self::BodyTooLarge(what) => {
                f.write_str(what)
            }
            Self::NotForwarded { why, .. } => f.write_str(why),
            Self::BadSubject(why) => write!(f, "the subject token is refused: {why}"),
            Self::UnknownCaller => f.write_str("the caller is not known; present the token of a configured caller in the Authorization header"),
            Self::UnknownClient(_) => f.write_str("the client is not known; its secret is the token of a configured caller, and its id the name of what it asks for"),
            Self::NotForThisClient => f.write_str("this caller may not have a token of that name; the client id is one of the tokens in the caller's allow list"),
            Self::BadTarget(why) => f.write_str(why),
            Self::UnsupportedGrant => f.write_str("the grant types here are client_credentials and token exchange (RFC 8693)"),
            Self::NotDeliberate => {
                f.write_str("a caller without a token sends the header Credbroker-Request: true, so that no browser can ask in its place")
            }
            Self::NoBearer => f.write_str("the request that is asked about has no bearer token"),
            Self::BadBearer(why) => f.write_str(why),
            Self::LacksScope(scope) => write!(f, "the token lacks scopes; all of these are asked for: {scope}"),
            Self::NotTheCaller => f.write_str("this listener is for the processes of the user that its caller names, and this is none of them"),
            Self::NoSession => f.write_str("X-aws-ec2-metadata-token is missing: version 1 of the service (IMDSv1) is not served; PUT /latest/api/token first"),
            Self::SessionOver => f.write_str("the session is not known or has ended; PUT /latest/api/token again"),
            Self::OtherVersion => f.write_str("sessions are opened by PUT /latest/api/token only"),
            Self::NotAllowed(name) => write!(f, "this caller may not have {name}; add it to the caller's allow list"),
            Self::NoSuchName(name) => write!(f, "{name} is not configured"),
            Self::NoSuchPath => f.write_str("there is nothing at this path"),
            Self::MethodNotAllowed(allow) => write!(f, "this path takes {}", allow.join(", ")),
            Self::NeedsSubject(name) => {
                write!(f, "{name} is for the user of a token: this path takes POST, with the token as subject_token")
            }
            Self::TooLarge => f.write_str("the request is larger than any that makes sense here"),
            Self::TooSlow => f.write_str("the request could not be answered in time"),
            Self::Crowded(name) => {
                write!(f, "{name} is held with too many different scopes at once; ask for it as it is configured")
            }
            Self::CrowdedSubjects(name) => {
                write!(f, "{name} is being fetched for as many subject tokens as it holds at a time (max_subjects); ask again")
            }
            Self::Overloaded => f.write_str("more requests came at once than are answered at a time (max_connections); ask again"),
            Self::TooManyAtOnce => f.write_str("this caller has as many requests at once as one caller may; wait for answers before asking for more"),
            Self::TooFast => f.write_str("this caller asks more often than its requests_per_second; keep what was answered, and ask again"),
            Self::Pending(name) => write!(f, "{name} is being fetched and takes longer than a second; ask again"),
            Self::Failed { name, failure, .. } => write!(f, "{name}: {failure}"),
        }
    }
}

/// The answer to a request that is not served.
pub fn refusal(trouble: &Trouble, style: Style) -> Response {
    let mut response = match body(trouble, style) {
        Value::String(text) => with_type(trouble.status(), "text/plain", text),
        body => json(trouble.status(), &body),
    };
    response.headers_mut().extend(headers(trouble));
    response.extensions_mut().insert(Refusal::from(trouble));
    response
}

/// How a trouble is told: a document, or a plain text.
pub fn body(trouble: &Trouble, style: Style) -> Value {
    let message = printable(&trouble.to_string());
    match style {
        Style::OAuth => json!({ "error": trouble.error(), "error_description": message }),
        Style::Aws => {
            let code = trouble.code();
            json!({ "code": code, "message": message, "Code": code, "Message": message })
        }
        Style::Text => Value::String(message),
    }
}

/// The headers that go with a trouble.
pub fn headers(trouble: &Trouble) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(seconds) = trouble.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    let allow = match trouble {
        Trouble::MethodNotAllowed(allow) => Some(allow.join(", ")),
        Trouble::NeedsSubject(_) => Some("POST".to_owned()),
        _ => None,
    };
    if let Some(allow) = allow.and_then(|allow| HeaderValue::from_str(&allow).ok()) {
        headers.insert(ALLOW, allow);
    }
    if let Some(challenge) = trouble.challenge().and_then(|challenge| HeaderValue::from_str(&challenge).ok()) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    headers
}

/// What RFC 6749 section 5.2 allows in an `error_description`: printable ASCII without `"` and `\`.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' | '\\' => '\'',
            ' '..='~' => c,
            '…' => '.',
            _ => '?',
        })
        .collect()
}

/// An answer in JSON.
pub fn json(status: StatusCode, body: &Value) -> Response {
    with_type(status, "application/json", body.to_string())
}

/// An answer with a body of `content_type`.
pub fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into().into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The headers of every answer. Nothing here may be stored, not even an error, and no browser may make anything of it: run it,
/// frame it, or take it into a page of another site.
pub fn harden(response: &mut Response, ending: bool) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    // The page has one of its own.
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NO_CONTENT));
    if ending {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: FailureKind, timed_out: bool) -> Trouble {
        let failure = Arc::new(Failure { timed_out, ..Failure::new(kind, "why") });
        Trouble::Failed { name: "tokens.x".into(), failure, retry_after: Duration::from_millis(2_500) }
    }

    #[test]
    fn each_kind_of_failure_has_the_status_of_the_contract() {
        for (trouble, status) in [
            (failed(FailureKind::Denied, false), 502),
            (failed(FailureKind::Misconfigured, false), 502),
            (failed(FailureKind::Throttled, false), 503),
            (failed(FailureKind::Unavailable, false), 503),
            (failed(FailureKind::Unavailable, true), 504),
            (failed(FailureKind::Malformed, false), 503),
            (Trouble::Pending("tokens.x".into()), 503),
            (Trouble::UnknownCaller, 401),
            (Trouble::NotAllowed("tokens.x".into()), 403),
            (Trouble::NoSuchName("tokens.x".into()), 404),
            (Trouble::TooLarge, 413),
            (Trouble::BodyTooLarge("why"), 413),
            (Trouble::NotForwardable("why"), 501),
        ] {
            let response = refusal(&trouble, Style::OAuth);
            assert_eq!(response.status().as_u16(), status, "{trouble:?}");
            assert_eq!(response.headers().contains_key(RETRY_AFTER), status >= 502, "{trouble:?}");
        }
        assert_eq!(
            refusal(&failed(FailureKind::Throttled, false), Style::Aws).headers()[RETRY_AFTER],
            "3",
            "rounded up"
        );
    }

    #[test]
    fn a_description_holds_only_what_rfc_6749_allows() {
        assert_eq!(printable("a \"b\" \\ ü\n…"), "a 'b' ' ??.");
    }
}
