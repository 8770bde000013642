//! The diagnostic log: to standard error, plain text for people or JSON for machines.
//!
//! `CREDBROKER_LOG` (or, out of habit, `RUST_LOG`) sets its level: `error`, `warn`, `info`, `debug`, `trace`; `info` by
//! default. `CREDBROKER_LOG_FORMAT=json` sets its form. The level is for credbroker's own words. Libraries are silent whatever
//! it says: the AWS SDK and hyper print whole requests and answers, with secrets and tokens in them, and the SDK puts bodies
//! even into its warnings. The one exception is the HTTP client, which warns of missing root certificates.
//!
//! Nobody waits for the log to be read: [`Lines`].

use std::io::{IsTerminal as _, Stderr, Write as _};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::lines::{Lines, Sink};
use crate::environment::Environment;

/// The log while it is written. What was said last is written when this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Log(Option<Lines>);

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(lines) = &self.0 {
            lines.finish();
        }
    }
}

/// What the log has lost so far. Cloning shares it; by default there is no log.
#[derive(Clone, Debug, Default)]
pub struct Losses(Option<Lines>);

impl Losses {
    /// How many lines.
    pub fn lost(&self) -> u64 {
        self.0.as_ref().map_or(0, Lines::lost)
    }
}

impl Log {
    /// What it loses.
    pub fn losses(&self) -> Losses {
        Losses(self.0.clone())
    }
}

struct StandardError(Stderr);

impl Sink for StandardError {
    fn write(&mut self, lines: &[Vec<u8>]) -> u64 {
        // Where standard error is closed there is nobody to tell.
        lines.iter().map(|line| u64::from(self.0.write_all(line).is_err())).sum()
    }

    fn tell(&mut self, lost: u64) {
        tracing::warn!(lost, "lines of the log were lost: what reads standard error was too slow");
    }
}

/// Starts the log. Where somebody else has started one, as in a test, that stays.
pub fn start(environment: &Environment) -> Log {
    let lines = Lines::to("log", StandardError(std::io::stderr())).ok();
    // A log that may have to be waited for is better than none.
    let writer = lines.clone().map_or_else(|| BoxMakeWriter::new(std::io::stderr), BoxMakeWriter::new);
    write_to(writer, environment);
    Log(lines)
}

fn write_to(writer: BoxMakeWriter, environment: &Environment) {
    let wanted = environment.var("CREDBROKER_LOG").or_else(|| environment.var("RUST_LOG"));
    let level = wanted.and_then(|level| level.parse::<LevelFilter>().ok());
    let targets = Targets::new()
        .with_default(LevelFilter::OFF)
        .with_target("aws_smithy_http_client", LevelFilter::WARN)
        .with_target("credbroker", level.unwrap_or(LevelFilter::INFO));
    let registry = tracing_subscriber::registry().with(targets);
    // Under journald, which adds the time itself, and in pipes no colours.
    let timeless = environment.var("JOURNAL_STREAM").is_some();
    let started = if environment.var("CREDBROKER_LOG_FORMAT") == Some("json") {
        registry.with(tracing_subscriber::fmt::layer().json().with_writer(writer)).try_init()
    } else if timeless {
        registry.with(tracing_subscriber::fmt::layer().without_time().with_ansi(false).with_writer(writer)).try_init()
    } else {
        let colours = std::io::stderr().is_terminal() && environment.var("NO_COLOR").is_none();
        registry.with(tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(writer)).try_init()
    };
    // Somebody else's subscriber, as in a test, stays.
    drop(started);
    if wanted.is_some() && level.is_none() {
        tracing::warn!("the log level is none of off, error, warn, info, debug and trace; info is used");
    }
}
