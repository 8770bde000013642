//! The JSON Schema of the configuration, derived from [`super::document`]: what `credbroker schema` prints, and what the
//! checker walks.

use serde_json::{Map, Value, json};

use super::document::Document;

/// The schema, in draft 2020-12.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Document).to_value();
    if let Some(definitions) = schema.get("$defs").cloned() {
        merge_branches(&mut schema, &definitions);
    }
    without_null(&mut schema);
    schema["title"] = json!("credbroker configuration");
    schema
}

/// TOML has no null: an optional key is simply absent.
fn without_null(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = &types[..] {
                    object["type"] = only.clone();
                }
            }
            if let Some(Value::Array(branches)) = object.get_mut("anyOf") {
                branches.retain(|branch| branch.get("type") != Some(&json!("null")));
                if let [only] = &branches[..] {
                    let only = only.clone();
                    object.remove("anyOf");
                    for (key, inner) in only.as_object().into_iter().flatten() {
                        object.entry(key.clone()).or_insert_with(|| inner.clone());
                    }
                }
            }
            object.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// A table that is one of several kinds, told apart by `from`, becomes a list of whole kinds, each with every key it may
/// have, so that unknown keys can be refused.
fn merge_branches(value: &mut Value, definitions: &Value) {
    if let Value::Object(object) = value {
        if object.contains_key("properties") && object.contains_key("oneOf") {
            let shared = object.remove("properties").unwrap_or_default();
            if let Some(Value::Array(branches)) = object.get_mut("oneOf") {
                branches.iter_mut().for_each(|branch| *branch = whole(branch, &shared, definitions));
            }
        }
        object.values_mut().for_each(|inner| merge_branches(inner, definitions));
    }
}

fn whole(branch: &Value, shared: &Value, definitions: &Value) -> Value {
    let own =
        branch["$ref"].as_str().and_then(|path| definitions.get(path.rsplit('/').next()?)).unwrap_or(&Value::Null);
    let mut properties = Map::new();
    for part in [&branch["properties"], &own["properties"], shared] {
        properties.extend(part.as_object().cloned().unwrap_or_default());
    }
    let required: Vec<Value> =
        [&branch["required"], &own["required"]].into_iter().filter_map(Value::as_array).flatten().cloned().collect();
    let mut whole = json!({
        "description": branch["description"],
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    if let Some(unbuilt) = branch.get("x-unbuilt") {
        whole["x-unbuilt"] = unbuilt.clone();
    }
    whole
}
