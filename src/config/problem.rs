//! A mistake in the configuration, with its place.

use std::fmt;
use std::ops::Range;
use std::path::Path;

/// One mistake: where, what was found, what was expected, and the nearest valid spelling where there is one. Never holds a
/// value that may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The bytes of the document it is about.
    pub span: Range<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

/// Every mistake of one document, in its order.
#[derive(Debug)]
pub struct Problems {
    lines: Vec<String>,
}

impl Problems {
    /// Gives each of `problems` its line and column in `text`, the content of `file`.
    pub fn new(file: &Path, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| (a.span.start, &a.message).cmp(&(b.span.start, &b.message)));
        problems.dedup();
        let place = |problem: &Problem| {
            let (line, column) = position(text, problem.span.start);
            format!("{}:{line}:{column}: {}", file.display(), problem.message)
        };
        Self { lines: problems.iter().map(place).collect() }
    }

    /// A mistake that has no place in the document, such as a file that cannot be read.
    pub fn whole(message: String) -> Self {
        Self { lines: vec![message] }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lines.len()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        let s = if self.count() == 1 { "" } else { "s" };
        write!(f, "{} problem{s}; nothing was changed", self.count())
    }
}

impl std::error::Error for Problems {}

/// Line and column of a byte offset, both from 1, the column in characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset.min(text.len()))];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The spelling among `known` that `found` was most likely meant to be.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let score = |word: &&str| strsim::damerau_levenshtein(found, word);
    let best = known.into_iter().min_by_key(score)?;
    (strsim::damerau_levenshtein(found, best) <= 1 + found.chars().count().max(best.chars().count()) / 4)
        .then_some(best)
}

/// `; did you mean …?` where a near spelling exists, else nothing.
pub fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(found, known).map(|word| format!("; did you mean `{word}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        assert_eq!(position("a\nbä c", 5), (2, 3), "the offset lies behind the two bytes of ä");
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("a\n", 99), (2, 1));
    }

    #[test]
    fn near_spellings_are_offered_and_far_ones_are_not() {
        assert_eq!(nearest("scops", ["scopes", "source"]), Some("scopes"));
        assert_eq!(nearest("clientid", ["client_id", "client_secret"]), Some("client_id"));
        assert_eq!(nearest("zebra", ["scopes", "domain"]), None);
    }
}
