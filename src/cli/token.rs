//! `credbroker token NAME`: the bare token, or with `--json` the daemon's whole answer.

use clap::Args;
use secrecy::ExposeSecret as _;

use super::ask::{ask, token};
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
        return output::say_json(&answer.body);
    }
    #[expect(clippy::disallowed_methods, reason = "printing it is what this command is for")]
    match token(&answer) {
        Some(token) => output::say(token.expose_secret()),
        None => {
            output::complain("the daemon's answer holds no token");
            Exit::Failed
        }
    }
}
