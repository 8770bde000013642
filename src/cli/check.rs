//! `credbroker check`: the resolved table, or every mistake.

use std::path::Path;

use super::{Exit, output};
use crate::config::Config;

pub fn run(file: &Path) -> Exit {
    match Config::load(file) {
        Ok(config) => output::say_bare(&config.to_string()),
        Err(problems) => {
            output::report(&problems.to_string());
            Exit::Usage
        }
    }
}
