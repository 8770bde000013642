//! What a surface says of itself, in the words of OpenAPI 3.1: beside its route it describes a [`Path`] and the [`Operation`]s there.
//!
//! Refusals are not written down twice: an operation lists the [`Trouble`]s that it may have, and statuses, codes, headers and
//! examples are taken from what [`reply`] makes of them. Which methods there are follows from the list that the route itself looks
//! at. Successes are written down, and the tests hold every answer that they get from a daemon against the description.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::reply::{self, Response, Style, Trouble};
use crate::source::{Failure, FailureKind};

/// The media type of nearly every answer.
pub const JSON: &str = "application/json";
/// What names of entries look like.
const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";
/// The headers that have a spelling and a meaning of their own here.
const HEADERS: [(&str, &str); 10] = [
    ("Allow", "The methods that this path takes."),
    ("Cache-Control", "Nothing here may be stored."),
    (
        "Credbroker-Cache",
        "How the answer stands to the cache: before its refresh is due, after that, or fetched for this request.",
    ),
    ("Pragma", "Nothing here may be stored, for caches of HTTP/1.0."),
    ("Retry-After", "Seconds after which it is worth asking again."),
    ("WWW-Authenticate", "How to show who asks (RFC 6750 section 3, or RFC 7617), and what is wrong with the token."),
    ("X-Auth-Client", "The client that the user's token was issued to, where the token says so."),
    ("X-Auth-Scope", "The scopes of the user's token, separated by spaces, where it has any."),
    ("X-Auth-Subject", "The user, where the token says so."),
    ("X-Content-Type-Options", "The content is of the type that it says."),
];

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
            let item = operation.rendered(id, Style::of(self.template));
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
        open.refusing([Trouble::UnknownCaller, Trouble::NotDeliberate])
    }

    /// For callers as OAuth libraries show them.
    pub fn for_clients(tag: &'static str, id: &'static str, summary: &'static str) -> Self {
        let schemes = &["basic", "", "bearer", "token", "deliberate"];
        let guarded = Self { security: schemes, ..Self::guarded(tag, id, summary) };
        guarded.refusing([Trouble::UnknownClient(None)])
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

    /// Takes a body of each of these media types.
    pub fn reading(mut self, bodies: &[(&str, Value)]) -> Self {
        let content: Map<_, _> =
            bodies.iter().map(|(kind, schema)| ((*kind).to_owned(), json!({ "schema": schema }))).collect();
        self.body = Some(json!({ "required": true, "content": content }));
        self
    }

    /// Answers with one of `bodies`, each a media type and its schema, and with these headers besides those of every answer.
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

    fn rendered(&self, id: String, style: Style) -> Value {
        let mut answers: BTreeMap<StatusCode, Answer> = BTreeMap::new();
        for success in &self.successes {
            answers.entry(success.status).or_default().add_success(success);
        }
        for trouble in &self.troubles {
            answers.entry(trouble.status()).or_default().add_trouble(trouble, style);
        }
        let responses: Map<_, _> = answers
            .into_iter()
            .map(|(status, answer)| (status.as_str().to_owned(), answer.rendered(status, style)))
            .chain([("431".to_owned(), json!({ "$ref": "#/components/responses/head-431" }))])
            .collect();
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
        item["responses"] = Value::Object(responses);
        item
    }
}

/// All that is answered with one status.
#[derive(Default)]
struct Answer {
    says: Vec<&'static str>,
    bodies: BTreeMap<&'static str, Vec<Value>>,
    codes: BTreeSet<String>,
    examples: Map<String, Value>,
    headers: BTreeMap<&'static str, usize>,
    ways: usize,
}

impl Answer {
    fn add_success(&mut self, success: &Success) {
        self.says.push(success.what);
        for (kind, schema) in &success.bodies {
            self.bodies.entry(kind).or_default().push(schema.clone());
        }
        self.add_headers(success.headers.iter().copied());
    }

    fn add_trouble(&mut self, trouble: &Trouble, style: Style) {
        let body = reply::body(trouble, style);
        self.codes.extend(body[code_of(style)].as_str().map(ToOwned::to_owned));
        self.examples.insert(name(trouble), json!({ "value": body }));
        self.add_headers(reply::headers(trouble).keys().map(|name| spelled(name.as_str())));
    }

    fn add_headers(&mut self, names: impl Iterator<Item = &'static str>) {
        self.ways += 1;
        names.for_each(|name| *self.headers.entry(name).or_default() += 1);
    }

