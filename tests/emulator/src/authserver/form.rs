//! The form of a token request: only `resource` may be repeated (RFC 6749 section 3.2, RFC 8707 section 2).

use std::collections::BTreeMap;

use url::form_urlencoded;

use crate::call::Call;
use crate::failure::Failure;

const REPEATABLE: &str = "resource";

pub(super) struct Form(BTreeMap<String, Vec<String>>);

impl Form {
    pub(super) fn read(call: &Call) -> Result<Form, Failure> {
        if call.method != http::Method::POST {
            return Err(Failure::new(405, "invalid_request", "the token endpoint takes POST only"));
        }
        if call.media_type() != "application/x-www-form-urlencoded" {
            return Err(wrong("the content type is not application/x-www-form-urlencoded"));
        }
        if !call.query.is_empty() {
            return Err(wrong("parameters belong in the body"));
        }
        if !well_encoded(&call.body) {
            return Err(wrong("the body is not form encoded"));
        }
        Form::parse(&call.body)
    }

    fn parse(body: &[u8]) -> Result<Form, Failure> {
        let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            let values = parameters.entry(name.clone().into_owned()).or_default();
            if !values.is_empty() && name != REPEATABLE {
                return Err(Failure::bad("invalid_request", "a parameter is repeated"));
            }
            values.push(value.into_owned());
        }
        Ok(Form(parameters))
    }

    /// A parameter without a value counts as left out.
    pub(super) fn optional(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Failure> {
        self.optional(name).ok_or_else(|| Failure::bad("invalid_request", format!("{name} is missing")))
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        values.iter().map(String::as_str).filter(|value| !value.is_empty())
    }
}

fn wrong(sentence: &'static str) -> Failure {
    Failure::bad("invalid_request", sentence)
}

/// ASCII only, every percent sign followed by two hexadecimal digits, and UTF-8 behind them.
pub(super) fn well_encoded(body: &[u8]) -> bool {
    let mut rest = body.iter();
    while let Some(byte) = rest.next() {
        let fine = match byte {
            b'%' => (0..2).all(|_| rest.next().is_some_and(u8::is_ascii_hexdigit)),
            other => other.is_ascii_graphic(),
        };
        if !fine {
            return false;
        }
    }
    !form_urlencoded::parse(body).any(|(name, value)| name.contains('\u{fffd}') || value.contains('\u{fffd}'))
}
