//! Mistakes in the configuration, with their places.

use std::collections::BTreeSet;
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

/// The mistakes found so far, and the keys that hold them.
#[derive(Debug, Default)]
pub struct Findings {
    /// The mistakes.
    pub problems: Vec<Problem>,
    broken: BTreeSet<Vec<String>>,
}

impl From<Vec<Problem>> for Findings {
    fn from(problems: Vec<Problem>) -> Self {
        Self { problems, broken: BTreeSet::new() }
    }
}

impl Findings {
    /// A mistake at the key that `path` leads to.
    pub fn report(&mut self, path: &[&str], span: Range<usize>, message: &str) {
        let place = if path.is_empty() { String::new() } else { format!("{}: ", path.join(".")) };
        self.problems.push(Problem { span, message: format!("{place}{message}") });
        self.is_broken(path);
    }

    /// What `path` leads to holds a mistake that is reported already.
    pub fn is_broken(&mut self, path: &[&str]) {
        self.broken.insert(owned(path));
    }

    /// Is there a mistake in what `path` leads to?
    pub fn any_in(&self, path: &[&str]) -> bool {
        let path = owned(path);
        self.broken.range(path.clone()..).next().is_some_and(|first| first.starts_with(&path))
    }
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|&key| key.to_owned()).collect()
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
        let lines = Lines::of(text);
        let place = |problem: &Problem| {
            let (line, column) = lines.position(problem.span.start);
            format!("{}:{line}:{column}: {}", file.display(), one_line(&problem.message))
        };
        Self { lines: problems.iter().map(place).collect() }
    }

    /// A mistake that has no place in the document, such as a file that cannot be read.
    pub fn whole(message: String) -> Self {
        Self { lines: vec![message] }
    }

    /// A line for each, with its place.
    pub fn lines(&self) -> &[String] {
        &self.lines
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
        write!(f, "{} problem{s}", self.count())
    }
}

impl std::error::Error for Problems {}

/// `message` with its control characters escaped: a quoted key may hold any.
fn one_line(message: &str) -> String {
    message.chars().flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] }).collect()
}

/// A text and where its lines start.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(after).collect() }
    }

    /// Line and column of a byte offset, both from 1, the column in characters.
    fn position(&self, offset: usize) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset.min(self.text.len()));
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        (line, self.text[start..offset].chars().count() + 1)
    }
}

/// The spelling among `known` that `found` was most likely meant to be, in upper or lower case.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let in_lower_case = found.to_lowercase();
    let score = |word: &&str| strsim::damerau_levenshtein(&in_lower_case, &word.to_lowercase());
    let best = known.into_iter().min_by_key(score)?;
    (score(&best) <= 1 + found.chars().count().max(best.chars().count()) / 4).then_some(best)
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
        let position = |text: &str, offset| Lines::of(text).position(offset);
        assert_eq!(position("a\nbä c", 5), (2, 3), "the offset lies behind the two bytes of ä");
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("a\n", 99), (2, 1));
        assert_eq!(position("a\r\nb\r\n", 3), (2, 1));
    }

    #[test]
    fn near_spellings_are_offered_and_far_ones_are_not() {
        assert_eq!(nearest("scops", ["scopes", "source"]), Some("scopes"));
        assert_eq!(nearest("clientid", ["client_id", "client_secret"]), Some("client_id"));
        assert_eq!(nearest("zebra", ["scopes", "domain"]), None);
    }

    #[test]
    fn a_mistake_is_found_in_what_holds_it() {
        let mut findings = Findings::default();
        findings.report(&["tokens", "a", "scopes"], 0..0, "x");
        assert!(findings.any_in(&["tokens", "a"]) && findings.any_in(&["tokens", "a", "scopes"]));
        assert!(!findings.any_in(&["tokens", "a", "domain"]) && !findings.any_in(&["tokens", "a-b"]));
    }

    #[test]
    fn a_problem_is_one_line() {
        let problem = Problem { span: 0..0, message: "a\nb".to_owned() };
        let text = Problems::new(Path::new("c.toml"), "", vec![problem]).to_string();
        assert_eq!(text, "c.toml:1:1: a\\nb\n1 problem");
    }
}
