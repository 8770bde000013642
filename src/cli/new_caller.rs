//! `credbroker new-caller NAME`: a table for the configuration and a fresh token, each where it can be sent on by itself: the token
//! to standard output, the table to standard error. With `--token-file` the token goes into that file, and the table, which then
//! names the file, to standard output. The configuration is not read: the daemon may be on another machine.

use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Exit, output};
use crate::policy::TokenDigest;
use crate::policy::generated::fresh;
use crate::{config, file};

#[derive(Debug, Args)]
pub struct Arguments {
    /// What to call it: callers.NAME
    #[arg(value_parser = name)]
    name: String,
    /// Write the token to this new file (mode 0600, no newline) instead of printing it, and have the daemon read it there
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Exit {
    let Some(token) = fresh() else {
        output::complain("the system has no random numbers");
        return Exit::Failed;
    };
    let name = &arguments.name;
    let Some(path) = &arguments.token_file else {
        output::report(&table(name, &format!("sha256 = \"{}\"", digest(&token))));
        #[expect(clippy::disallowed_methods, reason = "printing it is what this command is for")]
        return output::say(token.expose_secret());
    };
    match write(path, &token) {
        Ok(path) => output::say(&table(name, &format!("file = {}", serde_json::Value::from(path)))),
        Err(why) => {
            output::complain(&why);
            Exit::Failed
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    match text.strip_prefix("callers.").unwrap_or(text) {
        "anonymous" => Err("the anonymous caller is the one without a token".to_owned()),
        name if config::is_entry_name(name) => Ok(name.to_owned()),
        _ => Err("a name is 1 to 64 letters, digits, - and _, and begins with a letter or digit".to_owned()),
    }
}

fn table(name: &str, place: &str) -> String {
    format!(
        "[callers.{name}]\nallow = []   # what it may have: \"tokens.NAME\", \"credentials.NAME\", \"issuers.NAME\"\ntoken = {{ {place} }}"
    )
}

#[expect(clippy::disallowed_methods, reason = "only its digest is shown")]
fn digest(token: &SecretString) -> String {
    TokenDigest::of(token.expose_secret()).hex()
}

/// The absolute path of the file with the token in it.
fn write(path: &Path, token: &SecretString) -> Result<String, String> {
    let fault = |cause: std::io::Error| format!("{} cannot be made: {cause}", path.display());
    let whole = std::path::absolute(path).map_err(fault)?;
    // What is left is written alike in JSON and TOML.
    let text = whole.to_str().filter(|text| !text.chars().any(char::is_control));
    let text = text.ok_or("no configuration could name a file called like that")?;
    #[expect(clippy::disallowed_methods, reason = "the file is where it belongs")]
    file::create(&whole, token.expose_secret().as_bytes(), |_| Ok(())).map_err(fault)?;
    if let Some(directory) = whole.parent() {
        file::sync_directory(directory).map_err(fault)?;
    }
    Ok(text.to_owned())
}
