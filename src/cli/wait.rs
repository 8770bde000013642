//! `credbroker wait [NAME…]`: until each named entry can be had, or, without names, until the daemon is ready.
//!
//! A refusal that waiting cannot mend (not allowed, not configured) ends it at once.

use std::time::Duration;

use clap::Args;

use super::ask::{complaint, exit_of, path};
use super::client::{Client, Unanswered, Where};
use super::{Exit, duration, on_runtime, output};
use crate::app::Outside;

/// How often it asks.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub struct Arguments {
    /// What to wait for: tokens.NAME or credentials.NAME; all that are always kept, and every file, if nothing is named
    names: Vec<String>,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "30s")]
    timeout: Duration,
    #[command(flatten)]
    place: Where,
}

pub fn run(arguments: &Arguments, outside: &Outside) -> Exit {
    if let Some(odd) =
        arguments.names.iter().find(|name| !(name.starts_with("tokens.") || name.starts_with("credentials.")))
    {
        output::complain(&format!("{odd}: expected tokens.NAME or credentials.NAME"));
        return Exit::Usage;
    }
    let client = match arguments.place.client(outside) {
        Ok(client) => client,
        Err(cause) => return cause.end(),
    };
    on_runtime(wait(arguments, &client, outside)).unwrap_or(Exit::Failed)
}

async fn wait(arguments: &Arguments, client: &Client, outside: &Outside) -> Exit {
    let deadline = outside.clock.now().plus(arguments.timeout);
    let mut left: Vec<Option<&str>> = arguments.names.iter().map(|name| Some(name.as_str())).collect();
    if left.is_empty() {
        left.push(None);
    }
    loop {
        let Some(first) = left.first().copied() else { return Exit::Done };
        let outcome = client.get_within(&question(first), deadline.since(outside.clock.now())).await;
        let last = match outcome {
            Ok(answer) if answer.status.is_success() => {
                left.remove(0);
                continue;
            }
            Ok(answer) if matches!(answer.status.as_u16(), 400..500) => {
                output::complain(&complaint(&answer));
                return exit_of(answer.status.as_u16());
            }
            Ok(answer) => (Exit::NotInTime, complaint(&answer)),
            Err(cause @ Unanswered::Usage(_)) => return cause.end(),
            Err(cause) => (Exit::NotReachable, cause.to_string()),
        };
        if outside.clock.now().plus(PAUSE) >= deadline {
            output::complain(&format!("not available within {:?}: {}", arguments.timeout, last.1));
            return last.0;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What to ask for `name`, or for everything that is always kept and every file.
fn question(name: Option<&str>) -> String {
    match name.and_then(|name| name.split_once('.')) {
        Some((kind, name)) => path(kind, name, ""),
        None => "/readyz".to_owned(),
    }
}
