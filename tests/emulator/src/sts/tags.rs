//! Session tags: what the caller sets, and what a chained session brings along.

use serde_json::{Map, Value};

use super::parameters::{Parameters, invalid};
use crate::failure::Failure;
use crate::principal::RoleSession;
use crate::request::Request;

/// The tags a session will have.
pub(super) struct Tags {
    pub(super) all: Map<String, Value>,
    /// Those that follow it into the next role.
    pub(super) transitive: Map<String, Value>,
    /// The characters the request's own tags take.
    pub(super) size: usize,
    /// Whether the request brought any, which takes `sts:TagSession`.
    pub(super) asked: bool,
}

/// What the caller sets, over what its own session hands on.
pub(super) fn read(
    request: &mut Request<'_>,
    parameters: &Parameters,
    from: Option<&RoleSession>,
) -> Result<Tags, Failure> {
    let set = pairs(parameters)?;
    let onward: Vec<&str> =
        parameters.list("TransitiveTagKeys").into_values().filter_map(|item| item.get("").copied()).collect();
    if !set.is_empty() {
        request.asked.note("tags", set.clone());
    }
    if !onward.is_empty() {
        request.asked.note("transitive_tag_keys", onward.clone());
    }
    let mut transitive = from.map(|session| session.transitive_tags.clone()).unwrap_or_default();
    if set.keys().any(|key| transitive.keys().any(|kept| kept.eq_ignore_ascii_case(key))) {
        return Err(Failure::bad(
            "InvalidParameterValue",
            "A tag cannot replace a transitive tag of the calling session.",
        ));
    }
    let size = set.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    let asked = !set.is_empty() || !onward.is_empty();
    let mut all = transitive.clone();
    all.extend(set.clone());
    for key in onward {
        let value = set.get(key);
        let value = value
            .ok_or_else(|| Failure::bad("InvalidParameterValue", "A transitive tag key is not among the tags."))?;
        transitive.insert(key.to_owned(), value.clone());
    }
    Ok(Tags { all, transitive, size, asked })
}

/// At most fifty, keys of 1 to 128 characters that differ (without case), values up to 256.
pub(super) fn pairs(parameters: &Parameters) -> Result<Map<String, Value>, Failure> {
    let items = parameters.list("Tags");
    if items.len() > 50 {
        return Err(invalid("Tags", "", "Member must have length less than or equal to 50"));
    }
    let mut set: Map<String, Value> = Map::new();
    for item in items.values() {
        let key = item.get("Key").copied().unwrap_or_default();
        let value = item.get("Value").copied().unwrap_or_default();
        if !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256 {
            return Err(invalid("Tags", "", "keys have 1 to 128 characters, values at most 256"));
        }
        if set.keys().any(|other| other.eq_ignore_ascii_case(key)) {
            return Err(Failure::bad("InvalidParameterValue", "Duplicate tag keys found."));
        }
        set.insert(key.to_owned(), Value::from(value));
    }
    Ok(set)
}
