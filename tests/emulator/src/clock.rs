//! The emulator's clock: the system's, moved by an offset a test sets.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

#[derive(Default)]
pub(crate) struct Clock {
    offset: AtomicI64,
}

impl Clock {
    /// Seconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        Timestamp::now().as_second().saturating_add(self.offset.load(Ordering::Relaxed))
    }

    pub(crate) fn set_offset(&self, seconds: i64) {
        self.offset.store(seconds, Ordering::Relaxed);
    }
}

/// `2026-11-21T10:00:00Z`
pub(crate) fn rfc3339(seconds: i64) -> String {
    instant(seconds).to_string()
}

/// `Sat, 21 Nov 2026 10:00:00 GMT`, the form of the `Date` header.
pub(crate) fn http_date(seconds: i64) -> String {
    instant(seconds).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// `20261121T100000Z`, the form of `X-Amz-Date`.
pub(crate) fn basic(seconds: i64) -> String {
    instant(seconds).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Reads `20261121T100000Z`.
pub(crate) fn from_basic(text: &str) -> Option<i64> {
    // The parser alone would take shorter numbers, too.
    if text.len() != 16 || !text.is_ascii() {
        return None;
    }
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

fn instant(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
