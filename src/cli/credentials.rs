//! `credbroker credentials NAME`: temporary AWS credentials as a `credential_process` prints them, as shell variables, or as
//! the daemon's JSON.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::ask::ask;
use super::client::Where;
use super::{Exit, on_runtime, output};
use crate::app::Outside;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The credentials, as configured under credentials.NAME
    name: String,
    /// How to print them
    #[arg(long, value_enum, default_value_t = Format::Process)]
    format: Format,
    #[command(flatten)]
    place: Where,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For credential_process in an AWS configuration file
    Process,
    /// Lines for a shell to evaluate
    Env,
    /// The daemon's answer
    Json,
}

pub fn run(arguments: &Arguments, outside: &Outside) -> Exit {
    let asked = on_runtime(ask(&arguments.place, outside, "credentials", &arguments.name, ""));
    let answer = match asked {
        Some(Ok(answer)) => answer,
        Some(Err(exit)) => return exit,
        None => return Exit::Failed,
    };
    let body = serde_json::from_slice::<Map<String, Value>>(&answer.body).ok().filter(is_whole);
    let Some(body) = body else {
        output::complain("the daemon's answer holds no credentials");
        return Exit::Failed;
    };
    match arguments.format {
        Format::Json => output::say_json(&answer.body),
        Format::Process => output::say(&process(&body).to_string()),
        Format::Env => output::say(&variables(&body)),
    }
}

/// Are there the two without which nothing can be signed? Half a set, or none at all, in a shell would be a surprise much later. And
/// does nothing stand there that no credentials hold, and that could steer a terminal?
fn is_whole(body: &Map<String, Value>) -> bool {
    let is_there = |key: &str| body.get(key).and_then(Value::as_str).is_some_and(|value| !value.is_empty());
    let is_plain = |value: &Value| value.as_str().is_none_or(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
    is_there("AccessKeyId") && is_there("SecretAccessKey") && body.values().all(is_plain)
}

/// The answer of a `credential_process` (AWS SDKs and Tools Reference Guide, "Process credential provider"): `Version` is the number
/// 1, and the session token is `SessionToken` here. A key that has none gets no member, because SDKs would send an empty one.
fn process(body: &Map<String, Value>) -> Value {
    let mut out = json!({
        "Version": 1,
        "AccessKeyId": body.get("AccessKeyId"),
        "SecretAccessKey": body.get("SecretAccessKey"),
    });
    if let Some(token) = body.get("Token").filter(|token| token.as_str() != Some("")) {
        out["SessionToken"] = token.clone();
    }
    out["Expiration"] = json!(body.get("Expiration"));
    if let Some(account) = body.get("AccountId") {
        out["AccountId"] = account.clone();
    }
    out
}

/// The variables that `aws configure export-credentials --format env` prints, too.
fn variables(body: &Map<String, Value>) -> String {
    let names = [
        ("AWS_ACCESS_KEY_ID", "AccessKeyId"),
        ("AWS_SECRET_ACCESS_KEY", "SecretAccessKey"),
        ("AWS_SESSION_TOKEN", "Token"),
        ("AWS_CREDENTIAL_EXPIRATION", "Expiration"),
    ];
    let line = |(variable, key): (&str, &str)| {
        let value = body.get(key).and_then(Value::as_str).unwrap_or_default();
        format!("export {variable}='{}'", value.replace('\'', "'\\''"))
    };
    names.map(line).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Map<String, Value> {
        let body = json!({"AccessKeyId":"A","SecretAccessKey":"it's","Token":"T","Expiration":"2026-11-21T10:00:00Z","AccountId":"1","RoleArn":"r"});
        body.as_object().unwrap().clone()
    }

    #[test]
    fn a_process_prints_what_sdks_read() {
        assert_eq!(
            process(&body()).to_string(),
            r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"it's","SessionToken":"T","Expiration":"2026-11-21T10:00:00Z","AccountId":"1"}"#
        );
    }

    #[test]
    fn half_a_set_is_none() {
        assert!(is_whole(&body()));
        for (key, value) in [
            ("AccessKeyId", json!("")),
            ("AccessKeyId", json!(null)),
            ("SecretAccessKey", json!(7)),
            ("Token", json!("T\nexport A=b")),
            ("AccountId", json!("\u{9b}31m")),
        ] {
            let mut body = body();
            body[key] = value;
            assert!(!is_whole(&body), "{key}");
        }
        assert!(!is_whole(&Map::new()));
    }

    #[test]
    fn a_key_without_a_session_shows_none() {
        let mut body = body();
        body["Token"] = json!("");
        assert!(process(&body).get("SessionToken").is_none());
    }

    #[test]
    fn variables_are_quoted_for_a_shell() {
        assert_eq!(
            variables(&body()),
            "export AWS_ACCESS_KEY_ID='A'\nexport AWS_SECRET_ACCESS_KEY='it'\\''s'\nexport AWS_SESSION_TOKEN='T'\n\
             export AWS_CREDENTIAL_EXPIRATION='2026-11-21T10:00:00Z'"
        );
    }
}
