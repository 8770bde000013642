//! A form body in which no parameter is repeated (RFC 6749 section 3.2).

use std::collections::BTreeMap;

use url::form_urlencoded;

use crate::failure::Failure;

pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    pub(super) fn parse(body: &[u8]) -> Result<Form, Failure> {
        let mut parameters = BTreeMap::new();
        if !well_encoded(body) {
            return Err(Failure::bad("invalid_request", "the body is not form encoded"));
        }
        for (name, value) in form_urlencoded::parse(body) {
            if parameters.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(Failure::bad("invalid_request", format!("{name} is repeated")));
            }
        }
        Ok(Form(parameters))
    }

    /// A parameter without a value counts as left out (RFC 6749 section 3.2).
    pub(super) fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Failure> {
        self.optional(name).ok_or_else(|| Failure::bad("invalid_request", format!("{name} is missing")))
    }
}

/// ASCII only, every percent sign followed by two hexadecimal digits.
fn well_encoded(body: &[u8]) -> bool {
    let mut rest = body.iter();
    while let Some(byte) = rest.next() {
        let fine = match byte {
            b'%' => (0..2).all(|_| rest.next().is_some_and(u8::is_ascii_hexdigit)),
            other => other.is_ascii() && !other.is_ascii_control() && *other != b' ',
        };
        if !fine {
            return false;
        }
    }
    true
}
