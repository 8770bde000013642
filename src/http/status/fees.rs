//! What was saved in Amazon Cognito's fees for tokens of machine clients: an estimate.
//!
//! Cognito takes a fee for each successful answer to client_credentials, of the hosted token endpoint and of GetClientToken alike,
//! and none for users' tokens. The estimate compares with callers that buy a token for each of their requests; one that keeps
//! its tokens itself would have bought fewer. The fee per app client and month is the same either way.

use serde_json::{Value, json};

use crate::refresh::Report;
use crate::refresh::counts::Counts;

const COMPARED_WITH: &str = "a token bought for each request of a caller";

/// What one token costs, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fees {
    per_token: f64,
}

impl Fees {
    /// Fees of so many US dollars for 1,000 tokens; `None` if they are free.
    pub fn of(per_1000: f64) -> Option<Self> {
        (per_1000 > 0.0).then_some(Self { per_token: per_1000 / 1_000.0 })
    }

    /// What was saved by `counts`, in US dollars.
    pub fn saved(self, counts: Counts) -> f64 {
        self.dollars(counts.avoided())
    }

    /// All that was paid and saved for the entries among `reports` whose values cost something.
    pub fn summary(self, reports: &[Report]) -> Value {
        let variations = reports.iter().filter(|report| report.origin.is_billed).flat_map(|report| &report.variations);
        let (mut bought, mut avoided) = (0, 0);
        for (_, held) in variations {
            let answered = held.counts.fetches.saturating_sub(u64::from(held.fetching));
            bought += answered.saturating_sub(held.counts.failures);
            avoided += held.counts.avoided();
        }
        json!({
            "estimate": true,
            "compared_with": COMPARED_WITH,
            "currency": "USD",
            "per_1000": self.dollars(1_000),
            "bought": bought,
            "avoided": avoided,
            "paid": self.dollars(bought),
            "saved": self.dollars(avoided),
        })
    }

    /// Rounded, so that no binary fraction shows.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn dollars(self, tokens: u64) -> f64 {
        (tokens as f64 * self.per_token * 1e6).round() / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refresh::Origin;
    use crate::refresh::report::Snapshot;
    use crate::refresh::schedule::{Freshness, Keep};
    use crate::source::Ask;

    fn report(is_billed: bool, counts: Counts, fetching: bool) -> Report {
        let freshness =
            Freshness { ahead: 0.75, keep: Keep::Used, outage_cover: None, life_left: std::time::Duration::ZERO };
        let held = Snapshot { counts, fetching, ..Snapshot::default() };
        let origin = Origin { is_billed, ..Origin::default() };
        let variations = vec![(Ask::default(), held)];
        Report { name: "x".to_owned(), origin, freshness, variations, demand: None, crowd: None }
    }

    #[test]
    fn only_what_is_billed_counts_and_only_answers_are_paid_for() {
        let counts = Counts { hits: 1_000, stale: 3, waited: 1, fetches: 4, failures: 1, ..Counts::default() };
        let fees = Fees::of(2.25).unwrap();
        assert_eq!(fees.saved(counts), 2.25);
        let summary = fees.summary(&[report(true, counts, true), report(false, counts, false)]);
        assert_eq!((summary["avoided"].as_u64(), summary["saved"].as_f64()), (Some(1_000), Some(2.25)));
        assert_eq!((summary["bought"].as_u64(), summary["paid"].as_f64()), (Some(2), Some(0.0045)));
        assert_eq!((summary["per_1000"].as_f64(), summary["estimate"].as_bool()), (Some(2.25), Some(true)));
    }

    #[test]
    fn where_tokens_are_free_nothing_is_reckoned() {
        assert_eq!(Fees::of(0.0), None);
    }
}
