//! Refusals in the diagnostic log, for whoever looks why a caller is not served. Anybody on the machine can be refused as often as
//! they like, so of each kind there is a line in a second, with the number of those that had none; the audit log has all.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::intake::Peer;
use super::reply::Trouble;
use crate::clock::{Clock, Moment};

/// A line of one kind is followed by the next one after this.
const INTERVAL: Duration = Duration::from_secs(1);

/// What has been told.
#[derive(Debug)]
pub struct Refusals {
    clock: Clock,
    told: Mutex<BTreeMap<&'static str, Told>>,
}

/// When the last line of a kind was written, and how many had none since.
#[derive(Debug)]
struct Told {
    at: Moment,
    untold: u64,
}

impl Refusals {
    /// Nothing yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, told: Mutex::default() }
    }

    /// Who is refused is for people to see; what goes wrong upstream is told where it goes wrong.
    pub fn tell(&self, trouble: &Trouble, peer: &Peer) {
        let (status, why) = (trouble.status().as_u16(), trouble.code());
        let untold = if matches!(status, 401 | 403) { self.untold(why) } else { None };
        match untold {
            Some(more) => {
                tracing::info!(status, why, transport = ?peer.transport, uid = ?peer.process.uid, more, "refused");
            }
            None => tracing::debug!(status, why, "refused"),
        }
    }

    /// How many refusals for this reason were not told since the last one that was; `None` if this one is not told either.
    pub fn untold(&self, why: &'static str) -> Option<u64> {
        let now = self.clock.now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match told.get_mut(why) {
            Some(last) if now.since(last.at) < INTERVAL => {
                last.untold += 1;
                None
            }
            _ => Some(told.insert(why, Told { at: now, untold: 0 }).map_or(0, |last| last.untold)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_reason_has_a_line_in_a_second_that_counts_the_others() {
        let refusals = Refusals::new(Clock::tokio(UNIX_EPOCH));
        assert_eq!([(); 3].map(|()| refusals.untold("UnknownCaller")), [Some(0), None, None]);
        assert_eq!(refusals.untold("AccessDenied"), Some(0));
        tokio::time::advance(INTERVAL).await;
        assert_eq!([(); 2].map(|()| refusals.untold("UnknownCaller")), [Some(2), None]);
    }
}
