//! Faults: how a test makes the next answers go wrong.

mod document;
mod effect;
mod plan;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use self::effect::{CutAfter, Effect};
pub(crate) use self::plan::FaultPlan;

/// A fault waiting for its operation.
///
/// As JSON: `{"operation": "token", "count": 1, "after": 0, "status": {"status": 503}}`. The kind may also be
/// wrapped: `"kind": {"status": {"status": 503}}`.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The operation it strikes, as the journal names it, or `*` for all.
    pub operation: String,
    /// How many requests it strikes; 0 means until faults are cleared.
    pub count: u64,
    /// How many matching requests pass unharmed first.
    pub after: u64,
    /// What happens.
    pub kind: FaultKind,
}

impl Fault {
    /// A fault for the next matching request.
    #[must_use]
    pub fn once(operation: &str, kind: FaultKind) -> Fault {
        Fault { operation: operation.to_owned(), count: 1, after: 0, kind }
    }

    /// A fault for every matching request until faults are cleared.
    #[must_use]
    pub fn always(operation: &str, kind: FaultKind) -> Fault {
        Fault { count: 0, ..Fault::once(operation, kind) }
    }
}

/// What a fault does to the answer. The operation itself is still carried out and journalled.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// A bare HTTP answer, such as a proxy's 503.
    Status {
        /// HTTP status.
        status: u16,
        /// The body, sent as text unless `headers` says otherwise.
        #[serde(default)]
        body: String,
        /// Extra headers.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// An error in the operation's own protocol.
    Error {
        /// The protocol's error code.
        code: String,
        /// HTTP status.
        #[serde(default = "bad_request")]
        status: u16,
        /// The sentence with it.
        #[serde(default)]
        message: String,
    },
    /// A late but normal answer.
    Delay {
        /// How late.
        milliseconds: u64,
    },
    /// The answer stops short of its `Content-Length` and the connection closes.
    Cut {
        /// How many bytes of the body are sent.
        #[serde(default)]
        after_bytes: usize,
    },
    /// Status 200 with a body of another kind.
    Garbage {
        /// The body.
        body: String,
        /// Its content type.
        #[serde(default = "html")]
        content_type: String,
    },
    /// The operation's throttling answer: 429 at the token endpoint and for documents,
    /// 400 `TooManyRequestsException` (Secrets Manager: `ThrottlingException`) in JSON, 400 `Throttling` at STS.
    Throttle {
        /// Value of `Retry-After`, in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// No answer until the client goes away or the emulator stops.
    Hang {},
    /// Status 302 to somewhere else.
    Redirect {
        /// Value of `Location`.
        location: String,
    },
    /// Members put into a successful body: objects are merged, everything else replaced.
    Replace(Map<String, Value>),
}

impl FaultKind {
    /// The name the journal gives it, after `fault:`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            FaultKind::Status { .. } => "status",
            FaultKind::Error { .. } => "error",
            FaultKind::Delay { .. } => "delay",
            FaultKind::Cut { .. } => "cut",
            FaultKind::Garbage { .. } => "garbage",
            FaultKind::Throttle { .. } => "throttle",
            FaultKind::Hang {} => "hang",
            FaultKind::Redirect { .. } => "redirect",
            FaultKind::Replace(_) => "replace",
        }
    }
}

fn bad_request() -> u16 {
    400
}

fn html() -> String {
    "text/html".to_owned()
}
