//! A value with a life: issued, then due for refresh, then expired. The only test of expiry in the crate.

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
}

impl<T> Issued<T> {
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
}

impl<T> Lease<T> {
    /// Holds `issued` until its expiry, to be replaced from `refresh_due` on.
    pub fn new(issued: Issued<T>, refresh_due: Moment) -> Self {
        Self { value: issued.value, issued_at: issued.sent_at, refresh_due, expiry: issued.expiry }
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