    fn rendered(mut self, status: StatusCode, style: Style) -> Value {
        let mut description = self.says.join(" ");
        if !self.codes.is_empty() {
            let codes: Vec<_> = self.codes.iter().map(|code| format!("`{code}`")).collect();
            let said = format!("{}: {}.", status.canonical_reason().unwrap_or_default(), codes.join(", "));
            description = [description, said].join(" ").trim().to_owned();
            self.bodies.entry(JSON).or_default().push(refused_with(&self.codes, style));
        }
        let headers = self.headers.iter().map(|(name, count)| (*name, header(name, *count == self.ways)));
        let headers: Map<_, _> = headers.chain(always()).map(|(name, header)| (name.to_owned(), header)).collect();
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

/// The schema of refusals in one style.
pub fn refusals(style: Style) -> (&'static str, Value) {
    let text = |what: &str| json!({ "type": "string", "description": what });
    let (code, message) = ("What went wrong, for programs.", "What failed, of which name, and what to do.");
    match style {
        Style::OAuth => {
            let members = json!({ "error": text(code), "error_description": text(message) });
            let what = "A refusal as OAuth clients read it (RFC 6749 section 5.2).";
            (
                "OAuthError",
                json!({ "type": "object", "description": what, "required": ["error", "error_description"], "properties": members }),
            )
        }
        Style::Aws => {
            let members =
                json!({ "code": text(code), "message": text(message), "Code": text(code), "Message": text(message) });
            let what = "A refusal as AWS SDKs read it, which differ in how they spell the members.";
            (
                "AwsError",
                json!({ "type": "object", "description": what, "required": ["code", "message", "Code", "Message"], "properties": members }),
            )
        }
    }
}

/// The response that is not ours but that of the HTTP library.
pub fn head_too_large() -> (String, Value) {
    ("head-431".to_owned(), json!({ "description": "The head has more than 16 KiB or 64 fields. No body." }))
}

/// The headers that every answer has, each required and with the one value that it has.
pub fn always() -> impl Iterator<Item = (&'static str, Value)> {
    hardened().into_iter().filter_map(|(name, _)| name).map(|name| {
        let name = spelled(name.as_str());
        (name, json!({ "$ref": format!("#/components/headers/{name}") }))
    })
}

/// What [`always`] refers to.
pub fn header_components() -> Map<String, Value> {
    let component = |(name, what): &(&str, &str)| {
        let schema = hardened()
            .get(*name)
            .map_or_else(|| header_schema(name), |value| json!({ "const": value.to_str().unwrap_or_default() }));
        ((*name).to_owned(), json!({ "description": what, "required": true, "schema": schema }))
    };
    HEADERS.iter().filter(|(name, _)| !is_optional(name)).map(component).collect()
}

fn hardened() -> HeaderMap {
    let mut response = Response::default();
    reply::harden(&mut response, false);
    std::mem::take(response.headers_mut())
}

fn header(name: &'static str, is_required: bool) -> Value {
    let known = HEADERS.iter().find(|(other, _)| *other == name);
    match known {
        Some(_) if is_required && !is_optional(name) => json!({ "$ref": format!("#/components/headers/{name}") }),
        Some((_, what)) => json!({ "description": what, "schema": header_schema(name) }),
        None => json!({ "required": is_required, "schema": header_schema(name) }),
    }
}

/// Is it left out of answers that it could stand in?
fn is_optional(name: &str) -> bool {
    name.starts_with("X-Auth-")
}

fn header_schema(name: &str) -> Value {
    match name {
        "Retry-After" => json!({ "type": "integer", "minimum": 1 }),
        "Credbroker-Cache" => json!({ "type": "string", "enum": ["hit", "stale", "miss"] }),
        _ => json!({ "type": "string", "minLength": 1 }),
    }
}

/// A header name as people write it.
fn spelled(name: &str) -> &'static str {
    HEADERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(known, _)| known)
}

fn code_of(style: Style) -> &'static str {
    match style {
        Style::OAuth => "error",
        Style::Aws => "code",
    }
}

fn refused_with(codes: &BTreeSet<String>, style: Style) -> Value {
    let mut schema = of(refusals(style).0);
    schema["properties"] = json!({ code_of(style): { "enum": codes } });
    schema
}

fn one_of(mut schemas: Vec<Value>) -> Value {
    match (schemas.pop(), schemas.is_empty()) {
        (Some(only), true) => only,
        (last, _) => json!({ "anyOf": schemas.into_iter().chain(last).collect::<Vec<_>>() }),
    }
}

/// How the example of a trouble is called: as its variant, and as the kind of failure.
fn name(trouble: &Trouble) -> String {
    let variant: String = format!("{trouble:?}").chars().take_while(char::is_ascii_alphanumeric).collect();
    match trouble {
        Trouble::Failed { failure, .. } if failure.timed_out => format!("{variant}-timed-out"),
        Trouble::Failed { failure, .. } => format!("{variant}-{}", failure.kind),
        _ => variant,
    }
}

fn requirement(scheme: &str) -> Value {
    if scheme.is_empty() { json!({}) } else { json!({ scheme: [] }) }
}
