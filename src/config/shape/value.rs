//! Single values: texts, numbers and the names of other entries.

use serde_json::Value;

use super::{Path, Walk};
use crate::config::problem::{did_you_mean, nearest};
use crate::config::text;
use crate::config::tree::{Kind, Node};

/// Formats whose text is never repeated in a message, because people put secrets into URLs and beside digests.
const UNREPEATED: [&str; 4] = ["upstream-url", "issuer-url", "user-pool-domain", "sha256"];

impl Walk<'_> {
    pub fn string(&mut self, schema: &Value, node: &Node, path: &Path<'_>) {
        let Some(found) = node.text() else {
            let expected = schema["x-expected"].as_str().unwrap_or("text");
            return self.report(path, &node.span, &format!("expected {expected}, found {}", node.noun()));
        };
        if let Some(words) = schema["enum"].as_array() {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            self.word(&words, node, path);
        }
        if let Some(format) = schema["format"].as_str()
            && let Err(expected) = text::check(format, found)
        {
            let found = if UNREPEATED.contains(&format) { "another text".to_owned() } else { shown(found) };
            self.report(path, &node.span, &format!("{expected}, found {found}"));
        }
        // A key or a certificate that was pasted where its place belongs.
        if schema["x-one-line"] == true && found.contains(char::is_control) {
            self.report(path, &node.span, "expected the place of a secret in one line, not the secret itself");
        }
        let length = found.chars().count() as u64;
        let (least, most) = (schema["minLength"].as_u64(), schema["maxLength"].as_u64());
        if least.is_some_and(|least| length < least) || most.is_some_and(|most| length > most) {
            let message = match length {
                0 => "expected a text that is not empty".to_owned(),
                _ => format!("the text is {length} characters long; expected {}", range(least, most)),
            };
            self.report(path, &node.span, &message);
        }
        self.reference(schema, found, node, path);
    }

    /// Does the text name something that exists?
    pub fn reference(&mut self, schema: &Value, found: &str, node: &Node, path: &Path<'_>) {
        let Some(kinds) = schema["x-ref"].as_array() else { return };
        let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
        let mut known: Vec<String> = Vec::new();
        for kind in &kinds {
            match *kind {
                "caller" => known.push("caller".to_owned()),
                "callers" => known.extend(self.names_of(kind).map(ToOwned::to_owned)),
                _ => known.extend(self.names_of(kind).map(|name| format!("{kind}.{name}"))),
            }
        }
        if !known.iter().any(|name| name == found) {
            // Often it is only the kind in front that is missing, or one too many.
            let same_name = known.iter().find(|known| last_part(known) == last_part(found));
            let hint = same_name.map_or_else(
                || did_you_mean(found, known.iter().map(String::as_str)),
                |known| format!("; did you mean `{known}`?"),
            );
            // Where a token is named somebody may have written the token itself.
            let is_name = !hint.is_empty()
                || kinds.contains(&"callers")
                || found.split_once('.').is_some_and(|(kind, _)| nearest(kind, kinds.iter().copied()).is_some());
            let found = if is_name { shown(found) } else { "this".to_owned() };
            let message = format!("{found} names nothing that is configured under {}{hint}", quoted(&kinds));
            self.report(path, &node.span, &message);
        }
    }

    fn names_of(&self, table: &str) -> impl Iterator<Item = &str> {
        let table = self.document.member(table);
        table.map(|member| member.node.members()).unwrap_or_default().iter().map(|member| member.key.as_str())
    }

    pub fn scalar(&mut self, kind: &str, schema: &Value, node: &Node, path: &Path<'_>) {
        let value = match &node.kind {
            Kind::Scalar(value) if is_kind(Some(kind), node) => value,
            _ => {
                return self.report(path, &node.span, &format!("expected {}, found {}", noun(Some(kind)), node.noun()));
            }
        };
        let Some(number) = value.as_f64() else { return };
        let (least, most) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
        if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
            self.report(path, &node.span, &format!("expected a number {}, found {number}", range(least, most)));
        }
    }
}

/// The range between two bounds, in words.
fn range<T: std::fmt::Display>(least: Option<T>, most: Option<T>) -> String {
    match (least, most) {
        (Some(least), Some(most)) => format!("from {least} to {most}"),
        (Some(least), None) => format!("of at least {least}"),
        (None, Some(most)) => format!("of at most {most}"),
        (None, None) => "of any size".to_owned(),
    }
}

pub fn is_kind(kind: Option<&str>, node: &Node) -> bool {
    match &node.kind {
        Kind::Table(_) => kind == Some("object"),
        Kind::List(_) => kind == Some("array"),
        Kind::Useless(_) => false,
        Kind::Scalar(Value::String(_)) => kind == Some("string"),
        Kind::Scalar(Value::Bool(_)) => kind == Some("boolean"),
        Kind::Scalar(value) => {
            value.is_number() && (kind == Some("number") || (kind == Some("integer") && value.is_i64()))
        }
    }
}

/// What a person calls a kind of the schema.
pub fn noun(kind: Option<&str>) -> &'static str {
    match kind {
        Some("object") => "a table",
        Some("array") => "a list",
        Some("boolean") => "true or false",
        Some("integer") => "a whole number",
        Some("number") => "a number",
        _ => "text",
    }
}

/// The NAME of `tables.NAME`; all of what has no table in front.
fn last_part(reference: &str) -> &str {
    reference.rsplit_once('.').map_or(reference, |(_, name)| name)
}

pub fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A text as a message shows it: quoted, with control characters escaped, and not too long.
pub fn shown(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{:?}", format!("{short}{more}"))
}
