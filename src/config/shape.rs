//! Holds the document against its schema: unknown keys, wrong kinds, texts that do not parse, references to nothing,
//! literal secrets, missing keys, and tables of a later version, all in one walk.

mod value;

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Map, Value};

use super::problem::{Findings, did_you_mean, nearest};
use super::tree::{Kind, Member, Node};
use value::{is_kind, noun, quoted, shown};

/// Walks `document` along `schema` and adds to `found`.
pub fn check(schema: &Value, document: &Node, found: &mut Findings) {
    Walk { schema, document, found }.node(schema, document, &mut Vec::new(), &document.span);
}

struct Walk<'a> {
    schema: &'a Value,
    document: &'a Node,
    found: &'a mut Findings,
}

/// Where the walk is: the keys that lead there.
type Path<'a> = Vec<&'a str>;

/// The keys of a table and what stands under each.
type Keys = Map<String, Value>;

impl<'a> Walk<'a> {
    fn report(&mut self, path: &Path<'_>, span: &Range<usize>, message: &str) {
        self.found.report(path, span.clone(), message);
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let target = schema["$ref"].as_str().and_then(|path| self.schema.pointer(path.trim_start_matches('#')));
        target.unwrap_or(schema)
    }

    /// `key_span` is the place of the key that leads to the node, for what is wrong with the whole of it.
    fn node(&mut self, schema: &'a Value, node: &'a Node, path: &mut Path<'a>, key_span: &Range<usize>) {
        if let Some(thing) = schema["x-unbuilt"].as_str() {
            self.report(path, key_span, &format!("{thing}: not built yet in this version of credbroker; take it out"));
        }
        if let Some(reason) = schema["x-refused"].as_str() {
            return self.report(path, key_span, reason);
        }
        if node.damaged {
            self.found.is_broken(path);
            if !matches!(node.kind, Kind::Table(_)) {
                return;
            }
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
    fn any_of(&mut self, branches: &'a [Value], node: &'a Node, path: &mut Path<'a>, key_span: &Range<usize>) {
        // Words, each with its own description, have their kind one by one.
        let kind = |branch: &'a Value| {
            let branch = self.resolve(branch);
            branch["type"].as_str().or_else(|| branch["oneOf"][0]["type"].as_str())
        };
        match branches.iter().find(|branch| is_kind(kind(branch), node)) {
            Some(branch) => self.node(branch, node, path, key_span),
            None => {
                let wanted: Vec<&str> = branches.iter().map(|branch| noun(kind(branch))).collect();
                self.report(path, &node.span, &format!("expected {}, found {}", wanted.join(" or "), node.noun()));
            }
        }
    }

    /// One word of several, or one kind of table told by `from`.
    fn one_of(&mut self, branches: &'a [Value], node: &'a Node, path: &mut Path<'a>, key_span: &Range<usize>) {
        if branches.iter().all(|branch| branch["type"] == "string") {
            let words: Vec<&str> = branches.iter().filter_map(|branch| branch["const"].as_str()).collect();
            if let Some(word) = self.word(&words, node, path)
                && let Some(thing) = branches.iter().find(|b| b["const"] == word).and_then(|b| b["x-unbuilt"].as_str())
            {
                self.report(path, &node.span, &format!("{thing}: not built yet in this version of credbroker"));
            }
            return;
        }
        if !matches!(node.kind, Kind::Table(_)) {
            return self.report(path, &node.span, &format!("expected a table, found {}", node.noun()));
        }
        match self.branch(branches, node, path, key_span) {
            Some(branch) => self.node(branch, node, path, key_span),
            None => {
                let known: Vec<&Keys> = branches.iter().filter_map(|branch| branch["properties"].as_object()).collect();
                let rest = node.members().iter().filter(|member| member.key != "from");
                rest.for_each(|member| self.known_member(&known, node, member, path));
            }
        }
    }

    /// The branch that `from` names, or was most likely meant to name.
    fn branch(
        &mut self,
        branches: &'a [Value],
        node: &'a Node,
        path: &mut Path<'a>,
        key_span: &Range<usize>,
    ) -> Option<&'a Value> {
        let word_of = |branch: &'a Value| branch["properties"]["from"]["const"].as_str();
        let words: Vec<&str> = branches.iter().filter_map(word_of).collect();
        let Some(from) = node.member("from") else {
            self.missing(node, path, key_span, &format!("`from` is missing; it is one of {}", quoted(&words)));
            return None;
        };
        path.push("from");
        let word = if from.node.damaged {
            self.found.is_broken(path);
            None
        } else {
            let guess = || nearest(from.node.text()?, words.iter().copied());
            self.word(&words, &from.node, path).or_else(guess)
        };
        path.pop();
        branches.iter().find(|branch| word.is_some() && word_of(branch) == word)
    }

