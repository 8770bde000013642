//! Texts with `{caller}` and `{host}` in them, so that CloudTrail names the local service.

use std::fmt;

use super::Ask;

/// A text with places for the caller's name and the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Caller,
    Host,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A sentence that says what is wrong, if a brace stands alone or encloses something else than `caller` or `host`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(start);
            let Some((inner, after)) = from.strip_prefix('{').and_then(|inner| inner.split_once('}')) else {
                return Err("a brace without its partner".to_owned());
            };
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(match inner {
                "caller" => Part::Caller,
                "host" => Part::Host,
                other => return Err(format!("{{{other}}}; the templates are {{caller}} and {{host}}")),
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// `text` as it is, whatever it holds.
    pub fn fixed(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }

    /// Does the text depend on who asks?
    pub fn names_caller(&self) -> bool {
        self.0.contains(&Part::Caller)
    }

    /// The text for `ask` on the machine called `host`. What AWS does not allow in a session name (STS AssumeRole:
    /// `[\w+=,.@-]`) becomes `-`, and what is beyond 64 characters is cut.
    pub fn session_name(&self, ask: &Ask, host: &str) -> String {
        let allowed = |c: char| if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) { c } else { '-' };
        let mut name: String = self.render(ask, host).chars().map(allowed).take(64).collect();
        while name.len() < 2 {
            name.push('-');
        }
        name
    }

    /// The text for `ask` on the machine called `host`.
    pub fn render(&self, ask: &Ask, host: &str) -> String {
        let fill = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Caller => ask.caller.clone().unwrap_or_default(),
            Part::Host => host.to_owned(),
        };
        self.0.iter().map(fill).collect()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Caller => f.write_str("{caller}"),
            Part::Host => f.write_str("{host}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_and_fit_for_sts() {
        let template = Template::parse("{caller}@{host} v1").unwrap();
        assert_eq!(template.to_string(), "{caller}@{host} v1");
        assert!(template.names_caller());
        let ask = Ask { caller: Some("orders".into()), ..Ask::default() };
        assert_eq!(template.render(&ask, "web 1"), "orders@web 1 v1");
        assert_eq!(template.session_name(&ask, "web 1"), "orders@web-1-v1");
        assert_eq!(Template::parse("{host}").unwrap().session_name(&ask, &"h".repeat(80)).len(), 64);
        assert_eq!(Template::parse("x").unwrap().session_name(&ask, ""), "x-");
    }

    #[test]
    fn what_is_no_template_is_said() {
        for (text, fault) in [("{calller}", "{calller}"), ("{", "partner"), ("a}b", "partner"), ("{caller", "partner")]
        {
            let error = Template::parse(text).unwrap_err();
            assert!(error.contains(fault), "{text}: {error}");
        }
    }
}
