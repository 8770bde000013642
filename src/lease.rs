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
}

impl<T> Issued<T> {
    /// A value that lives from `sent_at` to `expiry`, and can be renewed.
    pub fn new(value: T, sent_at: Moment, expiry: Moment) -> Self {
        Self { value, sent_at, expiry, renewable: true, obtained_with: None, scopes_missing: Vec::new() }
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
    pub value: T,
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
}

impl<T> Lease<T> {
    /// Holds `issued` until its expiry, to be replaced from `refresh_due` on.
    pub fn new(issued: Issued<T>, refresh_due: Moment) -> Self {
        let Issued { value, sent_at, expiry, renewable, obtained_with, scopes_missing } = issued;
        let refresh_due = if renewable { refresh_due } else { expiry };
        Self { value, issued_at: sent_at, refresh_due, expiry, obtained_with, scopes_missing }
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
