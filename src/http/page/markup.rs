//! HTML, written so that it cannot come out wrong: elements close themselves, and every text and every attribute's value is escaped.
//! Names of elements and attributes, and the style sheet, are the program's own.

use crate::http::status::outline::plain;

/// HTML so far.
#[derive(Debug, Default)]
pub struct Markup(String);

/// An attribute with its value.
pub type Attribute<'a> = (&'static str, &'a str);

impl Markup {
    /// The beginning of a document.
    pub fn document() -> Self {
        Self("<!DOCTYPE html>\n".to_owned())
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        for c in plain(text).chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
    }

    /// An element with what `content` writes into it.
    pub fn element(&mut self, name: &'static str, attributes: &[Attribute<'_>], content: impl FnOnce(&mut Self)) {
        self.open(name, attributes);
        content(self);
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// An element with a text in it.
    pub fn leaf(&mut self, name: &'static str, attributes: &[Attribute<'_>], text: &str) {
        self.element(name, attributes, |inside| inside.text(text));
    }

    /// An element that has no content, such as `meta`.
    pub fn open(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.0.push('<');
        self.0.push_str(name);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            self.text(value);
            self.0.push('"');
        }
        self.0.push('>');
    }

    /// The style sheet, byte for byte: its digest is in the policy.
    pub fn style(&mut self, sheet: &'static str) {
        self.element("style", &[], |inside| inside.0.push_str(sheet));
    }

    /// A line break in the HTML, for those who read it.
    pub fn line(&mut self) {
        self.0.push('\n');
    }

    /// All of it.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_a_text_or_an_attribute() {
        let hostile = "</style><script>alert(1)</script>\"' onload='x' &amp; \u{202e}\u{1b}[31m";
        let mut page = Markup::default();
        page.leaf("p", &[("title", hostile)], hostile);
        let html = page.finish();
        assert_eq!(html.matches('<').count(), 2, "{html}");
        assert_eq!(html.matches('"').count(), 2, "{html}");
        assert!(!html.contains('\'') && !html.contains('\u{202e}') && !html.contains('\u{1b}'), "{html}");
        assert!(html.contains("&amp;amp;"), "what looks escaped already is escaped again: {html}");
    }
}
