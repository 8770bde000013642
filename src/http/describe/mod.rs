//! What a surface says of itself, in the words of OpenAPI 3.1: beside its route it describes a [`Path`] and the [`Operation`]s there.
//!
//! Refusals are not written down twice: an operation lists the [`Trouble`]s that it may have, and statuses, codes, headers and
//! examples are taken from what [`super::reply`] makes of them. Which methods there are follows from the list that the route itself looks
//! at. Successes are written down, and the tests hold every answer that they get from a daemon against the description.

mod answer;
pub mod headers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::reply::{Style, Trouble};
use crate::source::{Failure, FailureKind};
use answer::Answer;
pub use answer::refusals;

/// The media type of nearly every answer.
pub const JSON: &str = "application/json";
/// The one shared response that has a name of its own.
const HEAD_TOO_LARGE: &str = "head-431";
/// What names of entries look like.
const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";

/// A path, and what can be asked there.
pub struct Path {
    /// As it stands in the description.
    pub template: &'static str,
    /// What the operations refer to.
    pub schemas: Vec<(&'static str, Value)>,
    parameters: Vec<Value>,
    operations: Map<String, Value>,
}

/// What can be asked at a path.
pub struct Operation {
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    description: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    security: &'static [&'static str],
    successes: Vec<Success>,
    troubles: Vec<Trouble>,
}

struct Success {
    status: StatusCode,
    what: &'static str,
    bodies: Vec<(&'static str, Value)>,
    headers: Vec<&'static str>,
}

impl Path {
    /// The path `template`, without anything yet.
    pub fn at(template: &'static str) -> Self {
        Self { template, schemas: vec![], parameters: vec![], operations: Map::new() }
    }

    /// What stands in it in braces is the name of an entry.
    pub fn naming(mut self, parameter: &str, what: &str) -> Self {
        let schema = json!({ "type": "string", "pattern": NAME });
        let place = json!({ "name": parameter, "in": "path", "required": true, "description": what, "schema": schema });
        self.parameters.push(place);
        self
    }

    /// A schema that [`of`] refers to.
    pub fn defining(mut self, name: &'static str, schema: Value) -> Self {
        self.schemas.push((name, schema));
        self
    }

    /// `operation` can be asked with each of `methods`; the first gives it its plain id.
    pub fn offering(mut self, methods: &[&str], operation: &Operation) -> Self {
        for (number, method) in methods.iter().enumerate() {
            let name = method.to_ascii_lowercase();
            let id = if number == 0 { operation.id.to_owned() } else { format!("{}_{name}", operation.id) };
            let item = operation.rendered(&id, Style::of(self.template));
            self.operations.insert(name, item);
        }
        self
    }

    /// As a path item.
    pub fn rendered(self) -> Value {
        let mut item = self.operations;
        if !self.parameters.is_empty() {
            item.insert("parameters".to_owned(), Value::Array(self.parameters));
        }
        Value::Object(item)
    }
}

impl Operation {
    /// For anybody on this machine.
    pub fn open(tag: &'static str, id: &'static str, summary: &'static str) -> Self {
        // What can be wrong with any request.
        let troubles = vec![
            Trouble::BadRequest("the path holds something that no path of this API holds"),
            Trouble::Foreign("the Host header names another machine; use 127.0.0.1, [::1] or localhost"),
            Trouble::TooLarge,
            Trouble::TooSlow,
            Trouble::Overloaded,
        ];
        Self {
            id,
            tag,
            summary,
            description: "",
            parameters: vec![],
            body: None,
            security: &[],
            successes: vec![],
            troubles,
        }
    }

    /// For callers.
    pub fn guarded(tag: &'static str, id: &'static str, summary: &'static str) -> Self {
        let open = Self { security: &["bearer", "token", "deliberate"], ..Self::open(tag, id, summary) };
        open.refusing([Trouble::UnknownCaller, Trouble::NotDeliberate, Trouble::TooManyAtOnce, Trouble::TooFast])
    }

    /// For callers as OAuth libraries show them.
    pub fn for_clients(tag: &'static str, id: &'static str, summary: &'static str) -> Self {
        // With none of them the secret is in the form, for which OpenAPI has no word.
        let schemes = &["basic", "", "bearer", "token", "deliberate"];
        let guarded = Self { security: schemes, ..Self::guarded(tag, id, summary) };
        guarded.refusing([Trouble::UnknownClient(None)])
    }

