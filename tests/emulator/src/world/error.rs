//! What is wrong with a world file.

use std::fmt;

/// One or more mistakes in a world file, each a sentence of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldError {
    mistakes: Vec<String>,
}

impl WorldError {
    /// The mistakes, in the order of the file's sections.
    #[must_use]
    pub fn mistakes(&self) -> &[String] {
        &self.mistakes
    }

    pub(super) fn new(mistakes: Vec<String>) -> WorldError {
        WorldError { mistakes }
    }

    /// A TOML or shape mistake: the parser's message and the line, not the line's text.
    pub(super) fn syntax(text: &str, error: &toml::de::Error) -> WorldError {
        let message = without_values(&error.message().trim().replace('\n', ", "));
        let sentence = match error.span() {
            Some(span) => format!("line {}: {message}", line_of(text, span.start)),
            None => message,
        };
        WorldError { mistakes: vec![sentence] }
    }
}

/// The parser quotes a value of the wrong type, which may be a secret.
fn without_values(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}…{}", &message[..first], &message[last + 1..])
        }
        _ => message.to_owned(),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

impl fmt::Display for WorldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the world file is wrong: {}", self.mistakes.join("; "))
    }
}

impl std::error::Error for WorldError {}
