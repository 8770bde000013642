//! `credbroker token NAME`: the bare token, or with `--json` the daemon's whole answer.

use clap::Args;
use serde_json::Value;

use super::ask::ask;
use super::client::Where;
use super::{Exit, on_runtime, output};
use crate::app::Outside;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The token, as configured under tokens.NAME
    name: String,
    /// Narrow it to these scopes, separated by spaces
    #[arg(long)]
    scope: Option<String>,
    /// Print the whole answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

pub fn run(arguments: &Arguments, outside: &Outside) -> Exit {
    let query = arguments.scope.as_ref().map_or_else(String::new, |scope| {
        let mut query = url::form_urlencoded::Serializer::new("?".to_owned());
        query.append_pair("scope", scope);
        query.finish()
    });
    let asked = on_runtime(ask(&arguments.place, outside, "tokens", &arguments.name, &query));
    let answer = match asked {
        Some(Ok(answer)) => answer,
        Some(Err(exit)) => return exit,
        None => return Exit::Failed,
    };
    if arguments.json {
        return output::say(&String::from_utf8_lossy(&answer.body));
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match body["access_token"].as_str() {
        Some(token) => output::say(token),
        None => {
            output::complain("the daemon's answer holds no token");
            Exit::Failed
        }
    }
}
