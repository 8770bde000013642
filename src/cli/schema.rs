//! `credbroker schema`: the JSON Schema of the configuration, the reference written out of it, or the description of the HTTP API.

use clap::Args;

use super::{Exit, output};
use crate::{config, http};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Print the reference for people, in Markdown
    #[arg(long)]
    reference: bool,
    /// Print the description of the HTTP API instead (OpenAPI 3.1), as /openapi.json serves it
    #[arg(long, conflicts_with = "reference")]
    openapi: bool,
}

pub fn run(arguments: &Arguments) -> Exit {
    if arguments.openapi {
        return output::say(&format!("{:#}", http::openapi::description()));
    }
    let schema = config::schema();
    if arguments.reference {
        return output::say(config::reference(&schema).trim_end());
    }
    output::say(&format!("{schema:#}"))
}
