//! `credbroker status`: what the daemon holds, as a table for people, with `--json` as the daemon's own document, with `--page` as
//! a page for a browser; with `--watch` again and again.

mod look;
mod save;
mod screen;
mod table;
mod watch;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::ask::{complaint, exit_of};
use super::client::{Answer, Where};
use super::{Exit, duration, on_runtime, output};
use crate::app::Outside;
use look::Look;

/// Where `--page` prints if no file is named.
const STANDARD_OUTPUT: &str = "-";
const NO_DOCUMENT: &str = "the daemon's answer is no status document; does another program listen there?";

#[derive(Debug, Args)]
pub struct Arguments {
    /// Print the daemon's document as JSON; with --watch, a line each time
    #[arg(long)]
    json: bool,
    /// Show it again and again, every 2s if no period is given, until Ctrl-C
    #[arg(long, value_name = "PERIOD", num_args = 0..=1, require_equals = true, default_missing_value = "2s", value_parser = period)]
    watch: Option<Duration>,
    /// Print it as a page for a browser, complete in itself; into a file if one is named
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = STANDARD_OUTPUT,
          conflicts_with_all = ["json", "watch"])]
    page: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
}

pub fn run(arguments: &Arguments, outside: &Outside) -> Exit {
    if let Some(every) = arguments.watch {
        return on_runtime(watch::watch(&arguments.place, every, arguments.json, outside)).unwrap_or(Exit::Failed);
    }
    if let Some(file) = &arguments.page {
        return page(file, arguments, outside);
    }
    let answer = match asked("/v1/status", arguments, outside) {
        Ok(answer) => answer,
        Err(exit) => return exit,
    };
    if arguments.json {
        return output::say_json(&answer.body);
    }
    let Some(document) = document(&answer) else {
        output::complain(NO_DOCUMENT);
        return Exit::Failed;
    };
    output::say_bare(&table::table(&document, &Look::of(&outside.environment)))
}

/// The status in an answer, if it is one: another server may listen where the daemon is looked for.
fn document(answer: &Answer) -> Option<Value> {
    serde_json::from_slice(&answer.body).ok().filter(|document: &Value| document["version"].is_string())
}

fn asked(path: &str, arguments: &Arguments, outside: &Outside) -> Result<Answer, Exit> {
    let client = arguments.place.client(outside).map_err(|cause| cause.end())?;
    let answer = on_runtime(client.get(path)).ok_or(Exit::Failed)?.map_err(|cause| cause.end())?;
    if answer.status.is_success() {
        return Ok(answer);
    }
    output::complain(&complaint(&answer));
    Err(exit_of(answer.status.as_u16()))
}

fn page(file: &Path, arguments: &Arguments, outside: &Outside) -> Exit {
    let to_stdout = file.as_os_str() == STANDARD_OUTPUT;
    if to_stdout && std::io::stdout().is_terminal() {
        output::complain("the page is for a browser, not for a terminal: credbroker status --page=status.html");
        return Exit::Usage;
    }
    let answer = match asked("/", arguments, outside) {
        Ok(answer) => answer,
        Err(exit) => return exit,
    };
    if to_stdout {
        return output::say_bare(&String::from_utf8_lossy(&answer.body));
    }
    match save::save(file, &answer.body) {
        Ok(()) => Exit::Done,
        Err(cause) => {
            output::complain(&format!("{} cannot be written: {cause}", file.display()));
            Exit::Failed
        }
    }
}

/// How often to look: no daemon is asked more often than once a second.
fn period(text: &str) -> Result<Duration, String> {
    let period = duration(text)?;
    if period.is_zero() { Err("expected a second or more".to_owned()) } else { Ok(period) }
}
