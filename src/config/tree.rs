//! The TOML text as a tree in which every key and value knows its place.

use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// The bytes of the value; for a `[table]`, its header.
    pub span: Range<usize>,
    /// The value.
    pub kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Keys in the order of their names.
    Table(Vec<Member>),
    /// A list.
    List(Vec<Node>),
    /// Text, a number or true and false.
    Scalar(Value),
    /// Something the configuration has no use for: a date.
    Date,
}

/// One key of a table.
#[derive(Clone, Debug)]
pub struct Member {
    /// The key.
    pub key: String,
    /// Its place.
    pub key_span: Range<usize>,
    /// Its value.
    pub node: Node,
}

impl Node {
    /// Reads a document. What cannot be read is reported; the rest is still there.
    pub fn parse(text: &str) -> (Self, Vec<Problem>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        // Of an error only the message is used: its own display quotes the line, which may hold a secret.
        let mut problems = Vec::new();
        let mut repeated_table = None;
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let header = header_before(text, span.start);
            let mut message = format!("this is not TOML: {}", error.message().replace('\n', ", "));
            if error.message() == "duplicate key" {
                if header.is_some() && header == repeated_table {
                    // The keys of a table that stands here a second time are not mistakes of their own.
                    continue;
                }
                message = format!("`{}` stands here a second time", &text[span.clone()]);
                repeated_table = header.filter(|header| !text[*header..span.start].contains('\n'));
            }
            problems.push(Problem { span, message });
        }
        let span = table.span();
        (Self { span, kind: members(table.into_inner()) }, problems)
    }

    /// What a person calls it.
    pub fn noun(&self) -> &'static str {
        match &self.kind {
            Kind::Table(_) => "a table",
            Kind::List(_) => "a list",
            Kind::Date => "a date",
            Kind::Scalar(Value::String(_)) => "text",
            Kind::Scalar(Value::Bool(_)) => "true or false",
            Kind::Scalar(_) => "a number",
        }
    }

    /// The members, if it is a table.
    pub fn members(&self) -> &[Member] {
        match &self.kind {
            Kind::Table(members) => members,
            _ => &[],
        }
    }

    /// The member called `key`.
    pub fn member(&self, key: &str) -> Option<&Member> {
        self.members().iter().find(|member| member.key == key)
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The place of what `path` leads to, or of the deepest part of it that exists.
    pub fn place(&self, path: &[&str]) -> Range<usize> {
        let Some((key, rest)) = path.split_first() else { return self.span.clone() };
        match self.member(key) {
            Some(member) if rest.is_empty() && member.node.members().is_empty() => member.node.span.clone(),
            Some(member) if rest.is_empty() => member.key_span.clone(),
            Some(member) => {
                let deeper = member.node.place(rest);
                if deeper == member.node.span && member.node.member(rest[0]).is_none() {
                    member.key_span.clone()
                } else {
                    deeper
                }
            }
            None => self.span.clone(),
        }
    }

    /// The same as JSON, for serde.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Table(members) => Value::Object(members.iter().map(|m| (m.key.clone(), m.node.to_json())).collect()),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Scalar(value) => value.clone(),
            Kind::Date => Value::Null,
        }
    }
}

/// Where the `[table]` header begins that `offset` stands in or under.
fn header_before(text: &str, offset: usize) -> Option<usize> {
    let line_end = text[offset..].find('\n').map_or(text.len(), |at| offset + at);
    let starts = |(at, line): &(usize, &str)| line.starts_with('[').then_some(*at);
    let mut at = 0;
    let lines = text[..line_end].split_inclusive('\n').map(|line| {
        at += line.len();
        (at - line.len(), line)
    });
    lines.filter_map(|line| starts(&line)).last()
}

fn members(table: DeTable<'_>) -> Kind {
    let member = |(key, value): (Spanned<std::borrow::Cow<'_, str>>, Spanned<DeValue<'_>>)| Member {
        key_span: key.span(),
        key: key.into_inner().into_owned(),
        node: node(value),
    };
    Kind::Table(table.into_iter().map(member).collect())
}

fn node(value: Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let kind = match value.into_inner() {
        DeValue::String(text) => Kind::Scalar(Value::String(text.into_owned())),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            Kind::Scalar(parsed.map_or(Value::Null, Value::from))
        }
        DeValue::Float(number) => Kind::Scalar(number.as_str().parse::<f64>().map_or(Value::Null, Value::from)),
        DeValue::Boolean(flag) => Kind::Scalar(Value::Bool(flag)),
        DeValue::Datetime(_) => Kind::Date,
        DeValue::Array(items) => Kind::List(items.into_iter().map(node).collect()),
        DeValue::Table(table) => members(table),
    };
    Node { span, kind }
}
