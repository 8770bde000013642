//! The configuration reference, in Markdown, written out of the schema: what `credbroker schema --reference` prints and what
//! `docs/configuration.md` holds.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value};

const OPENING: &str = "# Configuration reference\n\n\
Printed by `credbroker schema --reference`; a test keeps this page as the program prints it. The annotated example is\n\
[`deploy/credbroker.toml`](../deploy/credbroker.toml). TOML, one file, `/etc/credbroker/credbroker.toml` unless `--config` names\n\
another. Unknown keys, unknown references, cycles and literal secrets are refused, all mistakes in one run of `credbroker check`.\n";

/// The reference of `schema`.
pub fn reference(schema: &Value) -> String {
    let mut page = Page { schema, text: OPENING.to_owned(), inline: Vec::new() };
    // Writing to a text cannot fail.
    let _ = page.document();
    page.text
}

struct Page<'a> {
    schema: &'a Value,
    text: String,
    /// Tables that stand inside others, in the order of their first mention.
    inline: Vec<&'a str>,
}

impl<'a> Page<'a> {
    fn document(&mut self) -> fmt::Result {
        for (name, table) in members(&self.schema["properties"]) {
            self.section(name, table)?;
        }
        let mut written = 0;
        while let Some(name) = self.inline.get(written).copied() {
            written += 1;
            let table = &self.schema["$defs"][name];
            writeln!(self.text, "\n## {name}\n\n{}\n", sentence(table))?;
            self.rows(table)?;
        }
        Ok(())
    }

    fn section(&mut self, name: &str, table: &'a Value) -> fmt::Result {
        let named = &table["additionalProperties"];
        let (title, content) = if named.is_object() {
            (format!("[{name}.NAME]"), self.resolved(named))
        } else {
            (format!("[{name}]"), self.resolved(table))
        };
        writeln!(self.text, "\n## {title}\n\n{}\n", sentence(table))?;
        if let Some(thing) = table["x-unbuilt"].as_str() {
            writeln!(self.text, "Not built yet in this version: {thing} is refused by name.\n")?;
        }
        match content["oneOf"].as_array() {
            None => self.rows(content),
            Some(kinds) => kinds.iter().try_for_each(|kind| {
                let from = kind["properties"]["from"]["const"].as_str().unwrap_or_default();
                writeln!(self.text, "### {title} from = \"{from}\"\n\n{}\n", sentence(kind))?;
                self.rows(kind)?;
                self.text.write_char('\n')
            }),
        }
    }

    fn rows(&mut self, table: &'a Value) -> fmt::Result {
        self.text.write_str("| key | value | meaning |\n|---|---|---|\n")?;
        let required: Vec<&str> =
            table["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (key, value) in members(&table["properties"]) {
            if value.get("x-refused").is_some() {
                continue;
            }
            let kind = self.kind(value);
            let mut meaning = sentence(value);
            if required.contains(&key.as_str()) {
                meaning = format!("**Required.** {meaning}");
            }
            if let Some(default) = value.get("default").filter(|default| is_plain(default)) {
                let _ = write!(meaning, " Default: `{default}`.");
            }
            if let Some(thing) = value["x-unbuilt"].as_str() {
                let _ = write!(meaning, " Not built yet: {thing}.");
            }
            writeln!(self.text, "| `{key}` | {kind} | {} |", meaning.trim().replace('|', "\\|"))?;
        }
        Ok(())
    }

    /// What kind of value stands there, in words.
    fn kind(&mut self, value: &'a Value) -> String {
        if let Some(word) = value["const"].as_str() {
            return format!("`\"{word}\"`");
        }
        if let Some(name) = value["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            return self.named_kind(name);
        }
        if let Some(kinds) = value["x-ref"].as_array().filter(|_| value["type"] == "string") {
            return references(kinds);
        }
        if let Some(branches) = value["anyOf"].as_array().or_else(|| value["oneOf"].as_array()) {
            let kinds: Vec<String> = branches.iter().map(|branch| self.kind(branch)).collect();
            return kinds.join(" or ");
        }
        if let Some(words) = value["enum"].as_array() {
            return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
        }
        match value["type"].as_str() {
            Some("array") => match value["x-ref"].as_array() {
                Some(kinds) => format!("list of {}{}", references(kinds), bounds(value, "minItems", "maxItems")),
                None => format!("list of: {}{}", self.kind(&value["items"]), bounds(value, "minItems", "maxItems")),
            },
            Some("object") if value["additionalProperties"].is_object() => {
                format!("table of: {}", self.kind(&value["additionalProperties"]))
            }
            Some("boolean") => "`true` or `false`".to_owned(),
            Some("integer") => format!("whole number{}", bounds(value, "minimum", "maximum")),
            Some("number") => format!("number{}", bounds(value, "minimum", "maximum")),
            _ => match value["x-expected"].as_str() {
                Some(expected) => expected.replace('|', "\\|"),
                None => format!("text{}", bounds(value, "minLength", "maxLength")),
            },
        }
    }

    /// A kind with a name: in place where it is a choice of words or kinds, by a link where it is a table.
    fn named_kind(&mut self, name: &'a str) -> String {
        let schema = self.schema;
        let kind = &schema["$defs"][name];
        if kind["properties"].is_object() {
            if !self.inline.contains(&name) {
                self.inline.push(name);
            }
            return format!("[{name}](#{})", name.to_lowercase());
        }
        self.kind(kind)
    }

    fn resolved(&self, value: &'a Value) -> &'a Value {
        let name = value["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        name.map_or(value, |name| &self.schema["$defs"][name])
    }
}

fn members(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    object.as_object().unwrap_or(&NONE).iter()
}

fn references(kinds: &[Value]) -> String {
    let kinds = kinds.iter().filter_map(Value::as_str);
    let name = |kind: &str| match kind {
        "caller" => "`\"caller\"`".to_owned(),
        "callers" => "`\"NAME\"` of a caller".to_owned(),
        kind => format!("`\"{kind}.NAME\"`"),
    };
    kinds.map(name).collect::<Vec<_>>().join(" or ")
}

fn bounds(value: &Value, least: &str, most: &str) -> String {
    let bound = |key: &str| value[key].as_f64().map(|_| value[key].to_string());
    match (bound(least), bound(most)) {
        (Some(least), Some(most)) if least == most => format!(", exactly {most}"),
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) if least == "0" || least == "1" => String::new(),
        (Some(least), None) => format!(", at least {least}"),
        (None, Some(most)) => format!(", at most {most}"),
        (None, None) => String::new(),
    }
}

fn sentence(value: &Value) -> String {
    value["description"].as_str().unwrap_or_default().replace('\n', " ")
}

fn is_plain(default: &Value) -> bool {
    matches!(default, Value::Number(_) | Value::String(_) | Value::Bool(_))
        || default.as_array().is_some_and(|items| !items.is_empty())
}
