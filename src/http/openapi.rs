//! `GET /openapi.json`: the description of this API (OpenAPI 3.1), for anybody who can reach the broker's own listeners, since it
//! says nothing that depends on the configuration. Not on the admin listener, which has none of it but health and metrics.
//!
//! It is put together from what the surfaces say of themselves, see [`super::describe`].

use std::sync::LazyLock;

use http::{Method, StatusCode};
use hyper::body::Bytes;
use serde_json::{Map, Value, json};
use warp::Filter as _;

use super::describe::{self, JSON, Operation, Path};
use super::reply::{self, Style};
use super::{
    Routes, allowed, authorize, credentials, gateway, health, introspect, metadata, metrics, oauth, page, proof,
    status, tokens,
};

const PATH: &str = "/openapi.json";
const METHODS: &[&str] = &["GET", "HEAD"];

const ABOUT: &str = "\
Bearer tokens and temporary AWS credentials for the services beside the broker.\n\n\
Every caller shows who it is: by its token as `Authorization: Bearer TOKEN` or, as AWS SDKs send it, as \
`Authorization: TOKEN`; at the paths under `/oauth2/` also as a client secret, by Basic or in the form. On a unix \
socket a caller may be known by its uid and then shows nothing; over TCP a caller that is known without a token \
sends `Credbroker-Request: true`, or any `Authorization`.\n\n\
A request comes from this machine directly: over TCP a `Host` that is no loopback name, the headers of proxies and \
those of browsers are refused (403). Paths are taken as they are written: whatever would have to be decoded or \
normalised is refused, and so is a GET with a body (400). A body has at most 64 KiB (413). A path has no methods \
but those described here (405 with `Allow`), and there are no other paths (404). HEAD is answered as GET is, \
without the body. What is no HTTP/1.1 at all is refused with 400, a head of more than 16 KiB or 64 fields with 431; \
both have no body.\n\n\
While the broker is ending, answers have `Connection: close`. Names of entries and callers stand in the \
configuration and not here. The admin listener has `/healthz`, `/readyz` and `/metrics` of this; the IMDS listener and the \
egress addresses speak for others and are not described here.";

/// The description, in JSON; one for all answers, since it is large and anybody may ask for it and not take it.
static DESCRIPTION: LazyLock<Bytes> = LazyLock::new(|| description().to_string().into());

/// Is this the path?
pub fn is_open(path: &str) -> bool {
    path == PATH
}

/// The route.
pub fn route() -> Routes {
    warp::path!("openapi.json")
        .and(warp::method())
        .map(|method: Method| match allowed(&method, METHODS) {
            Ok(()) => reply::with_type(StatusCode::OK, JSON, DESCRIPTION.clone()),
            Err(trouble) => reply::refusal(&trouble, Style::OAuth),
        })
        .boxed()
}

fn described() -> Path {
    let read = Operation::open("Operations", "readDescription", "This description").answering(
        StatusCode::OK,
        "The description.",
        [(JSON, json!({ "type": "object", "required": ["openapi", "info", "paths"] }))],
        &[],
    );
    Path::at(PATH).offering(METHODS, &read)
}

/// Every path of the broker's own listeners.
fn paths() -> Vec<Path> {
    let [alive, ready] = health::described();
    vec![
        tokens::described(),
        credentials::described(),
        oauth::described(),
        metadata::described(),
        introspect::described(),
        authorize::described(),
        gateway::described(),
        proof::described(),
        status::described(),
        page::described(),
        alive,
        ready,
        metrics::described(),
        described(),
    ]
}

/// The description.
pub fn description() -> Value {
    let mut schemas = Map::from_iter([Style::OAuth, Style::Aws].map(|style| {
        let (name, schema) = describe::refusals(style);
        (name.to_owned(), schema)
    }));
    let mut items = Map::new();
    for mut path in paths() {
        schemas.extend(path.schemas.drain(..).map(|(name, schema)| (name.to_owned(), schema)));
        items.insert(path.template.to_owned(), path.rendered());
    }
    let mut responses = Map::from_iter([describe::head_too_large()]);
    share(&mut items, &mut responses);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "credbroker",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:2778", "description": "Where it listens unless it is told otherwise." }],
        "tags": [
            { "name": "Tokens", "description": "Bearer tokens of other servers." },
            { "name": "Credentials", "description": "Temporary AWS credentials." },
            { "name": "OAuth", "description": "For OAuth libraries." },
            { "name": "Verification", "description": "Are the tokens valid that services are shown?" },
            { "name": "Operations", "description": "For those who run it." },
        ],
        "paths": items,
        "components": {
            "schemas": schemas,
            "headers": describe::headers::components(),
            "responses": responses,
            "securitySchemes": security_schemes(),
        },
    })
}

/// Moves responses that several operations have to `shared`, called after the first of these.
fn share(items: &mut Map<String, Value>, shared: &mut Map<String, Value>) {
    let all: Vec<Value> = responses(items).map(|(_, response)| response.clone()).collect();
    for (name, response) in responses(items) {
        let is_shared = response.get("$ref").is_none() && all.iter().filter(|other| *other == response).count() > 1;
        if is_shared {
            let known = shared.iter().find(|(_, known)| *known == response).map(|(name, _)| name.clone());
            let name = known.unwrap_or(name);
            let reference = json!({ "$ref": format!("#/components/responses/{name}") });
            shared.insert(name, std::mem::replace(response, reference));
        }
    }
}

/// Every response of every operation, called by operation and status.
fn responses(items: &mut Map<String, Value>) -> impl Iterator<Item = (String, &mut Value)> {
    let operations = items.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    operations.flat_map(|operation| {
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten();
        responses.map(move |(status, response)| (format!("{id}-{status}"), response))
    })
}

fn security_schemes() -> Value {
    json!({
        "bearer": { "type": "http", "scheme": "bearer", "description": "The caller's token." },
        "token": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "The caller's token without a scheme, as AWS SDKs send it.",
        },
        "deliberate": {
            "type": "apiKey",
            "in": "header",
            "name": "Credbroker-Request",
            "description": "`true`, from a caller that is known without a token.",
        },
        "basic": {
            "type": "http",
            "scheme": "basic",
            "description": "The caller's token as the client secret; the client id is the name of what is asked for.",
        },
    })
}
