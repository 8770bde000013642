//! What happened to one cached value, or to many together.

use crate::source::FailureKind;

/// How often something happened, since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answers from the cache that needed no upstream request.
    pub hits: u64,
    /// Answers after refresh-due, with the old value.
    pub stale: u64,
    /// Requests that found nothing valid.
    pub misses: u64,
    /// Those of them that waited for a fetch and got its value.
    pub waited: u64,
    /// Upstream requests made.
    pub fetches: u64,
    /// Upstream requests that failed.
    pub failures: u64,
    /// The same by kind, in the order of [`FailureKind::ALL`].
    pub failures_by_kind: [u64; FailureKind::ALL.len()],
}

impl Counts {
    /// Answers given beyond the upstream requests made for them.
    pub fn avoided(&self) -> u64 {
        (self.hits + self.stale + self.waited).saturating_sub(self.fetches)
    }
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            stale: self.stale + other.stale,
            misses: self.misses + other.misses,
            waited: self.waited + other.waited,
            fetches: self.fetches + other.fetches,
            failures: self.failures + other.failures,
            failures_by_kind: std::array::from_fn(|kind| self.failures_by_kind[kind] + other.failures_by_kind[kind]),
        }
    }
}
