//! The status document as people are shown it, on the page and on a terminal: sections of rows, each with a state, a life and
//! what went wrong.
//!
//! It is read from the document and not from what the document is made of, so `credbroker status` understands a daemon of another
//! version, and a section or a member that is not known here is shown all the same.

use std::collections::BTreeSet;

use serde_json::Value;

/// Rows of one kind.
#[derive(Debug)]
pub struct Section<'a> {
    /// The member of the document.
    pub key: &'a str,
    /// The same for people.
    pub title: String,
    /// At least one.
    pub rows: Vec<Row<'a>>,
    /// Is it one of many of its kind? What there is only one of, is about the process.
    is_list: bool,
}

/// One row of the document.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a>(pub &'a Value);

/// What a state asks of whoever looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing: as it should be.
    Good,
    /// Nothing: on its way.
    Calm,
    /// Nothing: not asked for yet.
    Quiet,
    /// A look, before what is held expires.
    Warning,
    /// Help: callers are refused.
    Bad,
}

/// The life of what is held. All in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// All of it.
    pub whole: u64,
    /// What is left.
    pub left: u64,
    /// Until a replacement is sought.
    pub until_due: u64,
    /// From its beginning until a replacement is sought.
    pub due_after: u64,
}

/// What went wrong last.
#[derive(Clone, Copy, Debug)]
pub struct Trouble<'a> {
    /// Who is at fault, as the document calls it; of a file it does not say.
    pub kind: &'a str,
    /// What failed and what to do.
    pub message: &'a str,
    /// How often in a row.
    pub failures: u64,
    /// When it was first noticed.
    pub since: Option<&'a str>,
    /// Seconds until the next attempt.
    pub retry_in: Option<u64>,
}

/// Members that every view shows in a place of their own.
const PLACED: [&str; 20] = [
    "name",
    "source",
    "chain",
    "state",
    "fetching",
    "caller",
    "scope",
    "lifetime",
    "age",
    "refresh_due_after",
    "refresh_due_in",
    "expires_in",
    "last_error",
    "hits",
    "stale",
    "upstream_requests",
    "upstream_failures",
    "failures_by_kind",
    "upstream_avoided",
    "fees_saved",
];
/// Members that count seconds.
const SECONDS: [&str; 3] = ["outage_cover", "outage_cover_wanted", "slept_seconds"];

/// The sections of `document`, in its order. The broker's own identity is left out where it is one of the credentials.
pub fn sections(document: &Value) -> Vec<Section<'_>> {
    let members = || document.as_object().into_iter().flatten();
    let named: BTreeSet<&str> = members()
        .filter(|(key, _)| *key != "own_identity")
        .flat_map(|(_, value)| rows(value))
        .filter_map(|row| row.0["name"].as_str())
        .collect();
    let section = |(key, value)| {
        let again =
            |row: &Row<'_>| key == "own_identity" && row.0["name"].as_str().is_some_and(|name| named.contains(name));
        let rows: Vec<_> = rows(value).into_iter().filter(|row| !again(row)).collect();
        (!rows.is_empty()).then(|| Section { key, title: title(key), rows, is_list: value.is_array() })
    };
    members().filter_map(|(key, value)| section((key.as_str(), value))).collect()
}

/// The rows that are counted where entries are: how the process itself is, only where something is the matter.
pub fn counted<'a>(sections: &[Section<'a>]) -> Vec<Row<'a>> {
    let of = |section: &Section<'a>| {
        let is_list = section.is_list;
        let counts = move |row: &Row<'a>| is_list || matches!(row.tone(), Tone::Bad | Tone::Warning);
        section.rows.clone().into_iter().filter(counts)
    };
    sections.iter().flat_map(of).collect()
}

