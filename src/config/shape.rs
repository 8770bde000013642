//! Holds the document against its schema: unknown keys, wrong kinds, texts that do not parse, references to nothing,
//! literal secrets, missing keys, and tables of a later version, all in one walk.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use super::problem::{Problem, did_you_mean};
use super::text;
use super::tree::{Kind, Member, Node};

/// Formats whose text is never repeated in a message, because people put secrets into URLs and beside digests.
const UNREPEATED: [&str; 3] = ["upstream-url", "user-pool-domain", "sha256"];

/// What a walk found.
pub struct Findings {
    /// The mistakes.
    pub problems: Vec<Problem>,
    /// The parts of the document that hold one, as paths of one or two keys: they are not looked at further.
    pub broken: BTreeSet<Vec<String>>,
}

/// Walks `document` along `schema`.
pub fn check(schema: &Value, document: &Node) -> Findings {
    let mut walk = Walk { schema, document, found: Findings { problems: Vec::new(), broken: BTreeSet::new() } };
    walk.node(schema, document, &mut Vec::new(), &document.span);
    walk.found
}

struct Walk<'a> {
    schema: &'a Value,
    document: &'a Node,
    found: Findings,
}

/// Where the walk is: the keys that lead there.
type Path = Vec<String>;

impl<'a> Walk<'a> {
    fn report(&mut self, path: &Path, span: &Range<usize>, message: &str) {
        let place = if path.is_empty() { String::new() } else { format!("{}: ", path.join(".")) };
        self.found.problems.push(Problem { span: span.clone(), message: format!("{place}{message}") });
        self.found.broken.insert(path.iter().take(2).cloned().collect());
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let target = schema["$ref"].as_str().and_then(|path| self.schema.pointer(path.trim_start_matches('#')));
        target.unwrap_or(schema)
    }

    /// `key_span` is the place of the key that leads to the node, for what is wrong with the whole of it.
    fn node(&mut self, schema: &'a Value, node: &Node, path: &mut Path, key_span: &Range<usize>) {
        if let Some(thing) = schema["x-unbuilt"].as_str() {
            self.report(path, key_span, &format!("{thing}: not built yet in this version of credbroker; take it out"));
        }
        let schema = self.resolve(schema);
        if schema["x-secret"] == true && !matches!(node.kind, Kind::Table(_) | Kind::List(_)) {
            self.report(path, &node.span, "a secret never stands in the configuration; say where it is, such as { file = \"/etc/credbroker/NAME.secret\" }");
            return;
        }
        if let Some(branches) = schema["anyOf"].as_array() {
            return self.any_of(branches, node, path, key_span);
        }
        if let Some(branches) = schema["oneOf"].as_array() {
            return self.one_of(branches, node, path, key_span);
        }
        match schema["type"].as_str() {
            Some("object") => self.table(schema, node, path, key_span),
            Some("array") => self.list(schema, node, path),
            Some("string") => self.string(schema, node, path),
            Some(kind) => self.scalar(kind, schema, node, path),
            None => {}
        }
    }

    /// The branch of the node's own kind.
    fn any_of(&mut self, branches: &'a [Value], node: &Node, path: &mut Path, key_span: &Range<usize>) {
        let fits = |branch: &&Value| is_kind(self.resolve(branch)["type"].as_str(), node);
        match branches.iter().find(fits) {
            Some(branch) => self.node(branch, node, path, key_span),
            None => {
                let wanted: Vec<&str> = branches.iter().map(|b| noun(self.resolve(b)["type"].as_str())).collect();
                self.report(path, &node.span, &format!("expected {}, found {}", wanted.join(" or "), node.noun()));
            }
        }
    }

