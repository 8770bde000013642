//! `credbroker exec [--credentials NAME] [--token VAR=NAME]… -- CMD…`: CMD, in an environment in which every AWS SDK asks the daemon.
//!
//! First it is seen that the daemon gives what is named, asked in the way in which an SDK will ask: over TCP, with the caller's token
//! bare in `Authorization`. Then this process becomes CMD (execve): the same pid, so its signals and its exit code are CMD's own. If it
//! cannot, the exit code is that of env(1): 127 where there is no such command, 126 where it cannot be executed.

mod surroundings;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::ask::{self, path};
use super::client::{Answer, Client, Where};
use super::sdk::profiles::Profiles;
use super::sdk::variables::SHADOWING;
use super::wait::{Patience, had};
use super::{Exit, duration, home, on_runtime, output};
use crate::app::Outside;
use crate::file;
use surroundings::{NO_SECRET, Proof, Surroundings, surroundings};

/// No caller's token is longer than this, in bytes.
const LONGEST: usize = 64 * 1024;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").args(["credentials", "tokens"]).required(true).multiple(true))]
#[command(after_help = "\
A token in a variable is the one of this moment: it is not renewed while CMD runs. A program that outlives it asks the daemon \
itself. AWS credentials are renewed: the SDK asks again by itself.")]
pub struct Arguments {
    /// The AWS credentials that every SDK in CMD finds, as configured under credentials.NAME
    #[arg(long, value_name = "NAME")]
    credentials: Option<String>,
    /// A variable to set to a token, as configured under tokens.NAME; may be repeated
    #[arg(long = "token", value_name = "VAR=NAME", value_parser = assignment)]
    tokens: Vec<(String, String)>,
    /// How long to wait for what is named
    #[arg(long, value_parser = duration, default_value = "5s")]
    timeout: Duration,
    #[command(flatten)]
    place: Where,
    /// The command to become, and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub fn run(arguments: &Arguments, outside: &Outside) -> Exit {
    match on_runtime(prepared(arguments, outside)) {
        Some(Ok(made)) => become_command(&arguments.command, &made),
        Some(Err(exit)) => exit,
        None => Exit::Failed,
    }
}

/// What is different for the command, once the daemon gives what is named.
async fn prepared(arguments: &Arguments, outside: &Outside) -> Result<Surroundings, Exit> {
    let client = arguments.place.client(outside).map_err(|cause| cause.end())?;
    let patience = Patience::of(arguments.timeout, outside);
    let mut made = Surroundings::default();
    if let Some(name) = &arguments.credentials {
        let proof = proof(outside).map_err(|fault| misused(&fault))?;
        let asked = as_an_sdk_asks(&client, &proof, &patience, outside).await?;
        let path = path("credentials", name, "");
        had(&asked, &path, &patience, outside).await?;
        let profiles = Profiles::read(&outside.environment, home(&outside.environment).as_deref());
        made = surroundings(&outside.environment, &profiles, &asked.url(&path), &proof);
    }
    for (variable, name) in &arguments.tokens {
        let answer = had(&client, &path("tokens", name, ""), &patience, outside).await?;
        made.secret.push((variable.clone(), token(&answer)?));
    }
    Ok(made)
}

fn token(answer: &Answer) -> Result<SecretString, Exit> {
    ask::token(answer).ok_or_else(|| {
        output::complain("the daemon's answer holds no token");
        Exit::Failed
    })
}

/// What the command will show the daemon: what this process shows it, in a form that SDKs send.
fn proof(outside: &Outside) -> Result<Proof, String> {
    let environment = &outside.environment;
    let Some(file) = environment.var("CREDBROKER_TOKEN_FILE") else {
        return Ok(environment.secret("CREDBROKER_TOKEN").map_or(Proof::Uid, Proof::Value));
    };
    let shown = Path::new(file);
    let bytes = file::read(shown, LONGEST).map_err(|cause| format!("CREDBROKER_TOKEN_FILE: {file} {cause}"))?;
    if bytes.iter().any(u8::is_ascii_control) {
        return Err(format!(
            "CREDBROKER_TOKEN_FILE: {file} holds a line break, and AWS SDKs send a token file as it is: write it without \
             (printf %s, or tr -d '\\n'), or give the token as CREDBROKER_TOKEN, which does not follow a file that is replaced"
        ));
    }
    // The command may go elsewhere.
    let absolute = std::path::absolute(shown).map_err(|cause| format!("CREDBROKER_TOKEN_FILE: {file}: {cause}"))?;
    Ok(Proof::File(absolute))
}

