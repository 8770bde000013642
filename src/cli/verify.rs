//! `credbroker verify --issuer NAME [TOKEN|-]`: is a token one of an issuer's, and may it be used here? The daemon says so, by
//! its introspection. The claims are printed, never the token. Exit code 0 if it is active, 1 if it is not.

use std::io::{IsTerminal as _, Read as _};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use super::ask::{complaint, exit_of};
use super::client::Where;
use super::{Exit, on_runtime, output};
use crate::app::Outside;

/// The daemon takes no larger request, in bytes.
const LONGEST: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Whose token it has to be, as configured under issuers.NAME
    #[arg(long, value_name = "NAME")]
    issuer: String,
    /// The token; from standard input if it is - or left out, so that no other process sees it
    #[arg(value_name = "TOKEN|-", value_parser = secret)]
    token: Option<SecretString>,
    /// Print the daemon's whole answer as JSON, on a terminal too
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

pub fn run(arguments: &Arguments, outside: &Outside) -> Exit {
    let form = match token(arguments.token.as_ref()) {
        Ok(token) => question(&arguments.issuer, &token),
        Err(fault) => {
            output::complain(fault);
            return Exit::Usage;
        }
    };
    let client = match arguments.place.client(outside) {
        Ok(client) => client,
        Err(cause) => return cause.end(),
    };
    let answer = match on_runtime(client.post("/oauth2/introspect", form)) {
        Some(Ok(answer)) => answer,
        Some(Err(cause)) => return cause.end(),
        None => return Exit::Failed,
    };
    if !answer.status.is_success() {
        output::complain(&complaint(&answer));
        return exit_of(answer.status.as_u16());
    }
    let claims: Map<String, Value> = serde_json::from_slice(&answer.body).unwrap_or_default();
    let active = claims.get("active") == Some(&Value::Bool(true));
    let said = match (active, arguments.json || !std::io::stdout().is_terminal()) {
        (_, true) => output::say(&String::from_utf8_lossy(&answer.body)),
        (true, false) => output::say_bare(&table(&claims)),
        (false, false) => Exit::Done,
    };
    if active {
        return said;
    }
    output::complain(&format!(
        "the token is not active: it is not valid, or not one that issuers.{} accepts; the daemon's log says why at level debug",
        bare(&arguments.issuer)
    ));
    Exit::Failed
}

fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(text.into())
}

/// The token that is given, or that standard input holds.
#[expect(clippy::disallowed_methods, reason = "it goes to the daemon, which verifies it")]
fn token(given: Option<&SecretString>) -> Result<Zeroizing<String>, &'static str> {
    let mut text = Zeroizing::new(String::new());
    match given.map(ExposeSecret::expose_secret).filter(|given| *given != "-") {
        Some(given) => text.push_str(given),
        None => {
            // What grows leaves pieces behind.
            text.reserve_exact(usize::try_from(LONGEST).unwrap_or_default());
            let read = std::io::stdin().lock().take(LONGEST).read_to_string(&mut text);
            read.map_err(|_| "the token cannot be read from standard input")?;
        }
    }
    match text.trim() {
        "" => Err("there is no token; give it as an argument or through standard input"),
        trimmed => Ok(Zeroizing::new(trimmed.to_owned())),
    }
}

/// The form of the introspection.
fn question(issuer: &str, token: &str) -> Zeroizing<Vec<u8>> {
    let mut form = Serializer::new(String::with_capacity(3 * (token.len() + issuer.len()) + 32));
    form.append_pair("issuer", bare(issuer)).append_pair("token", token);
    Zeroizing::new(form.finish().into_bytes())
}

/// A name may be written with its kind.
fn bare(issuer: &str) -> &str {
    issuer.strip_prefix("issuers.").unwrap_or(issuer)
}

/// The claims for people, one a line.
fn table(claims: &Map<String, Value>) -> String {
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let line = |(name, value): (&String, &Value)| {
        // Whoever made the token chose its words, and a terminal obeys some characters.
        let text: String = shown(value).chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        format!("{name:<18} {text}\n")
    };
    claims.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_claim_and_nothing_a_terminal_obeys() {
        let claims = json!({ "active": true, "sub": "ann\u{1b}[2J", "cognito:groups": ["a", "b"], "exp": 7 });
        let table = table(claims.as_object().unwrap());
        let lines: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines, [["active", "true"], ["sub", "ann?[2J"], ["cognito:groups", r#"["a","b"]"#], ["exp", "7"]]);
    }

    #[test]
    fn a_token_is_sent_as_it_is() {
        assert_eq!(question("issuers.users", "a.b+c").as_slice(), b"issuer=users&token=a.b%2Bc");
    }
}