    /// One word of several, or one kind of table told by `from`.
    fn one_of(&mut self, branches: &'a [Value], node: &Node, path: &mut Path, key_span: &Range<usize>) {
        if branches.iter().all(|branch| branch["type"] == "string") {
            let words: Vec<&str> = branches.iter().filter_map(|branch| branch["const"].as_str()).collect();
            if let Some(word) = self.word(&words, node, path)
                && let Some(thing) = branches.iter().find(|b| b["const"] == word).and_then(|b| b["x-unbuilt"].as_str())
            {
                self.report(path, &node.span, &format!("{thing}: not built yet in this version of credbroker"));
            }
            return;
        }
        let word_of = |branch: &'a Value| branch["properties"]["from"]["const"].as_str();
        let words: Vec<&str> = branches.iter().filter_map(word_of).collect();
        if !matches!(node.kind, Kind::Table(_)) {
            return self.report(path, &node.span, &format!("expected a table, found {}", node.noun()));
        }
        let Some(from) = node.member("from") else {
            return self.report(path, key_span, &format!("`from` is missing; it is one of {}", quoted(&words)));
        };
        path.push("from".to_owned());
        let word = self.word(&words, &from.node, path);
        path.pop();
        if let Some(branch) = branches.iter().find(|branch| word.is_some() && word_of(branch) == word) {
            self.node(branch, node, path, key_span);
        }
    }

