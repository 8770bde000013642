//! What happened to one cached value, or to many together.

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
        }
    }
}
