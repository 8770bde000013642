//! One line: a JSON object with the keys in the order of [`Record`], absent ones left out. docs/audit.md says what each means; keys
//! may be added, and none changes its meaning.

use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::Fingerprint;
use crate::clock::{rfc3339, rfc3339_in_millis};
use crate::policy::{Factors, Process};

/// No text in a line is longer, in bytes.
const LONGEST_TEXT: usize = 512;

/// At which door it was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// `/v1/tokens/{name}`.
    Token,
    /// `/v1/credentials/{name}`.
    Credentials,
    /// `/oauth2/token`, both grants.
    Oauth2,
    /// `/oauth2/introspect`.
    Introspect,
    /// `/v1/authorize/{issuer}`.
    Authorize,
    /// `/v1/authorize/{issuer}/policy`.
    Authorizer,
    /// The metadata service.
    Imds,
    /// A forward address.
    Egress,
    /// A file that is kept fresh.
    File,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The credential was handed out, added to a forwarded request, or written to a file.
    Issued,
    /// The token that somebody showed is valid.
    Accepted,
    /// The token that somebody showed is not valid, or not for this.
    Denied,
    /// Whoever asked may not have it, or asked wrongly.
    Refused,
    /// It could not be had.
    Failed,
    /// Whoever asked was gone before the answer.
    HungUp,
}

/// A decision.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Record<'a> {
    /// When; set as it is written.
    #[serde(serialize_with = "instant_in_millis")]
    pub time: SystemTime,
    /// At which door.
    pub event: Event,
    /// What was decided.
    pub outcome: Outcome,
    /// The HTTP status of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it was not to be had, as a fixed word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// The NAME of `callers.NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<&'a str>,
    /// By what that caller was known.
    #[serde(skip_serializing_if = "Known::is_nothing")]
    pub known_by: Known,
    /// How it was connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<&'static str>,
    /// The user of its process, as the kernel tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The systemd unit.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "bounded")]
    pub unit: Option<&'a str>,
    /// The full name of the token, credentials or issuer, where it is a configured one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// The full name of what it went through: a forward address, a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<&'a str>,
    /// The scopes of the token.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "bounded")]
    pub scope: Option<&'a str>,
    /// How the answer stood to the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<&'static str>,
    /// Of what was handed out, or of the token that somebody showed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// When that ends.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "instant")]
    pub expires_at: Option<SystemTime>,
    /// What the upstream calls the request by which it was had, or could not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_request_id: Option<&'a str>,
}

/// By what a caller is known, as a list of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known(pub Factors);

impl<'a> Record<'a> {
    /// One that says nothing but this.
    pub fn of(event: Event, outcome: Outcome) -> Self {
        Self {
            time: SystemTime::UNIX_EPOCH,
            event,
            outcome,
            status: None,
            reason: None,
            caller: None,
            known_by: Known::default(),
            transport: None,
            uid: None,
            gid: None,
            pid: None,
            unit: None,
            name: None,
            via: None,
            scope: None,
            cache: None,
            fingerprint: None,
            expires_at: None,
            upstream_request_id: None,
        }
    }

    /// The same, by this process.
    pub fn by_process(self, process: &'a Process) -> Self {
        let Process { uid, gid, pid, unit } = process;
        Self { uid: *uid, gid: *gid, pid: *pid, unit: unit.as_deref(), ..self }
    }

    /// The line, with its end.
    pub fn line(&self) -> Vec<u8> {
        let mut line = self.json();
        line.push(b'\n');
        line
    }

    /// The line without its end. JSON escapes every control character, so there is no second line in it.
    pub fn json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(512);
        // Nothing in it that has no JSON, and a vector takes all.
        let written = serde_json::to_writer(&mut json, self);
        debug_assert!(written.is_ok(), "a record is always JSON");
        json
    }
}

impl Event {
    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Credentials => "credentials",
            Self::Oauth2 => "oauth2",
            Self::Introspect => "introspect",
            Self::Authorize => "authorize",
            Self::Authorizer => "authorizer",
            Self::Imds => "imds",
            Self::Egress => "egress",
            Self::File => "file",
        }
    }
}

impl Outcome {
    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Accepted => "accepted",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::HungUp => "hung-up",
        }
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Known {
    fn words(self) -> impl Iterator<Item = &'static str> {
        let Factors { token, uid, gid, unit } = self.0;
        let all = [("token", token), ("uid", uid), ("gid", gid), ("unit", unit)];
        all.into_iter().filter(|(_, is_one)| *is_one).map(|(word, _)| word)
    }

    fn is_nothing(&self) -> bool {
        self.0 == Factors::default()
    }
}

impl Serialize for Known {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.words())
    }
}

/// The longest beginning of `text` that a line has room for.
pub fn cut(text: &str) -> &str {
    let end = (0..=LONGEST_TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

fn bounded<S: Serializer>(text: &Option<&str>, serializer: S) -> Result<S::Ok, S::Error> {
    text.map(cut).serialize(serializer)
}

#[expect(clippy::ref_option, reason = "serde hands over the field")]
fn instant<S: Serializer>(instant: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    instant.map(rfc3339).serialize(serializer)
}

fn instant_in_millis<S: Serializer>(instant: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    rfc3339_in_millis(*instant).serialize(serializer)
}
