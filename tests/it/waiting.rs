//! Waiting for things to happen, never longer than a deadline; and the clocks a test measures with.

use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// No test takes longer.
const WHOLE_TEST: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Runs a test's body with a deadline. The body is dropped while the panic unwinds, so that its daemon shows its log.
pub async fn limited(body: impl Future<Output = ()>) {
    limited_to(WHOLE_TEST, body).await;
}

/// The same for a test that has a deadline of its own.
pub async fn limited_to(deadline: Duration, body: impl Future<Output = ()>) {
    let mut body = pin!(body);
    let outcome = tokio::time::timeout(deadline, &mut body).await;
    assert!(outcome.is_ok(), "the test did not end within {deadline:?}");
}

/// The first value that `look` gives, or a panic that names what did not happen.
pub async fn until<T>(what: &str, patience: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    match tokio::time::timeout(patience, looking).await {
        Ok(found) => found,
        Err(_) => panic!("{what}: did not happen within {patience:?}"),
    }
}

/// Measures how long something takes.
pub struct Stopwatch(tokio::time::Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a test measures from outside, with a clock of its own")]
    pub fn start() -> Self {
        Self(tokio::time::Instant::now())
    }

    #[expect(clippy::disallowed_methods, reason = "a test measures from outside, with a clock of its own")]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The wall clock, in seconds since the epoch: what `exp` counts in.
#[expect(clippy::disallowed_methods, reason = "a token's own expiry is an instant of the wall clock")]
pub fn wall() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}
