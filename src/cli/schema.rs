//! `credbroker schema`: the JSON Schema of the configuration.

use super::{Exit, output};
use crate::config;

pub fn run() -> Exit {
    output::say(&format!("{:#}", config::schema()))
}
