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
    /// Is there a mistake of TOML in it? Then it is not as it was meant: a value is a guess, a table may lack keys.
    pub damaged: bool,
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
    /// Something the configuration has no use for, by the name a person has for it.
    Useless(&'static str),
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
        // In a text that is damaged otherwise too, a value may have been taken for a key.
        let is_only_repeated = errors.iter().all(|error| error.message() == "duplicate key");
        let source = Source::new(text, errors.iter().filter_map(toml::de::Error::span).map(|span| span.start));
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let header = source.header_before(span.start);
            let mut message = format!("this is not TOML: {}", error.message().replace('\n', ", "));
            if error.message().starts_with("unexpected leading zero") {
                message = "a number has no zero in front; permission bits are a text, such as \"0440\"".to_owned();
            }
            if error.message() == "duplicate key" {
                if header.is_some() && header == repeated_table {
                    // The keys of a table that stands here a second time are not mistakes of their own.
                    continue;
                }
                let key = if is_only_repeated { format!("`{}`", &text[span.clone()]) } else { "a key".to_owned() };
                message = format!("{key} stands here a second time");
                repeated_table = header.filter(|header| !text[*header..span.start].contains('\n'));
            }
            problems.push(Problem { span, message });
        }
        let span = table.span();
        (source.table(span, table.into_inner()), problems)
    }

    /// What a person calls it.
    pub fn noun(&self) -> &'static str {
        match &self.kind {
            Kind::Table(_) => "a table",
            Kind::List(_) => "a list",
            Kind::Useless(noun) => noun,
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
            Kind::Useless(_) => Value::Null,
        }
    }
}

/// The text of a document and where it is not TOML.
struct Source<'a> {
    text: &'a str,
    /// Where the lines start that begin a table.
    headers: Vec<usize>,
    /// In ascending order.
    mistakes: Vec<usize>,
}

impl<'a> Source<'a> {
    fn new(text: &'a str, mistakes: impl Iterator<Item = usize>) -> Self {
        let mut at = 0;
        let lines = text.split_inclusive('\n').map(|line| {
            at += line.len();
            (at - line.len(), line)
        });
        let headers = lines.filter(|(_, line)| line.trim_start().starts_with('[')).map(|(at, _)| at).collect();
        let mut mistakes: Vec<usize> = mistakes.collect();
        mistakes.sort_unstable();
        Self { text, headers, mistakes }
    }

    /// Where the `[table]` header begins that `offset` stands in or under.
    fn header_before(&self, offset: usize) -> Option<usize> {
        let behind = self.headers.partition_point(|header| *header <= offset);
        self.headers[..behind].last().copied()
    }

    /// Is there a mistake from `start` to the end of the line that `end` stands in?
    fn is_damaged(&self, start: usize, end: usize) -> bool {
        let end = self.text[end..].find('\n').map_or(self.text.len(), |at| end + at);
        let first = self.mistakes.partition_point(|mistake| *mistake < start);
        self.mistakes.get(first).is_some_and(|mistake| *mistake <= end)
    }

    fn table(&self, span: Range<usize>, table: DeTable<'_>) -> Node {
        let next = self.headers.partition_point(|header| *header <= span.start);
        let inline = self.text[span.start..].starts_with('{');
        // What stands before the next header belongs to the table, unless it is an inline one.
        let end = if inline { span.end } else { self.headers.get(next).map_or(self.text.len(), |header| header - 1) };
        let damaged = self.is_damaged(span.start, end);
        let member = |(key, value): (Spanned<std::borrow::Cow<'_, str>>, Spanned<DeValue<'_>>)| {
            let key_span = key.span();
            let node = self.node(&key_span, value);
            Member { key_span, key: key.into_inner().into_owned(), node }
        };
        // What is read of a damaged inline table may be values that were taken for keys, secret ones among them.
        let members = if inline && damaged { Vec::new() } else { table.into_iter().map(member).collect() };
        Node { span, kind: Kind::Table(members), damaged }
    }

    /// The value of the key at `key_span`.
    fn node(&self, key_span: &Range<usize>, value: Spanned<DeValue<'_>>) -> Node {
        let span = value.span();
        let kind = match value.into_inner() {
            DeValue::Table(table) => return self.table(span, table),
            DeValue::String(text) => Kind::Scalar(Value::String(text.into_owned())),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Kind::Useless("a number out of range"), |number| Kind::Scalar(Value::from(number))),
            DeValue::Float(number) => float(number.as_str()),
            DeValue::Boolean(flag) => Kind::Scalar(Value::Bool(flag)),
            DeValue::Datetime(_) => Kind::Useless("a date"),
            DeValue::Array(items) => Kind::List(items.into_iter().map(|item| self.node(key_span, item)).collect()),
        };
        let damaged = self.is_damaged(key_span.start, span.end.max(key_span.end));
        Node { span, kind, damaged }
    }
}

fn float(text: &str) -> Kind {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Kind::Scalar(Value::from(number)),
        Ok(_) if text.ends_with("nan") || text.ends_with("inf") => Kind::Useless("a number that is not finite"),
        _ => Kind::Useless("a number out of range"),
    }
}
