//! `credbroker schema`: the JSON Schema of the configuration, or the reference written out of it.

use clap::Args;

use super::{Exit, output};
use crate::config;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Print the reference for people, in Markdown
    #[arg(long)]
    reference: bool,
}

pub fn run(arguments: &Arguments) -> Exit {
    let schema = config::schema();
    if arguments.reference {
        return output::say(config::reference(&schema).trim_end());
    }
    output::say(&format!("{schema:#}"))
}
