//! All that is answered with one status, as it is described.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{JSON, Success, headers, of};
use crate::http::reply::{self, Style, Trouble};

#[derive(Default)]
pub struct Answer {
    says: Vec<&'static str>,
    bodies: BTreeMap<&'static str, Vec<Value>>,
    codes: BTreeSet<String>,
    examples: Map<String, Value>,
    /// Each header with the number of ways to come to this status that have it.
    headers: BTreeMap<String, usize>,
    ways: usize,
}

impl Answer {
    pub fn add_success(&mut self, success: &Success) {
        self.says.push(success.what);
        for (kind, schema) in &success.bodies {
            self.bodies.entry(kind).or_default().push(schema.clone());
        }
        self.add_headers(success.headers.iter().map(|name| (*name).to_owned()));
    }

    pub fn add_trouble(&mut self, trouble: &Trouble, style: Style) {
        let body = reply::body(trouble, style);
        self.codes.extend(body[code_of(style)].as_str().map(ToOwned::to_owned));
        self.examples.insert(name(trouble), json!({ "value": body }));
        self.add_headers(reply::headers(trouble).keys().map(|name| headers::spelled(name.as_str())));
    }

    fn add_headers(&mut self, names: impl Iterator<Item = String>) {
        self.ways += 1;
        names.chain(headers::always()).for_each(|name| *self.headers.entry(name).or_default() += 1);
    }

    /// As a response object.
    pub fn rendered(mut self, status: StatusCode, style: Style) -> Value {
        let mut description = self.says.join(" ");
        if !self.codes.is_empty() {
            let codes: Vec<_> = self.codes.iter().map(|code| format!("`{code}`")).collect();
            let said = format!("{}: {}.", status.canonical_reason().unwrap_or_default(), codes.join(", "));
            description = format!("{description} {said}").trim().to_owned();
            self.bodies.entry(JSON).or_default().push(refused_with(&self.codes, style));
        }
        let headers: Map<_, _> = self
            .headers
            .iter()
            .map(|(name, count)| (name.clone(), headers::described(name, *count == self.ways)))
            .collect();
        let examples = Value::Object(self.examples);
        let content = self.bodies.into_iter().map(|(kind, schemas)| {
            let mut content = json!({ "schema": one_of(schemas) });
            if kind == JSON && !self.codes.is_empty() {
                content["examples"] = examples.clone();
            }
            (kind.to_owned(), content)
        });
        let content: Map<_, _> = content.collect();
        json!({ "description": description, "headers": headers, "content": content })
    }
}

/// The schema of refusals in one style, by name.
pub fn refusals(style: Style) -> (&'static str, Value) {
    let code = json!({ "type": "string", "description": "What went wrong, for programs." });
    let message = json!({ "type": "string", "description": "What failed, of which name, and what to do." });
    match style {
        // Text is for a listener that is not described.
        Style::OAuth | Style::Text => {
            let schema = json!({
                "type": "object",
                "description": "A refusal as OAuth clients read it (RFC 6749 section 5.2).",
                "required": ["error", "error_description"],
                "properties": { "error": code, "error_description": message },
            });
            ("OAuthError", schema)
        }
        Style::Aws => {
            let schema = json!({
                "type": "object",
                "description": "A refusal as AWS SDKs read it, which differ in how they spell the members.",
                "required": ["code", "message", "Code", "Message"],
                "properties": { "code": code, "message": message, "Code": code, "Message": message },
            });
            ("AwsError", schema)
        }
    }
}

fn refused_with(codes: &BTreeSet<String>, style: Style) -> Value {
    let mut schema = of(refusals(style).0);
    schema["properties"] = json!({ code_of(style): { "enum": codes } });
    schema
}

fn code_of(style: Style) -> &'static str {
    match style {
        Style::OAuth | Style::Text => "error",
        Style::Aws => "code",
    }
}

fn one_of(mut schemas: Vec<Value>) -> Value {
    match (schemas.pop(), schemas.is_empty()) {
        (Some(only), true) => only,
        (last, _) => json!({ "anyOf": schemas.into_iter().chain(last).collect::<Vec<_>>() }),
    }
}

/// How the example of a trouble is called: as its variant, and where it failed as the kind of failure.
fn name(trouble: &Trouble) -> String {
    let variant: String = format!("{trouble:?}").chars().take_while(char::is_ascii_alphanumeric).collect();
    match trouble {
        Trouble::Failed { failure, .. } if failure.timed_out => format!("{variant}-timed-out"),
        Trouble::Failed { failure, .. } => format!("{variant}-{}", failure.kind),
        _ => variant,
    }
}
