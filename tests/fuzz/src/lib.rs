//! What the fuzz targets share: time that costs nothing, upstreams that answer what the input says, a broker to ask, and the
//! canary that must not come out of it.

#![allow(clippy::disallowed_methods, reason = "what was issued is looked at here, and so is whatever came of it")]

pub mod canary;
pub mod issued;
pub mod site;
pub mod stages;
pub mod tokens;
pub mod upstream;
pub mod wire;

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use credbroker::clock::Clock;
use tokio::runtime::{Builder, Runtime};

/// What the wall clock shows at first, in seconds since 1970. The tokens of the corpora go by it.
pub const NOW: u64 = 1_800_000_000;

/// One for the process, on a paused clock: whoever waits is there as soon as nobody else has anything to do.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime without any I/O")
});

static CLOCK: LazyLock<Clock> = LazyLock::new(|| Clock::tokio(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)));

/// Runs one input to its end.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// The time. Only within [`run`].
pub fn clock() -> Clock {
    CLOCK.clone()
}
