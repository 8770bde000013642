//! A value with a life: issued, then due for refresh, then expired. The only test of expiry in the crate.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;

/// What a source issued: the value, when its life began and when it ends.
#[derive(Debug)]
pub struct Issued<T> {
    /// What was issued.
    pub value: T,
    /// When the request for it was **sent**: a lifetime in seconds counts from here, so that a slow answer never makes
    /// the value look younger than it is.
    pub sent_at: Moment,
    /// The earliest end of life that the source named.
    pub expiry: Moment,
    /// Can a later one be had by asking again? Not where what was asked with ends first.
    pub renewable: bool,
    /// Which of several secrets it was obtained with, in words.
    pub obtained_with: Option<Arc<str>>,
    /// Scopes that were asked for and not granted.
    pub scopes_missing: Vec<String>,
    /// What the upstream calls the request in its own records.
    pub request_id: Option<RequestId>,
}

/// What an upstream calls a request in its own records: words of others, so they are short and printable, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// No upstream in use has longer ones, in bytes.
    const LONGEST: usize = 128;

    /// The id in `text`, if it can be one.
    pub fn of(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        let fits = (1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(is_plain);
        fits.then(|| Self(text.into()))
    }

    /// As the upstream wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T> Issued<T> {
    /// A value that lives from `sent_at` to `expiry`, and can be renewed.
    pub fn new(value: T, sent_at: Moment, expiry: Moment) -> Self {
        Self {
            value,
            sent_at,
            expiry,
            renewable: true,
            obtained_with: None,
            scopes_missing: Vec::new(),
            request_id: None,
        }
    }

    /// The same, of the request that the upstream calls `id`, if it calls it anything.
    pub fn by_request(mut self, id: Option<&str>) -> Self {
        self.request_id = id.and_then(RequestId::of);
        self
    }

    /// The same, but never beyond `end`, when what it was obtained with ends.
    pub fn until(mut self, end: Moment) -> Self {
        if end < self.expiry {
            self.expiry = end;
            self.renewable = false;
        }
        self
    }

    /// The whole life of the value, from the sending of the request.
    pub fn lifetime(&self) -> Duration {
        self.expiry.since(self.sent_at)
    }
}

/// An issued value that is held, with the two instants that govern it: from `refresh_due` on a replacement is sought,
/// until `expiry` this one is served.
#[derive(Debug)]
pub struct Lease<T> {
    /// What was issued.
    pub value: Arc<T>,
    /// When the request for it was sent.
    pub issued_at: Moment,
    /// From here on a replacement is sought.
    pub refresh_due: Moment,
    /// From here on it is never served.
    pub expiry: Moment,
    /// Which of several secrets it was obtained with, in words.
    pub obtained_with: Option<Arc<str>>,
    /// Scopes that were asked for and not granted.
    pub scopes_missing: Vec<String>,
    /// What the upstream calls the request in its own records.
    pub request_id: Option<RequestId>,
}

impl<T> Lease<T> {
    /// Holds `issued` until its expiry, to be replaced from `refresh_due` on.
    pub fn new(issued: Issued<T>, refresh_due: Moment) -> Self {
        let Issued { value, sent_at, expiry, renewable, obtained_with, scopes_missing, request_id } = issued;
        let refresh_due = if renewable { refresh_due } else { expiry };
        let value = Arc::new(value);
        Self { value, issued_at: sent_at, refresh_due, expiry, obtained_with, scopes_missing, request_id }
    }

    /// The same value, to be replaced from `refresh_due` on; where no later one can be had, from its expiry on as before.
    pub fn due_from(&self, refresh_due: Moment) -> Self {
        Self {
            value: Arc::clone(&self.value),
            issued_at: self.issued_at,
            refresh_due: if self.refresh_due < self.expiry { refresh_due } else { self.expiry },
            expiry: self.expiry,
            obtained_with: self.obtained_with.clone(),
            scopes_missing: self.scopes_missing.clone(),
            request_id: self.request_id.clone(),
        }
    }

    /// May it be served?
    pub fn is_valid(&self, now: Moment) -> bool {
        now < self.expiry
    }

    /// Should a replacement be sought?
    pub fn is_due(&self, now: Moment) -> bool {
        now >= self.refresh_due
    }

    /// The life left; zero from expiry on.
    pub fn remaining(&self, now: Moment) -> Duration {
        self.expiry.since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_short_and_plain_or_none() {
        let id = "4c8e2f1a-0b7d-4e53-9a60-1f2e3d4c5b6a";
        assert_eq!(RequestId::of(id).unwrap().as_str(), id);
        assert!(RequestId::of("1-67891233-abcdef012345678912345678;Root=x").is_some());
        for strange in ["", "a b", "a\nb", "\u{1b}[31m", "\u{fc}", "\"", "\\", &"x".repeat(129)] {
            assert_eq!(RequestId::of(strange), None, "{strange:?}");
        }
    }
}
