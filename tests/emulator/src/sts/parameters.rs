//! The parameters of a query request, and the checks STS makes on them.

use std::collections::BTreeMap;

use url::form_urlencoded;

use crate::failure::Failure;

pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(super) fn read(body: &[u8]) -> Parameters {
        Parameters(form_urlencoded::parse(body).into_owned().collect())
    }

    pub(super) fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A required text within a length, all characters allowed.
    pub(super) fn required(
        &self,
        name: &str,
        length: (usize, usize),
        allowed: fn(char) -> bool,
    ) -> Result<&str, Failure> {
        let value = self.checked(name, length, allowed)?;
        value.ok_or_else(|| invalid(name, "null", "Member must not be null"))
    }

    /// An optional text within a length, all characters allowed.
    pub(super) fn checked(
        &self,
        name: &str,
        (least, most): (usize, usize),
        allowed: fn(char) -> bool,
    ) -> Result<Option<&str>, Failure> {
        let Some(value) = self.optional(name) else {
            return Ok(None);
        };
        let shown = format!("'{value}'");
        let length = value.chars().count();
        if length < least {
            return Err(invalid(name, &shown, &format!("Member must have length greater than or equal to {least}")));
        }
        if length > most {
            return Err(invalid(name, "", &format!("Member must have length less than or equal to {most}")));
        }
        if !value.chars().all(allowed) {
            return Err(invalid(name, &shown, "Member must satisfy regular expression pattern"));
        }
        Ok(Some(value))
    }

    /// An optional whole number within a range.
    pub(super) fn number(&self, name: &str, (least, most): (u64, u64)) -> Result<Option<u64>, Failure> {
        let Some(text) = self.optional(name) else {
            return Ok(None);
        };
        let value: i64 = text.parse().map_err(|_| Failure::bad("MalformedInput", format!("{name} is not a number")))?;
        let shown = format!("'{value}'");
        match u64::try_from(value) {
            Ok(value) if value > most => {
                Err(invalid(name, &shown, &format!("Member must have value less than or equal to {most}")))
            }
            Ok(value) if value >= least => Ok(Some(value)),
            _ => Err(invalid(name, &shown, &format!("Member must have value greater than or equal to {least}"))),
        }
    }

    /// `NAME.member.1…`: the suffix after the index of each parameter of a list, by index.
    pub(super) fn list(&self, name: &str) -> BTreeMap<usize, BTreeMap<&str, &str>> {
        let mut items: BTreeMap<usize, BTreeMap<&str, &str>> = BTreeMap::new();
        let prefix = format!("{name}.member.");
        for (key, value) in &self.0 {
            let Some(rest) = key.strip_prefix(&prefix) else {
                continue;
            };
            let (index, member) = rest.split_once('.').unwrap_or((rest, ""));
            if let Ok(index) = index.parse() {
                items.entry(index).or_default().insert(member, value);
            }
        }
        items
    }
}

/// `ValidationError` in the words STS uses.
pub(super) fn invalid(name: &str, shown: &str, constraint: &str) -> Failure {
    let mut member = name.to_owned();
    member[..1].make_ascii_lowercase();
    let message =
        format!("1 validation error detected: Value {shown} at '{member}' failed to satisfy constraint: {constraint}");
    Failure::bad("ValidationError", message)
}

/// `[\w+=,.@-]`, the characters of session names.
pub(super) fn name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}
