//! `credbroker status`: what the daemon holds, as a table for people or with `--json` as the daemon's own document.

use std::io::IsTerminal as _;

use clap::Args;
use serde_json::Value;

use super::ask::{complaint, exit_of};
use super::client::Where;
use super::{Exit, on_runtime, output};
use crate::app::Outside;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Print the daemon's document as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

pub fn run(arguments: &Arguments, outside: &Outside) -> Exit {
    let client = match arguments.place.client(outside) {
        Ok(client) => client,
        Err(cause) => return cause.end(),
    };
    let answer = match on_runtime(client.get("/v1/status")) {
        Some(Ok(answer)) => answer,
        Some(Err(cause)) => return cause.end(),
        None => return Exit::Failed,
    };
    if !answer.status.is_success() {
        output::complain(&complaint(&answer));
        return exit_of(answer.status.as_u16());
    }
    if arguments.json {
        return output::say(&String::from_utf8_lossy(&answer.body));
    }
    let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let colours = std::io::stdout().is_terminal() && outside.environment.var("NO_COLOR").is_none();
    output::say_bare(&table(&document, colours))
}

fn table(document: &Value, colours: bool) -> String {
    let up = document["uptime_seconds"].as_u64().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut out =
        format!("credbroker {}, {}, up {}\n\n", text(&document["version"]), text(&document["state"]), span(up));
    out += &format!(
        "{:<28} {:<12} {:>8} {:>8} {:>8} {:>9} {:>8}\n",
        "NAME", "STATE", "REFRESH", "EXPIRES", "HITS", "UPSTREAM", "AVOIDED"
    );
    let all =
        ["tokens", "credentials", "issuers"].iter().flat_map(|kind| document[*kind].as_array().into_iter().flatten());
    for row in all {
        let variation = [&row["caller"], &row["scope"]]
            .into_iter()
            .filter_map(Value::as_str)
            .map(|v| format!(" ({v})"))
            .collect::<String>();
        let name = format!("{}{variation}", text(&row["name"]));
        let state = text(&row["state"]);
        let padded = format!("{state:<12}");
        let count = |key: &str| row[key].as_u64().unwrap_or_default();
        let when = |key: &str| row[key].as_u64().map_or_else(|| "-".to_owned(), span);
        out += &format!(
            "{name:<28} {} {:>8} {:>8} {:>8} {:>9} {:>8}\n",
            if colours { painted(&state, &padded) } else { padded },
            when("refresh_due_in"),
            when("expires_in"),
            count("hits") + count("stale"),
            count("upstream_requests"),
            count("upstream_avoided"),
        );
        if let Some(message) = row["last_error"]["message"].as_str() {
            out += &format!("  {}: {message}\n", text(&row["last_error"]["kind"]));
        }
    }
    out + &files(document, colours) + &forward_addresses(document)
}

/// The table of the forward addresses, if there are any.
fn forward_addresses(document: &Value) -> String {
    let rows = document["egress"].as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return String::new();
    }
    let mut out =
        format!("\n{:<28} {:>9} {:>9} {:>8} {:>9}  UPSTREAM\n", "NAME", "IN FLIGHT", "REQUESTS", "REFUSED", "FAILURES");
    for row in rows {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let count = |key: &str| row[key].as_u64().unwrap_or_default();
        out += &format!(
            "{:<28} {:>9} {:>9} {:>8} {:>9}  {}\n",
            text(&row["name"]),
            count("in_flight"),
            count("requests"),
            count("refused"),
            count("failures"),
            text(&row["upstream"]),
        );
        if let Some(message) = row["last_error"]["message"].as_str() {
            out += &format!("  {message}\n");
        }
    }
    out
}

/// The files that are kept fresh, where there are any.
fn files(document: &Value, colours: bool) -> String {
    let rows = document["files"].as_array().into_iter().flatten();
    let row = |row: &Value| {
        let text = |key: &str| row[key].as_str().unwrap_or("-");
        let padded = format!("{:<12}", text("state"));
        let state = if colours { painted(text("state"), &padded) } else { padded };
        let expires = row["expires_in"].as_u64().map_or_else(|| "-".to_owned(), span);
        let error = row["last_error"]["message"].as_str().map(|message| format!("  {message}\n"));
        format!(
            "{:<28} {state} {expires:>8} {}: {} as {}\n{}",
            text("name"),
            text("path"),
            text("of"),
            text("format"),
            error.unwrap_or_default()
        )
    };
    let rows: String = rows.map(row).collect();
    if rows.is_empty() {
        rows
    } else {
        format!("\n{:<28} {:<12} {:>8} WHERE: WHAT\n{rows}", "FILE", "STATE", "EXPIRES")
    }
}

fn painted(state: &str, text: &str) -> String {
    let colour = match state {
        "fresh" | "written" => 32,
        "refresh-due" | "degraded" | "stale" => 33,
        "failed" | "absent" => 31,
        _ => 0,
    };
    format!("\u{1b}[{colour}m{text}\u{1b}[0m")
}

/// Seconds as people read them.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_table_shows_states_and_errors() {
        let document = json!({
            "version": "1", "state": "serving", "uptime_seconds": 7_260,
            "tokens": [{ "name": "tokens.billing", "scope": "billing/read", "state": "degraded", "refresh_due_in": 0, "expires_in": 600, "hits": 3, "stale": 2,
                         "upstream_requests": 1, "upstream_avoided": 4, "last_error": { "kind": "unavailable", "message": "down" } }],
            "credentials": [{ "name": "credentials.orders", "state": "empty" }],
            "issuers": [{ "name": "issuers.users", "state": "fresh" }],
            "egress": [{ "name": "egress.api", "upstream": "https://x.example/", "requests": 9, "in_flight": 1, "failures": 2, "refused": 3,
                         "last_error": { "message": "https://x.example/: it cannot be reached" } }],
            "files": [{ "name": "files.out", "state": "stale", "path": "/run/out", "of": "tokens.billing", "format": "raw", "expires_in": 60,
                        "last_error": { "message": "no space left" } }],
        });
        let table = table(&document, false);
        let file = table.lines().find(|line| line.starts_with("files.out")).unwrap();
        assert_eq!(
            file.split_whitespace().collect::<Vec<_>>(),
            ["files.out", "stale", "60s", "/run/out:", "tokens.billing", "as", "raw"]
        );
        assert!(table.contains("  no space left\n"), "{table}");
        assert!(table.contains("up 2h01m") && table.contains("unavailable: down"), "{table}");
        assert!(table.contains("issuers.users"), "{table}");
        let row = table.lines().find(|line| line.starts_with("tokens.billing (billing/read)")).unwrap();
        assert_eq!(row.split_whitespace().skip(2).collect::<Vec<_>>(), ["degraded", "0s", "10m", "5", "1", "4"]);
        let row = table.lines().find(|line| line.starts_with("egress.api")).unwrap();
        assert_eq!(row.split_whitespace().skip(1).collect::<Vec<_>>(), ["1", "9", "3", "2", "https://x.example/"]);
        assert!(table.ends_with("  https://x.example/: it cannot be reached\n"), "{table}");
        assert!(!table.contains('\u{1b}'));
    }
}
