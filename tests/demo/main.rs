//! `make run`: the emulator and the daemon in one command, with a tour in the terminal. No account, no network.
//!
//! `demo` shows the tour and stays up; `demo --once` ends after it. `demo who-am-i` is one step of the tour, a program of its
//! own: it knows nothing of credbroker and asks an unmodified AWS SDK who it is.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the demo is a program for a terminal")]
#![expect(
    clippy::disallowed_methods,
    reason = "a demo is the outermost place: arguments, environment and clock come in here"
)]

mod asking;
mod setting;
mod tour;
mod verified;
mod who_am_i;

use std::process::ExitCode;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["who-am-i"] => who_am_i::run(1).await,
        ["who-am-i", times] => match times.parse() {
            Ok(times) => who_am_i::run(times).await,
            Err(_) => Err("usage: demo who-am-i [TIMES]".into()),
        },
        [] => tour::run(false).await,
        ["--once"] => tour::run(true).await,
        _ => Err("usage: demo [--once]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("demo: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Why the demo cannot go on, in words.
type Fault = Box<dyn std::error::Error + Send + Sync>;