    /// For anybody too, but whoever shows a token is known by it.
    pub fn knowing_callers(self) -> Self {
        Self { security: &["", "bearer", "token"], ..self }.refusing([Trouble::UnknownCaller])
    }

    /// More about it than the summary says.
    pub fn explained(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// Takes a parameter in `place`: `query` or `header`.
    pub fn taking(mut self, place: &str, name: &str, what: &str, schema: &Value) -> Self {
        self.parameters.push(json!({ "name": name, "in": place, "description": what, "schema": schema }));
        self
    }

    /// Takes a parameter in the query that has to be there.
    pub fn needing(mut self, name: &str, what: &str, schema: &Value) -> Self {
        let parameter = json!({ "name": name, "in": "query", "required": true, "description": what, "schema": schema });
        self.parameters.push(parameter);
        self
    }

    /// Takes a body of each of these media types.
    pub fn reading(mut self, bodies: &[(&str, Value)]) -> Self {
        let content: Map<_, _> =
            bodies.iter().map(|(kind, schema)| ((*kind).to_owned(), json!({ "schema": schema }))).collect();
        self.body = Some(json!({ "required": true, "content": content }));
        self
    }

    /// Answers with one of `bodies`, each a media type and its schema, and with `headers` besides those of every answer.
    pub fn answering<const N: usize>(
        mut self,
        status: StatusCode,
        what: &'static str,
        bodies: [(&'static str, Value); N],
        headers: &[&'static str],
    ) -> Self {
        self.successes.push(Success { status, what, bodies: bodies.into(), headers: headers.to_vec() });
        self
    }

    /// May have one of `troubles`.
    pub fn refusing(mut self, troubles: impl IntoIterator<Item = Trouble>) -> Self {
        self.troubles.extend(troubles);
        self
    }

    fn rendered(&self, id: &str, style: Style) -> Value {
        let mut answers: BTreeMap<StatusCode, Answer> = BTreeMap::new();
        for success in &self.successes {
            answers.entry(success.status).or_default().add_success(success);
        }
        for trouble in &self.troubles {
            answers.entry(trouble.status()).or_default().add_trouble(trouble, style);
        }
        let mut responses: BTreeMap<String, Value> = answers
            .into_iter()
            .map(|(status, answer)| (status.as_str().to_owned(), answer.rendered(status, style)))
            .collect();
        let too_large = format!("#/components/responses/{HEAD_TOO_LARGE}");
        responses.insert("431".to_owned(), json!({ "$ref": too_large }));
        let mut item = json!({ "operationId": id, "tags": [self.tag], "summary": self.summary });
        if !self.description.is_empty() {
            item["description"] = json!(self.description);
        }
        if !self.parameters.is_empty() {
            item["parameters"] = json!(self.parameters);
        }
        if let Some(body) = &self.body {
            item["requestBody"] = body.clone();
        }
        item["security"] = self.security.iter().map(|scheme| requirement(scheme)).collect();
        item["responses"] = Value::Object(responses.into_iter().collect());
        item
    }
}

/// The schema called `name`.
pub fn of(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// What asking the source of `name` may end with.
pub fn unserved(name: &str) -> Vec<Trouble> {
    let mut all = failed(name);
    all.push(Trouble::Pending(name.to_owned()));
    all
}

/// What a source may fail with.
pub fn failed(name: &str) -> Vec<Trouble> {
    use FailureKind::{Denied, Malformed, Misconfigured, Throttled, Unavailable};
    let of_a_kind = |kind: FailureKind, why: &str, timed_out| {
        let failure = Arc::new(Failure { timed_out, ..Failure::new(kind, why) });
        Trouble::Failed { name: name.to_owned(), failure, retry_after: Duration::from_secs(5) }
    };
    vec![
        of_a_kind(Denied, "the source refused it", false),
        of_a_kind(Misconfigured, "the source does not take what is configured", false),
        of_a_kind(Throttled, "the source asks for patience", false),
        of_a_kind(Unavailable, "the source cannot be reached", false),
        of_a_kind(Unavailable, "the source did not answer in time", true),
        of_a_kind(Malformed, "the answer of the source is not understood", false),
    ]
}

/// The response that is not ours but that of the HTTP library.
pub fn head_too_large() -> (String, Value) {
    (HEAD_TOO_LARGE.to_owned(), json!({ "description": "The head has more than 16 KiB or 64 fields. No body." }))
}

fn requirement(scheme: &str) -> Value {
    if scheme.is_empty() { json!({}) } else { json!({ scheme: [] }) }
}
