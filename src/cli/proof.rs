//! `credbroker proof NAME`: is it the daemon that answers there? Asked without showing the token; see [`crate::http::proof`].

use clap::Args;

use super::client::Where;
use super::{Exit, on_runtime, output};
use crate::app::Outside;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The caller whose token CREDBROKER_TOKEN_FILE or CREDBROKER_TOKEN gives, as configured under callers.NAME
    name: String,
    #[command(flatten)]
    place: Where,
}

pub fn run(arguments: &Arguments, outside: &Outside) -> Exit {
    let client = match arguments.place.client(outside) {
        Ok(client) => client,
        Err(cause) => return cause.end(),
    };
    let name = arguments.name.strip_prefix("callers.").unwrap_or(&arguments.name);
    match on_runtime(client.prove(name)) {
        Some(Ok(())) => output::say(&format!("proven: {} knows the token of callers.{name}", arguments.place)),
        Some(Err(cause)) => cause.end(),
        None => Exit::Failed,
    }
}