    /// The word that the node is, if it is one of `words`.
    fn word<'w>(&mut self, words: &[&'w str], node: &Node, path: &Path) -> Option<&'w str> {
        let Some(found) = node.text() else {
            self.report(path, &node.span, &format!("expected one of {}, found {}", quoted(words), node.noun()));
            return None;
        };
        let known = words.iter().find(|word| **word == found).copied();
        if known.is_none() {
            let hint = did_you_mean(found, words.iter().copied());
            self.report(path, &node.span, &format!("found {}, expected one of {}{hint}", shown(found), quoted(words)));
        }
        known
    }

    fn table(&mut self, schema: &'a Value, node: &Node, path: &mut Path, key_span: &Range<usize>) {
        let Kind::Table(members) = &node.kind else {
            return self.report(path, &node.span, &format!("expected a table, found {}", node.noun()));
        };
        let known = schema["properties"].as_object();
        for member in members {
            let inner = known
                .and_then(|known| known.get(&member.key))
                .or_else(|| schema.get("additionalProperties").filter(|any| any.is_object()));
            match inner {
                Some(inner) => self.member(inner, member, known.is_none(), path),
                None => {
                    let names: Vec<&str> =
                        known.into_iter().flat_map(|known| known.keys().map(String::as_str)).collect();
                    let hint = did_you_mean(&member.key, names.iter().copied());
                    let expected = if hint.is_empty() { format!("; expected one of {}", quoted(&names)) } else { hint };
                    path.push(member.key.clone());
                    self.report(path, &member.key_span, &format!("unknown key{expected}"));
                    path.pop();
                }
            }
        }
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if node.member(key).is_none() {
                self.report(path, key_span, &format!("`{key}` is missing"));
            }
        }
        self.exactly_one(schema, node, path, key_span);
    }

    fn member(&mut self, schema: &'a Value, member: &Member, is_name: bool, path: &mut Path) {
        path.push(member.key.clone());
        if is_name && path.len() == 2 && !is_entry_name(&member.key) {
            self.report(
                path,
                &member.key_span,
                "a name is 1 to 64 letters, digits, `-` and `_`, and begins with a letter or digit",
            );
        }
        self.node(schema, &member.node, path, &member.key_span);
        path.pop();
    }

    fn exactly_one(&mut self, schema: &Value, node: &Node, path: &Path, key_span: &Range<usize>) {
        let Some(keys) = schema["x-one-of"].as_array() else { return };
        let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
        let given = keys.iter().filter(|key| node.member(key).is_some()).count();
        if given != 1 {
            let span = if node.span.is_empty() { key_span } else { &node.span };
            self.report(path, span, &format!("exactly one of {} is given, found {given}", quoted(&keys)));
        }
    }

    fn list(&mut self, schema: &'a Value, node: &Node, path: &mut Path) {
        let Kind::List(items) = &node.kind else {
            return self.report(path, &node.span, &format!("expected a list, found {}", node.noun()));
        };
        for (bound, wrong) in [("minItems", "at least"), ("maxItems", "at most")] {
            if let Some(limit) = schema[bound].as_u64() {
                let count = items.len() as u64;
                if (bound == "minItems" && count < limit) || (bound == "maxItems" && count > limit) {
                    self.report(path, &node.span, &format!("expected {wrong} {limit} items, found {count}"));
                }
            }
        }
        let mut seen = BTreeSet::new();
        for item in items {
            self.node(&schema["items"], item, path, &item.span);
            if let Some(text) = item.text() {
                self.reference(schema, text, item, path);
                if !seen.insert(text) {
                    self.report(path, &item.span, &format!("{} stands here twice", shown(text)));
                }
            }
        }
    }

    fn string(&mut self, schema: &Value, node: &Node, path: &Path) {
        let Some(found) = node.text() else {
            return self.report(path, &node.span, &format!("expected text, found {}", node.noun()));
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
        let length = found.chars().count() as u64;
        if schema["minLength"].as_u64().is_some_and(|least| length < least)
            || schema["maxLength"].as_u64().is_some_and(|most| length > most)
        {
            self.report(
                path,
                &node.span,
                &format!(
                    "the text is {length} characters long; expected {} to {}",
                    schema["minLength"], schema["maxLength"]
                ),
            );
        }
        self.reference(schema, found, node, path);
    }

    /// Does the text name something that exists?
    fn reference(&mut self, schema: &Value, found: &str, node: &Node, path: &Path) {
        let Some(kinds) = schema["x-ref"].as_array() else { return };
        let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
        let mut known: Vec<String> = Vec::new();
        for kind in &kinds {
            match *kind {
                "caller" => known.push("caller".to_owned()),
                "callers" => known.extend(self.names_of(kind)),
                _ => known.extend(self.names_of(kind).map(|name| format!("{kind}.{name}"))),
            }
        }
        if !known.iter().any(|name| name == found) {
            let hint = did_you_mean(found, known.iter().map(String::as_str));
            self.report(
                path,
                &node.span,
                &format!("{} names nothing that is configured under {}{hint}", shown(found), quoted(&kinds)),
            );
        }
    }

    fn names_of(&self, table: &str) -> impl Iterator<Item = String> + use<'a> {
        self.document
            .member(table)
            .map(|m| m.node.members())
            .unwrap_or_default()
            .iter()
            .map(|member| member.key.clone())
    }

    fn scalar(&mut self, kind: &str, schema: &Value, node: &Node, path: &Path) {
        let value = match &node.kind {
            Kind::Scalar(value) if is_kind(Some(kind), node) => value,
            _ => {
                return self.report(path, &node.span, &format!("expected {}, found {}", noun(Some(kind)), node.noun()));
            }
        };
        let Some(number) = value.as_f64() else { return };
        let (least, most) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
        if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
            let range = format!("{} to {}", least.unwrap_or(f64::MIN), most.unwrap_or(f64::MAX));
            self.report(path, &node.span, &format!("expected a number from {range}, found {number}"));
        }
    }
}

fn is_entry_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(allowed) && name.as_bytes()[0].is_ascii_alphanumeric()
}

fn is_kind(kind: Option<&str>, node: &Node) -> bool {
    match &node.kind {
        Kind::Table(_) => kind == Some("object"),
        Kind::List(_) => kind == Some("array"),
        Kind::Date => false,
        Kind::Scalar(Value::String(_)) => kind == Some("string"),
        Kind::Scalar(Value::Bool(_)) => kind == Some("boolean"),
        Kind::Scalar(value) => {
            value.is_number() && (kind == Some("number") || (kind == Some("integer") && value.is_i64()))
        }
    }
}

fn noun(kind: Option<&str>) -> &'static str {
    match kind {
        Some("object") => "a table",
        Some("array") => "a list",
        Some("boolean") => "true or false",
        Some("integer") => "a whole number",
        Some("number") => "a number",
        _ => "text",
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A text as a message shows it: quoted, with control characters escaped, and not too long.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{:?}", format!("{short}{more}"))
}
