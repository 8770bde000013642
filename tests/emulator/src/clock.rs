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

/// Reads `Sat Nov 21 10:00:00 UTC 2026`, Java's `EEE MMM d HH:mm:ss z yyyy`: English, the day without a leading zero.
pub(crate) fn from_java(text: &str) -> Option<i64> {
    const FORM: &str = "%a %b %-d %H:%M:%S UTC %Y";
    let civil = DateTime::strptime(FORM, text).ok()?;
    // The parser takes more than the form says, so only what comes out the same went in right.
    let exact = civil.strftime(FORM).to_string() == text;
    exact.then_some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

fn instant(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::from_java;

    #[test]
    fn java_dates_to_the_letter() {
        assert_eq!(from_java("Sat Nov 7 09:05:00 UTC 2026"), Some(1_794_042_300));
        assert_eq!(from_java("Sat Nov 21 23:05:09 UTC 2026"), Some(1_795_302_309));
        for wrong in [
            "Sat Nov 07 09:05:00 UTC 2026",
            "Sat Nov  7 09:05:00 UTC 2026",
            "Sun Nov 7 09:05:00 UTC 2026",
            "sat nov 7 09:05:00 UTC 2026",
            "Saturday Nov 7 09:05:00 UTC 2026",
            "Sat Nov 7 9:05:00 UTC 2026",
            "Sat Nov 7 09:05:00 GMT 2026",
            "2026-11-07T09:05:00Z",
            " Sat Nov 7 09:05:00 UTC 2026",
            "",
        ] {
            assert_eq!(from_java(wrong), None, "{wrong}");
        }
    }
}
