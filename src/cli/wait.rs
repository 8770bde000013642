//! `credbroker wait [NAME…]`: until each named entry can be had, or, without names, until the daemon is ready.
//!
//! A refusal that waiting cannot mend (not allowed, not configured) ends it at once.

use std::time::Duration;

use clap::Args;

use super::ask::{complaint, exit_of, path};
use super::client::{Answer, Client, Unanswered, Where};
use super::{Exit, duration, on_runtime, output};
use crate::app::Outside;
use crate::clock::Moment;

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
    let mut questions: Vec<String> = arguments.names.iter().map(|name| question(name)).collect();
    if questions.is_empty() {
        questions.push("/readyz".to_owned());
    }
    let patience = Patience::of(arguments.timeout, outside);
    let waited = on_runtime(async {
        for path in &questions {
            had(&client, path, &patience, outside).await?;
        }
        Ok(Exit::Done)
    });
    waited.unwrap_or(Err(Exit::Failed)).unwrap_or_else(|exit| exit)
}

/// How long to wait, for everything together.
pub struct Patience {
    timeout: Duration,
    deadline: Moment,
}

impl Patience {
    /// For `timeout` from now on.
    pub fn of(timeout: Duration, outside: &Outside) -> Self {
        Self { timeout, deadline: outside.clock.now().plus(timeout) }
    }
}

/// The answer to a request for `path`, as soon as it is a good one. Whoever gets an exit code has been told why.
pub async fn had(client: &Client, path: &str, patience: &Patience, outside: &Outside) -> Result<Answer, Exit> {
    loop {
        let outcome = client.get_within(path, patience.deadline.since(outside.clock.now())).await;
        let last = match outcome {
            Ok(answer) if answer.status.is_success() => return Ok(answer),
            Ok(answer) if matches!(answer.status.as_u16(), 400..500) => {
                output::complain(&complaint(&answer));
                return Err(exit_of(answer.status.as_u16()));
            }
            Ok(answer) => (Exit::NotInTime, complaint(&answer)),
            Err(cause @ (Unanswered::Usage(_) | Unanswered::NotProven { .. })) => return Err(cause.end()),
            Err(cause) => (Exit::NotReachable, cause.to_string()),
        };
        if outside.clock.now().plus(PAUSE) >= patience.deadline {
            output::complain(&format!("not available within {:?}: {}", patience.timeout, last.1));
            return Err(last.0);
        }
        outside.clock.sleep_until(outside.clock.now().plus(PAUSE)).await;
    }
}

/// What to ask for `name`, which has its kind.
fn question(name: &str) -> String {
    name.split_once('.').map_or_else(String::new, |(kind, name)| path(kind, name, ""))
}
