//! What an input plants where something secret stands, and what must not come out anywhere else: no answer, no failure and no
//! line of the log repeats it.

use std::fmt::Debug;
use std::io::{self, Write};
use std::sync::{Mutex, Once, PoisonError};

use credbroker::source::Failure;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Of letters that a token may have and an error code may not.
pub const CANARY: &str = "~canary~";

/// What the broker itself has logged since the last look, at every level.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// From now on what the broker logs is kept until somebody looks.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let lines = tracing_subscriber::fmt::layer().without_time().with_ansi(false).with_writer(|| Lines);
        let ours = filter_fn(|about| about.target().starts_with("credbroker"));
        tracing_subscriber::registry().with(lines.with_filter(ours)).init();
    });
}

/// Looks through the log, and empties it.
pub fn is_not_logged() {
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    is_not_in("the log", &log);
    log.clear();
}

/// Asserts that `text` does not hold it.
pub fn is_not_in(what: &str, text: &[u8]) {
    let found = text.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
    assert!(!found, "the canary is in {what}: {}", String::from_utf8_lossy(text));
}

/// A failure is one line for people, out of which nothing of the upstream's body speaks.
pub fn is_not_told(failure: &Failure) {
    let (words, debug) = (failure.to_string(), format!("{failure:?}"));
    is_not_in("a failure", words.as_bytes());
    is_not_in("a failure's Debug", debug.as_bytes());
    assert!(!words.is_empty() && !words.contains(char::is_control), "a failure is one line: {words:?}");
}

/// The Debug of what holds a secret does not show it.
pub fn is_not_shown(value: &impl Debug) {
    is_not_in("Debug", format!("{value:?}").as_bytes());
}