/// Where callers come in.
pub fn listeners(document: &Value) -> Vec<&str> {
    document["listeners"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn rows(value: &Value) -> Vec<Row<'_>> {
    match value {
        Value::Array(all) => all.iter().filter(|row| row.is_object()).map(Row).collect(),
        Value::Object(one) if one.contains_key("name") || one.contains_key("state") => vec![Row(value)],
        _ => Vec::new(),
    }
}

fn title(key: &str) -> String {
    match key {
        "imds" => "IMDS".to_owned(),
        _ => label(key),
    }
}

impl<'a> Row<'a> {
    /// What it is called.
    pub fn name(&self) -> &'a str {
        ["name", "path", "listen"].iter().find_map(|key| self.0[*key].as_str()).unwrap_or("unnamed")
    }

    /// Which variation of it: the caller, the narrower scope.
    pub fn variation(&self) -> Vec<&'a str> {
        ["caller", "scope"].iter().filter_map(|key| self.0[*key].as_str()).collect()
    }

    /// Where it comes from.
    pub fn source(&self) -> Option<&'a str> {
        self.0["source"].as_str()
    }

    /// The entries before it in its chain, the nearest first.
    pub fn chain(&self) -> Vec<&'a str> {
        self.0["chain"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Seconds until it expires.
    pub fn expires_in(&self) -> Option<u64> {
        self.count("expires_in")
    }

    fn is_file(&self) -> bool {
        self.0["path"].is_string()
    }

    /// How it is.
    pub fn state(&self) -> &'a str {
        self.0["state"].as_str().unwrap_or("unknown")
    }

    /// Is the source being asked?
    pub fn is_fetching(&self) -> bool {
        self.0["fetching"] == true
    }

    /// What its state asks for.
    pub fn tone(&self) -> Tone {
        match (self.state(), self.trouble().is_some()) {
            ("failed", _) | ("absent", true) => Tone::Bad,
            ("degraded" | "wrong", _) | (_, true) => Tone::Warning,
            ("fresh" | "written" | "right", _) => Tone::Good,
            ("empty" | "absent", _) => Tone::Quiet,
            _ => Tone::Calm,
        }
    }

    /// What its state means, where that needs saying.
    pub fn consequence(&self) -> Option<&'static str> {
        match self.state() {
            "wrong" => Some(
                "Lifetimes are counted by the sources' clocks, but inbound tokens are judged by this one: set it right.",
            ),
            "degraded" => Some("What is held is served until it expires."),
            "failed" if !self.is_file() => Some("Nothing valid is held, so callers are refused."),
            "stale" => Some("The file keeps what was written before until that expires."),
            "failed" | "absent" if self.trouble().is_some() => Some("There is no file, so its readers fail."),
            _ => None,
        }
    }

    /// The life of what is held.
    pub fn life(&self) -> Option<Life> {
        let seconds = |key: &str| self.0[key].as_u64();
        let (whole, left) = (seconds("lifetime")?, seconds("expires_in")?);
        let until_due = seconds("refresh_due_in").unwrap_or(left);
        let due_after = seconds("refresh_due_after").unwrap_or(whole.saturating_sub(left).saturating_add(until_due));
        Some(Life { whole, left: left.min(whole), until_due, due_after: due_after.min(whole) })
    }

    /// What went wrong last, if it is not mended.
    pub fn trouble(&self) -> Option<Trouble<'a>> {
        let error = &self.0["last_error"];
        let message = error.as_str().or_else(|| error["message"].as_str())?;
        Some(Trouble {
            kind: error["kind"].as_str().unwrap_or(if self.is_file() { "file" } else { "" }),
            message,
            failures: error["failures_in_a_row"].as_u64().unwrap_or(1),
            since: error["since"].as_str(),
            retry_in: error["retry_in"].as_u64(),
        })
    }

    /// A number that it counts.
    pub fn count(&self, key: &str) -> Option<u64> {
        self.0[key].as_u64()
    }

    /// Requests answered out of memory, before refresh-due or after it.
    pub fn hits(&self) -> Option<u64> {
        let stale = self.count("stale");
        self.count("hits").map(|hits| hits.saturating_add(stale.unwrap_or_default())).or(stale)
    }

    /// The estimate of the fees saved, in US dollars.
    pub fn saved(&self) -> Option<f64> {
        self.0["fees_saved"].as_f64()
    }

    /// Everything else that the document says of it: label and value.
    pub fn details(&self) -> Vec<(String, String)> {
        let members = self.0.as_object().into_iter().flatten();
        let rest = members.filter(|(key, _)| !PLACED.contains(&key.as_str()));
        rest.filter_map(|(key, value)| Some((label(key), said(key, value)?))).collect()
    }
}

impl Trouble<'_> {
    /// Who is at fault, in plain words.
    pub fn fault(&self) -> &str {
        match self.kind {
            "denied" => "The source refuses",
            "misconfigured" => "Something is configured wrongly",
            "throttled" => "The source is throttling",
            "unavailable" => "The source cannot be reached",
            "malformed" => "The source gives no usable answer",
            "file" => "It cannot be written",
            "" => "It failed",
            other => other,
        }
    }
}

/// A member's name for people.
fn label(key: &str) -> String {
    let words = key.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

fn said(key: &str, value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Value::Number(_) if SECONDS.contains(&key) => value.as_u64().map(in_words),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(all) if all.is_empty() => Some("none".to_owned()),
        Value::Array(all) => Some(all.iter().filter_map(|one| said("", one)).collect::<Vec<_>>().join(", ")),
        Value::Object(all) => {
            let part = |(key, value): (&String, &Value)| {
                let said = said(key, value)?;
                Some(if key == "name" { said } else { format!("{key} {said}") })
            };
            let parts = all.iter().filter_map(part);
            Some(parts.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A text as it may stand before people: control characters could move a terminal's cursor, and characters that turn the direction
/// of writing could make one name look like another.
pub fn plain(text: &str) -> String {
    let is_turn = |c: char| matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let shown = |c: char| match c {
        '\n' | '\t' => ' ',
        c if c.is_control() || is_turn(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Seconds as people say them.
pub fn in_words(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// A whole number with its thousands set apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let from_the_end =
        |(at, digit): (usize, char)| [(at > 0 && (digits.len() - at).is_multiple_of(3)).then_some(','), Some(digit)];
    digits.chars().enumerate().flat_map(from_the_end).flatten().collect()
}

/// US dollars as people say them.
pub fn dollars(amount: f64) -> String {
    if amount > 0.0 && amount < 0.01 {
        return "<$0.01".to_owned();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, and never negative")]
    let cents = (amount * 100.0).round() as u64;
    format!("${}.{:02}", grouped(cents / 100), cents % 100)
}

#[cfg(test)]
#[path = "outline_tests.rs"]
mod tests;
