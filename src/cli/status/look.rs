//! What the output can show: how wide it is, and whether colours, more than ASCII and a moving cursor are welcome.

use std::io::IsTerminal as _;

use super::screen;
use crate::environment::Environment;
use crate::http::status::outline::Tone;

/// What the output can show.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Columns of the terminal; `None` where nothing is cut.
    pub width: Option<usize>,
    /// Are colours welcome?
    pub colours: bool,
    /// Can more than ASCII be shown?
    pub unicode: bool,
    /// Can the cursor be moved?
    pub is_screen: bool,
}

impl Look {
    /// What standard output can show.
    pub fn of(environment: &Environment) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let is_screen = is_terminal && environment.var("TERM").is_some_and(|term| term != "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| environment.var(name)).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        Self {
            width: is_terminal.then(|| screen::size().0),
            colours: is_screen && environment.var("NO_COLOR").is_none(),
            unicode: locale.ends_with("utf-8") || locale.ends_with("utf8"),
            is_screen,
        }
    }

    /// `text` in the colour or the weight of `code` (ECMA-48, SGR).
    pub fn painted(&self, code: u8, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// `text` in the colour of `tone`.
    pub fn toned(&self, tone: Tone, text: &str) -> String {
        match tone {
            Tone::Good => self.painted(32, text),
            Tone::Calm => self.painted(36, text),
            Tone::Quiet => self.painted(2, text),
            Tone::Warning => self.painted(33, text),
            Tone::Bad => self.painted(31, text),
        }
    }

    /// Lines that are to be seen.
    pub fn alarming(&self, lines: &str) -> String {
        lines.lines().map(|line| format!("{}\n", self.painted(33, line))).collect()
    }

    /// `text` in at most `width` columns.
    pub fn cut(&self, text: &str, width: usize) -> String {
        if text.chars().count() <= width {
            return text.to_owned();
        }
        let end = if self.unicode { "…" } else { "~" };
        let kept: String = text.chars().take(width.saturating_sub(1)).collect();
        format!("{kept}{end}")
    }

    /// `text` in lines that begin with `indent` and are no longer than the terminal is wide.
    pub fn wrapped(&self, text: &str, indent: &str) -> String {
        let room = self.width.unwrap_or(usize::MAX).saturating_sub(indent.len()).max(20);
        let mut lines: Vec<String> = Vec::new();
        // Columns of the last line, which may be as long as all of the text.
        let mut taken = 0;
        for word in text.split(' ') {
            let columns = word.chars().count();
            match lines.last_mut() {
                Some(line) if columns < room && taken < room - columns => {
                    line.push(' ');
                    line.push_str(word);
                    taken += 1 + columns;
                }
                _ => {
                    lines.extend(pieces(word, room));
                    taken = lines.last().map_or(0, |line| line.chars().count());
                }
            }
        }
        lines.iter().map(|line| format!("{indent}{line}\n")).collect()
    }
}

/// A word, in pieces where it is longer than a line.
fn pieces(word: &str, room: usize) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    letters.chunks(room).map(|piece| piece.iter().collect()).collect()
}