    /// The word that the node is, if it is one of `words`.
    fn word<'w>(&mut self, words: &[&'w str], node: &Node, path: &Path<'_>) -> Option<&'w str> {
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

    fn table(&mut self, schema: &'a Value, node: &'a Node, path: &mut Path<'a>, key_span: &Range<usize>) {
        let Kind::Table(members) = &node.kind else {
            return self.report(path, &node.span, &format!("expected a table, found {}", node.noun()));
        };
        match (schema["properties"].as_object(), schema.get("additionalProperties").filter(|any| any.is_object())) {
            // Here every key is one, also what was none.
            (None, Some(_)) if node.damaged && path.len() > 1 => {}
            (None, Some(any)) => members.iter().for_each(|member| self.named_member(any, member, path)),
            (known, _) => {
                let known: Vec<&Keys> = known.into_iter().collect();
                members.iter().for_each(|member| self.known_member(&known, node, member, path));
            }
        }
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if node.member(key).is_none() && misspelled(schema, node, &[key]) == 0 {
                self.missing(node, path, key_span, &format!("`{key}` is missing"));
            }
        }
        if self.exactly_one(schema, node, path, key_span) {
            self.dependent(schema, node, path);
        }
    }

    /// A member of a table whose keys are names.
    fn named_member(&mut self, schema: &'a Value, member: &'a Member, path: &mut Path<'a>) {
        path.push(&member.key);
        if path.len() == 2 && !is_entry_name(&member.key) {
            self.report(
                path,
                &member.key_span,
                "a name is 1 to 64 letters, digits, `-` and `_`, and begins with a letter or digit",
            );
        }
        self.node(schema, &member.node, path, &member.key_span);
        path.pop();
    }

    /// A member of `table` with the keys of `known`, of which the first that has it says what it is.
    fn known_member(&mut self, known: &[&'a Keys], table: &Node, member: &'a Member, path: &mut Path<'a>) {
        path.push(&member.key);
        match known.iter().find_map(|keys| keys.get(&member.key)) {
            Some(schema) => self.node(schema, &member.node, path, &member.key_span),
            None => {
                let names: BTreeSet<&str> = known.iter().flat_map(|keys| keys.keys().map(String::as_str)).collect();
                let hint = did_you_mean(&member.key, names.iter().copied());
                let names: Vec<&str> = names.into_iter().collect();
                let expected = if hint.is_empty() { format!("; expected one of {}", quoted(&names)) } else { hint };
                // In a damaged table it may be a part of a secret, which is not repeated.
                let named = path.len() - usize::from(table.damaged);
                self.found.report(&path[..named], member.key_span.clone(), &format!("unknown key{expected}"));
            }
        }
        path.pop();
    }

    /// Reports what a table lacks, unless it lacks it because it could not be read.
    fn missing(&mut self, table: &Node, path: &Path<'_>, span: &Range<usize>, message: &str) {
        if !table.damaged {
            self.report(path, span, message);
        }
    }

    /// Is one of the keys given that exclude each other, if there are such?
    fn exactly_one(&mut self, schema: &Value, node: &Node, path: &Path<'_>, key_span: &Range<usize>) -> bool {
        let Some(keys) = schema["x-one-of"].as_array() else { return true };
        let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
        let given = keys.iter().filter(|key| node.member(key).is_some()).count();
        if given + misspelled(schema, node, &keys) != 1 {
            let span = if node.span.is_empty() { key_span } else { &node.span };
            self.missing(node, path, span, &format!("exactly one of {} is given, found {given}", quoted(&keys)));
        }
        given == 1
    }

    /// Keys that mean nothing without another.
    fn dependent(&mut self, schema: &'a Value, node: &'a Node, path: &mut Path<'a>) {
        for (key, needed) in schema["dependentRequired"].as_object().into_iter().flatten() {
            let Some(member) = node.member(key) else { continue };
            let needed = needed.as_array().into_iter().flatten().filter_map(Value::as_str);
            for other in needed.filter(|other| node.member(other).is_none()) {
                path.push(key);
                self.missing(node, path, &member.key_span, &format!("this goes with `{other}` only"));
                path.pop();
            }
        }
    }

    fn list(&mut self, schema: &'a Value, node: &'a Node, path: &mut Path<'a>) {
        let Kind::List(items) = &node.kind else {
            return self.report(path, &node.span, &format!("expected a list, found {}", node.noun()));
        };
        self.length(schema, items.len(), node, path);
        let kind = self.resolve(&schema["items"]);
        // Only of texts: what stands where a table is expected may be a secret.
        let is_text = kind["type"] == "string" && kind["x-secret"] != true;
        let mut seen = BTreeSet::new();
        for item in items {
            self.node(&schema["items"], item, path, &item.span);
            if let Some(text) = item.text().filter(|_| is_text) {
                self.reference(schema, text, item, path);
                if !seen.insert(text) {
                    self.report(path, &item.span, &format!("{} stands here twice", shown(text)));
                }
            }
        }
    }

    fn length(&mut self, schema: &Value, count: usize, node: &Node, path: &Path<'_>) {
        let count = count as u64;
        let least = schema["minItems"].as_u64().filter(|least| count < *least);
        let most = schema["maxItems"].as_u64().filter(|most| count > *most);
        for (bound, limit) in [("at least", least), ("at most", most)] {
            if let Some(limit) = limit {
                let s = if limit == 1 { "" } else { "s" };
                self.report(path, &node.span, &format!("expected {bound} {limit} item{s}, found {count}"));
            }
        }
    }
}

/// Is it a name that an entry may have?
pub fn is_entry_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(allowed) && name.as_bytes()[0].is_ascii_alphanumeric()
}

/// How many of `keys` stand in `table` under a spelling that the schema does not know: that is one mistake, not two.
fn misspelled(schema: &Value, table: &Node, keys: &[&str]) -> usize {
    let Some(known) = schema["properties"].as_object() else { return 0 };
    let meant = |member: &&Member| {
        let unknown = !known.contains_key(&member.key);
        unknown && nearest(&member.key, known.keys().map(String::as_str)).is_some_and(|near| keys.contains(&near))
    };
    table.members().iter().filter(meant).count()
}
