//! `credbroker run`: the daemon. Ends with 0 after a drain, 2 for a bad configuration, 1 if it cannot start.

use std::path::Path;

use super::{Exit, output};
use crate::app::{self, Outside};
use crate::config::Config;
use crate::ops::{log, process};

pub fn run(file: &Path, outside: Outside) -> Exit {
    let memory = process::protect();
    let log = log::start(&outside.environment);
    memory.report();
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(problems) => {
            output::report(&problems.to_string());
            return Exit::Usage;
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(cause) => {
            output::complain(&format!("the runtime cannot be started: {cause}"));
            return Exit::Failed;
        }
    };
    let outside = Outside { log: log.losses(), ..outside };
    let outcome = runtime.block_on(app::run(file, config, outside));
    // A source that hangs in a blocking call does not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    // What the log says comes before what this command says.
    drop(log);
    match outcome {
        Ok(()) => Exit::Done,
        Err(cause) => {
            output::complain(&cause.to_string());
            Exit::Failed
        }
    }
}