/// A client that does as SDKs do, at the daemon's TCP address.
async fn as_an_sdk_asks(
    client: &Client,
    proof: &Proof,
    patience: &Patience,
    outside: &Outside,
) -> Result<Client, Exit> {
    let authorization = match proof {
        Proof::File(_) | Proof::Value(_) => client.token().cloned(),
        Proof::Uid => Some(NO_SECRET.into()),
    };
    if let Some(asked) = client.like_an_sdk(None, authorization.clone()) {
        return Ok(asked);
    }
    let answer = had(client, "/v1/status", patience, outside).await?;
    let status = serde_json::from_slice(&answer.body).unwrap_or_default();
    tcp_listener(&status).and_then(|address| client.like_an_sdk(Some(address), authorization)).ok_or_else(|| {
        misused(
            "AWS SDKs cannot use a unix socket, and the daemon listens on no TCP address: add one to its listen, such as \
             \"loopback:2778\"",
        )
    })
}

/// The first TCP address at which the daemon says it serves callers. Listeners for something else have its name before the address.
fn tcp_listener(status: &Value) -> Option<SocketAddr> {
    let listeners = status["listeners"].as_array()?.iter().filter_map(Value::as_str);
    listeners.filter_map(|listener| listener.parse::<SocketAddr>().ok()).find(|address| address.ip().is_loopback())
}

fn misused(fault: &str) -> Exit {
    output::complain(fault);
    Exit::Usage
}

/// Becomes the command. Returns only if that is not possible.
#[expect(clippy::disallowed_methods, reason = "these are for the command: that is what they were asked for")]
fn become_command(command: &[OsString], made: &Surroundings) -> Exit {
    let Some((program, arguments)) = command.split_first() else { return Exit::Usage };
    let mut next = Command::new(program);
    next.args(arguments);
    for variable in &made.removed {
        next.env_remove(variable);
    }
    next.envs(&made.set);
    next.envs(made.secret.iter().map(|(variable, value)| (variable, value.expose_secret())));
    let cause = next.exec();
    output::complain(&format!("{} cannot be executed: {cause}", Path::new(program).display()));
    if cause.kind() == ErrorKind::NotFound { Exit::NoSuchCommand } else { Exit::NotExecutable }
}

/// `VAR=NAME`.
fn assignment(text: &str) -> Result<(String, String), String> {
    let (variable, name) = text.split_once('=').ok_or("expected VAR=NAME, such as BILLING_TOKEN=billing")?;
    // A token in one of these stops CMD from being found, is printed by the loader, or takes the place of what this command sets.
    if variable == "PATH" || variable.starts_with("LD_") || SHADOWING.contains(&variable) {
        return Err(format!("{variable} has a meaning of its own; name another variable"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty()
        || variable.starts_with(|c: char| c.is_ascii_digit())
        || !variable.chars().all(plain)
        || variable.is_empty()
    {
        return Err("expected VAR=NAME, such as BILLING_TOKEN=billing".to_owned());
    }
    Ok((variable.to_owned(), name.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_an_address_for_callers_is_one_that_sdks_are_told() {
        let others = ["unix:/run/credbroker/api.sock", "admin 127.0.0.1:9464", "imds 127.0.0.1:2779"];
        let found = |more: &[&str]| {
            let listeners = [&others[..], more].concat();
            tcp_listener(&json!({ "listeners": listeners }))
        };
        assert_eq!(found(&[]), None);
        assert_eq!(found(&["0.0.0.0:2778"]), None, "SDKs ask loopback addresses only");
        assert_eq!(found(&["[::1]:2778", "127.0.0.1:2778"]), "[::1]:2778".parse().ok());
        assert_eq!(tcp_listener(&json!({})), None);
    }
}
