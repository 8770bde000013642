//! `credbroker rotate tokens.NAME`: a new client secret for a Cognito app client, without a gap. It works on the configuration and the
//! files themselves, not through the daemon, which may not write there and reads the new secret at its next request.

use clap::Args;

use super::{ConfigFile, Exit, on_runtime, output};
use crate::app::{self, CannotRotate, Outside};
use crate::config::Config;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Whose client secret: tokens.NAME
    name: String,
    #[command(flatten)]
    file: ConfigFile,
}

pub fn run(arguments: &Arguments, outside: &Outside) -> Exit {
    let config = match Config::load(&arguments.file.config) {
        Ok(config) => config,
        Err(problems) => {
            output::report(&problems.to_string());
            return Exit::Usage;
        }
    };
    let name = arguments.name.strip_prefix("tokens.").unwrap_or(&arguments.name);
    // Where nobody reads along the rotation still goes on to its end.
    let say = |line: &str| {
        let _ = output::say(line);
    };
    match on_runtime(app::rotate(config, name, outside, say)) {
        Some(Ok(())) => Exit::Done,
        Some(Err(cause)) => {
            output::complain(&cause.to_string());
            if matches!(cause, CannotRotate::Configuration(_)) { Exit::Usage } else { Exit::Failed }
        }
        None => Exit::Failed,
    }
}
