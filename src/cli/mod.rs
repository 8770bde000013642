//! The command line: one file per command. Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 daemon not reachable,
//! 4 not allowed, 5 not available in time. `exec` ends with those of the command it becomes; 126 and 127 if it cannot.

mod ask;
mod check;
mod client;
mod credentials;
mod doctor;
mod exec;
mod health;
mod new_caller;
mod output;
mod proof;
mod rotate;
mod run;
mod schema;
mod sdk;
mod status;
mod token;
mod verify;
mod wait;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use nix::unistd::{Uid, User};

use crate::app::Outside;
use crate::config;
use crate::environment::Environment;
use crate::ops::process;

/// A machine-to-machine credential broker: OAuth 2.0 bearer tokens and temporary AWS credentials on loopback.
#[derive(Debug, Parser)]
#[command(name = "credbroker", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon
    Run(ConfigFile),
    /// Check the configuration: print the resolved table, or every mistake (exit code 2)
    Check(ConfigFile),
    /// Print the JSON Schema of the configuration
    Schema(schema::Arguments),
    /// Print a bearer token
    Token(token::Arguments),
    /// Print temporary AWS credentials
    Credentials(credentials::Arguments),
    /// Become a command in whose environment every AWS SDK asks the daemon
    Exec(exec::Arguments),
    /// Tell which credentials each AWS SDK would pick here, and what is in the way of the daemon
    Doctor(doctor::Arguments),
    /// Verify a token as one of an issuer's: print its claims, or exit with 1
    Verify(verify::Arguments),
    /// Is it the daemon that answers? Have it prove that it knows the caller's token, without showing it (exit code 1 if it does not)
    Proof(proof::Arguments),
    /// Print a caller's table for the configuration, and a fresh token for it
    NewCaller(new_caller::Arguments),
    /// Show what the daemon holds
    Status(status::Arguments),
    /// Is the daemon alive? Exit code 0 or 1: a container's health check
    Health(client::Where),
    /// Replace the client secret of a Cognito app client, without a gap; run it again if it was interrupted
    Rotate(rotate::Arguments),
    /// Wait until entries, or all that are always kept, are usable
    Wait(wait::Arguments),
}

/// Which configuration.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    config: PathBuf,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    NotReachable = 3,
    NotAllowed = 4,
    NotInTime = 5,
    NotExecutable = 126,
    NoSuchCommand = 127,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Parses the process's arguments and carries the command out.
pub fn main() -> ExitCode {
    // Before anything secret is read: nearly every command holds tokens. If it is refused, the daemon says so.
    process::close();
    // Writing to a closed pipe ends the command instead of panicking: clap and `output` report it as an error.
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let _ = error.print();
            return code.into();
        }
    };
    let outside = Outside::of_process();
    let exit = match cli.command {
        Command::Run(file) => run::run(&file.config, outside),
        Command::Check(file) => check::run(&file.config),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Token(arguments) => token::run(&arguments, &outside),
        Command::Credentials(arguments) => credentials::run(&arguments, &outside),
        Command::Exec(arguments) => exec::run(&arguments, &outside),
        Command::Doctor(arguments) => doctor::run(&arguments, &outside),
        Command::Verify(arguments) => verify::run(&arguments, &outside),
        Command::Proof(arguments) => proof::run(&arguments, &outside),
        Command::NewCaller(arguments) => new_caller::run(&arguments),
        Command::Status(arguments) => status::run(&arguments, &outside),
        Command::Health(place) => health::run(&place, &outside),
        Command::Rotate(arguments) => rotate::run(&arguments, &outside),
        Command::Wait(arguments) => wait::run(&arguments, &outside),
    };
    exit.into()
}

/// Runs a client command's future on a small runtime.
fn on_runtime<T>(future: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => Some(runtime.block_on(future)),
        Err(cause) => {
            output::complain(&format!("the runtime cannot be started: {cause}"));
            None
        }
    }
}

/// The user's directory, where the files of SDKs are.
fn home(environment: &Environment) -> Option<PathBuf> {
    let of_user = || User::from_uid(Uid::current()).ok().flatten().map(|user| user.dir);
    environment.var("HOME").map(PathBuf::from).or_else(of_user)
}

/// A duration on the command line, as in the configuration.
fn duration(text: &str) -> Result<Duration, String> {
    config::duration(text).ok_or_else(|| "expected a duration such as 90s, 15m or 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
