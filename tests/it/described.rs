//! The API description, held against every answer that a daemon gives to a test: is there such a path and method, status, header and
//! media type, and is the body what the schema says? Stricter than a client would be: a member or header that is not described is
//! a mistake, for then the description is not the whole truth.

use std::sync::LazyLock;

use serde_json::Value;

use crate::client::{Answer, Ask};

/// What HTTP itself adds, and what an ending daemon does.
const OF_HTTP: [&str; 5] = ["date", "content-length", "content-type", "connection", "transfer-encoding"];
/// What may be wrong with any request, whether there is something at its path or not.
const EVERYWHERE: [u16; 6] = [400, 401, 403, 405, 413, 503];

static DESCRIPTION: LazyLock<Value> = LazyLock::new(credbroker::http::openapi::description);

/// Is `answer` one that the description allows for `ask`?
pub fn holds_for(ask: &Ask, answer: &Answer) -> Result<(), String> {
    let method = ask.method().as_str();
    let place = format!("{method} {}: {}", ask.path(), answer.status);
    let path = path_item(ask.path());
    match path.and_then(|item| item.get(method.to_ascii_lowercase())) {
        Some(operation) => answers(operation, method == "HEAD", answer),
        None => stray(path.is_some(), method == "HEAD", answer),
    }
    .map_err(|why| format!("{place}: {why}"))
}

/// The path item for a path; one without braces before one with them.
fn path_item(path: &str) -> Option<&'static Value> {
    let items = DESCRIPTION["paths"].as_object().unwrap();
    let parts = |path: &str| path.split('/').map(ToOwned::to_owned).collect::<Vec<_>>();
    let asked = parts(path);
    items.get(path).or_else(|| {
        items.iter().find_map(|(template, item)| {
            let described = parts(template);
            let fits = |(described, asked): (&String, &String)| described.starts_with('{') || described == asked;
            (described.len() == asked.len() && described.iter().zip(&asked).all(fits)).then_some(item)
        })
    })
}

fn answers(operation: &'static Value, is_head: bool, answer: &Answer) -> Result<(), String> {
    let described = resolved(&operation["responses"][answer.status.to_string()]);
    if described.is_null() {
        return Err("there is no such status".to_owned());
    }
    headers(&described["headers"], answer)?;
    if is_head {
        return if answer.text.is_empty() { Ok(()) } else { Err("HEAD has a body".to_owned()) };
    }
    let kind = answer.header("content-type").ok_or("there is no Content-Type")?;
    let schema = described["content"].get(kind).ok_or(format!("{kind} is not described"))?;
    match kind {
        "application/json" => conforms(&schema["schema"], &answer.json()),
        _ => conforms(&schema["schema"], &Value::from(&*answer.text)),
    }
}

/// What is answered where nothing is described: a refusal in one of the two styles.
fn stray(is_path: bool, is_head: bool, answer: &Answer) -> Result<(), String> {
    let status = answer.status;
    if !EVERYWHERE.contains(&status) && (is_path || status != 404) {
        return Err(format!("nothing is described there: {}", answer.text));
    }
    if is_head {
        return Ok(());
    }
    let schemas = &DESCRIPTION["components"]["schemas"];
    conforms(&schemas["OAuthError"], &answer.json()).or_else(|_| conforms(&schemas["AwsError"], &answer.json()))
}

fn headers(described: &'static Value, answer: &Answer) -> Result<(), String> {
    let described = described.as_object().ok_or("it has headers that are not described")?;
    let known = |name: &str| described.keys().any(|known| known.eq_ignore_ascii_case(name));
    if let Some(name) = answer.headers().find(|name| !OF_HTTP.contains(name) && !known(name)) {
        return Err(format!("the header {name} is not described"));
    }
    for (name, header) in described {
        let header = resolved(header);
        match answer.header(&name.to_ascii_lowercase()) {
            Some(value) if header["schema"]["type"] == "integer" => {
                conforms(&header["schema"], &value.parse::<u64>().map_or(Value::Null, Value::from))?;
            }
            Some(value) => conforms(&header["schema"], &Value::from(value))?,
            None if header["required"] == true => return Err(format!("the header {name} is missing")),
            None => {}
        }
    }
    Ok(())
}

/// What a reference inside the description stands for.
fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            let found = DESCRIPTION.pointer(reference.strip_prefix('#').unwrap());
            found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
        None => value,
    }
}

/// JSON Schema, as far as the description uses it; a keyword that is not known here is a mistake of the test.
pub fn conforms(schema: &'static Value, value: &Value) -> Result<(), String> {
    let keywords = schema.as_object().unwrap_or_else(|| panic!("no schema: {schema}"));
    for (keyword, wanted) in keywords {
        let holds = match keyword.as_str() {
            "$ref" => {
                conforms(resolved(schema), value)?;
                true
            }
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|wanted| is_a(value, wanted)),
                wanted => is_a(value, wanted),
            },
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "minimum" => value.as_f64() >= wanted.as_f64(),
            "maximum" => value.as_f64() <= wanted.as_f64(),
            "minLength" => value.as_str().map(str::len) >= wanted.as_u64().map(|least| usize::try_from(least).unwrap()),
            "required" => wanted.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "properties" => {
                members(wanted, keywords.contains_key("$ref"), value)?;
                true
            }
            "items" => {
                value.as_array().unwrap().iter().try_for_each(|item| conforms(wanted, item))?;
                true
            }
            "contentSchema" => {
                let content = serde_json::from_str(value.as_str().unwrap()).map_err(|cause| cause.to_string())?;
                conforms(wanted, &content)?;
                true
            }
            "anyOf" => wanted.as_array().unwrap().iter().any(|schema| conforms(schema, value).is_ok()),
            "contentMediaType" | "description" | "examples" | "format" | "pattern" => true,
            unknown => panic!("this test does not know {unknown}"),
        };
        if !holds {
            return Err(format!("{keyword} {wanted} does not hold for {value}"));
        }
    }
    Ok(())
}

/// Checks members; nothing else may stand there, unless the schema only adds to another one.
fn members(described: &'static Value, is_more: bool, value: &Value) -> Result<(), String> {
    for (name, member) in value.as_object().into_iter().flatten() {
        match described.get(name) {
            Some(schema) => conforms(schema, member).map_err(|why| format!("{name}: {why}"))?,
            None if is_more => {}
            None => return Err(format!("{name} is not described")),
        }
    }
    Ok(())
}

fn is_a(value: &Value, wanted: &Value) -> bool {
    match wanted.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("this test does not know the type {other}"),
    }
}
