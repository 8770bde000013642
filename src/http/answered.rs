//! What was answered so far: at which door, and with what class of status. For the status and the metrics, so nothing of a request
//! is kept: whoever asks chooses paths, and there are as many doors as stand here.

use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{health, introspect, metadata, metrics, oauth, openapi, proof};

/// A door. Those at which something is decided about a credential are called as in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// `/v1/tokens/{name}`.
    Token,
    /// `/v1/credentials/{name}`.
    Credentials,
    /// `/oauth2/token`.
    Oauth2,
    /// `/oauth2/introspect`.
    Introspect,
    /// `/v1/authorize/{issuer}`.
    Authorize,
    /// `/v1/authorize/{issuer}/policy`.
    Authorizer,
    /// The metadata for OAuth clients.
    Metadata,
    /// The description of the API.
    OpenApi,
    /// A proof that the daemon knows a token.
    Proof,
    /// `/v1/status`.
    Status,
    /// The page.
    Page,
    /// `/metrics`.
    Metrics,
    /// `/healthz` and `/readyz`.
    Health,
    /// The metadata service.
    Imds,
    /// A forward address.
    Egress,
    /// None: there is no such path.
    Nowhere,
}

/// The classes of status that are counted apart.
pub const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// The answers so far, by door and by class.
#[derive(Debug, Default)]
pub struct Answered([[AtomicU64; CLASSES.len()]; At::ALL.len()]);

impl At {
    /// Every door.
    pub const ALL: [Self; 16] = [
        Self::Token,
        Self::Credentials,
        Self::Oauth2,
        Self::Introspect,
        Self::Authorize,
        Self::Authorizer,
        Self::Metadata,
        Self::OpenApi,
        Self::Proof,
        Self::Status,
        Self::Page,
        Self::Metrics,
        Self::Health,
        Self::Imds,
        Self::Egress,
        Self::Nowhere,
    ];

    /// The one of the callers' own listeners at which `path` is.
    pub fn of(path: &str) -> Self {
        match path {
            oauth::PATH => Self::Oauth2,
            introspect::PATH => Self::Introspect,
            "/v1/status" => Self::Status,
            "/" => Self::Page,
            path if health::is_open(path) => Self::Health,
            path if metrics::is_open(path) => Self::Metrics,
            path if metadata::is_open(path) => Self::Metadata,
            path if openapi::is_open(path) => Self::OpenApi,
            path if proof::is_open(path) => Self::Proof,
            path if path.starts_with("/v1/tokens/") => Self::Token,
            path if path.starts_with("/v1/credentials/") => Self::Credentials,
            path => match path.strip_prefix("/v1/authorize/") {
                Some(issuer) if issuer.ends_with("/policy") => Self::Authorizer,
                Some(_) => Self::Authorize,
                None => Self::Nowhere,
            },
        }
    }

    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Credentials => "credentials",
            Self::Oauth2 => "oauth2",
            Self::Introspect => "introspect",
            Self::Authorize => "authorize",
            Self::Authorizer => "authorizer",
            Self::Metadata => "metadata",
            Self::OpenApi => "openapi",
            Self::Proof => "proof",
            Self::Status => "status",
            Self::Page => "page",
            Self::Metrics => "metrics",
            Self::Health => "health",
            Self::Imds => "imds",
            Self::Egress => "egress",
            Self::Nowhere => "nowhere",
        }
    }
}

impl Answered {
    /// One more.
    pub fn count(&self, at: At, status: StatusCode) {
        self.of(at, status).fetch_add(1, Ordering::Relaxed);
    }

    /// Those that there were: a member for each door, and in it one for each class.
    pub fn row(&self) -> Value {
        let doors = At::ALL.iter().zip(&self.0).map(|(at, counts)| (at.as_str().to_owned(), by_class(counts)));
        Value::Object(
            doors.filter(|(_, classes)| !classes.is_empty()).map(|(at, classes)| (at, classes.into())).collect(),
        )
    }

    fn of(&self, at: At, status: StatusCode) -> &AtomicU64 {
        // An upstream behind a forward address may say what is no status: that is an error of a server (RFC 9110, section 15).
        let class = match status.as_u16() {
            200..300 => 0,
            300..400 => 1,
            400..500 => 2,
            _ => 3,
        };
        &self.0[at as usize][class]
    }
}

fn by_class(counts: &[AtomicU64; CLASSES.len()]) -> Map<String, Value> {
    let counted = CLASSES.iter().zip(counts).map(|(class, count)| ((*class).to_owned(), count.load(Ordering::Relaxed)));
    counted.filter(|(_, count)| *count > 0).map(|(class, count)| (class, json!(count))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_that_is_described_is_at_a_door_and_whatever_else_comes_at_none() {
        let description = openapi::description();
        let doors: Vec<_> = description["paths"].as_object().unwrap().keys().map(|path| At::of(path)).collect();
        let of_its_own = |at: &At| !matches!(at, At::Imds | At::Egress | At::Nowhere);
        assert!(doors.iter().all(of_its_own), "{doors:?}");
        assert!(At::ALL.iter().filter(|at| of_its_own(at)).all(|at| doors.contains(at)), "{doors:?}");
        for path in ["/v1", "/v1/token", "/v1/tokens", "/oauth2/token/", "/v1/authorize", "/V1/status", "*", ""] {
            assert_eq!(At::of(path), At::Nowhere, "{path}");
        }
    }

    #[test]
    fn each_door_and_class_has_a_count_of_its_own() {
        let answered = Answered::default();
        assert_eq!(answered.row(), json!({}));
        for (number, at) in At::ALL.into_iter().enumerate() {
            for _ in 0..=number {
                answered.count(at, StatusCode::OK);
            }
            answered.count(at, StatusCode::NOT_FOUND);
            for invalid in [100, 503, 999] {
                answered.count(at, StatusCode::from_u16(invalid).unwrap());
            }
        }
        let row = answered.row();
        assert_eq!(row.as_object().unwrap().len(), At::ALL.len());
        for (number, at) in At::ALL.into_iter().enumerate() {
            assert_eq!(row[at.as_str()], json!({ "2xx": number + 1, "4xx": 1, "5xx": 3 }), "{at:?}");
        }
    }
}
