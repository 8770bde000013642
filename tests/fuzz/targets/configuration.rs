//! Any text as the configuration. It is taken or refused with the place of every mistake; no secret that stands in it is
//! repeated; and whatever is taken can be printed and put together.

#![no_main]

use std::path::Path;

use credbroker::app::{assemble, issuers, metadata};
use credbroker::config::Config;
use credbroker_fuzz::canary::{self, CANARY};
use credbroker_fuzz::{run, site, upstream};
use libfuzzer_sys::fuzz_target;

const FILE: &str = "fuzz.toml";
const SECRETS: [&str; 3] = ["client_secret", "password", "private_key"];

fuzz_target!(|text: &str| {
    canary::listen();
    match Config::parse(Path::new(FILE), text) {
        Ok(config) => accepted(config, text),
        Err(problems) => {
            let told = problems.to_string();
            places(&told, text, problems.count());
            if holds_secrets(text) {
                canary::is_not_in("the problems", told.as_bytes());
            }
        }
    }
    canary::is_not_logged();
});

/// Each problem is a line that begins with a place inside the text.
fn places(told: &str, text: &str, count: usize) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text.split('\n').collect();
    let mut problems: Vec<&str> = told.split('\n').collect();
    let last = problems.pop().expect("the count");
    assert!(last.starts_with(&count.to_string()) && count == problems.len() && count > 0, "{told}");
    for problem in problems {
        let mut parts = problem.splitn(4, ':');
        assert_eq!(parts.next(), Some(FILE), "{problem}");
        let mut number = || parts.next().and_then(|part| part.parse::<usize>().ok()).expect("a number");
        let (line, column) = (number(), number());
        let width = lines.get(line - 1).map(|line| line.chars().count());
        assert!(width.is_some_and(|width| (1..=width + 1).contains(&column)), "{problem}\n{text}");
        assert!(parts.next().is_some_and(|words| words.len() > 5 && !words.contains(char::is_control)), "{problem}");
    }
}

/// Does the canary stand where secrets are told about, and nowhere else? Then every line with it is the whole of such a key, or
/// follows one.
fn holds_secrets(text: &str) -> bool {
    let quoted = format!("\"{CANARY}\"");
    let (mut table, mut before) = ("", "");
    let mut found = false;
    for line in text.lines() {
        if line.starts_with('[') {
            table = line;
        }
        if line.contains(CANARY) {
            let is_secret = secret(line).is_some_and(|value| value == quoted);
            // What somebody has pasted goes on in the next line.
            let goes_on = secret(before).is_some_and(|value| value.starts_with('"') && value.matches('"').count() == 1);
            if !(is_secret || goes_on) || !is_token(table) {
                return false;
            }
            found = true;
        }
        before = line;
    }
    found && !text.contains("\"\"\"") && !text.contains("'''")
}

/// What stands behind the key of a secret.
fn secret(line: &str) -> Option<&str> {
    line.split_once(" = ").filter(|(key, _)| SECRETS.contains(key)).map(|(_, value)| value)
}

fn is_token(header: &str) -> bool {
    let name = header.strip_prefix("[tokens.").and_then(|rest| rest.strip_suffix(']'));
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// It can be shown to people, and there is nothing in it that an entry cannot be made of.
fn accepted(config: Config, text: &str) {
    let shown = config.to_string();
    assert!(!shown.is_empty());
    if holds_secrets(text) {
        canary::is_not_in("the table", shown.as_bytes());
    }
    run(async {
        let (outside, upstream) = (site::outside(), upstream::spelled(b"500\n\n"));
        let metadata = metadata::Stages::new(upstream.clone(), &outside, None);
        issuers::issuers(&config.issuers, &upstream, &metadata, &outside, None).expect("every issuer can be made");
        assemble::entries(&config, &upstream, metadata, &outside, None).expect("every entry can be made");
    });
}
