//! The only place that prints: results to standard output, complaints to standard error. What others said is shown without what
//! could move a terminal's cursor or turn the direction of writing, since whoever answers at the daemon's address need not be it.

use std::io::Write as _;

use super::Exit;
use crate::http::status::outline::plain;

/// Prints a result and a newline.
pub fn say(text: &str) -> Exit {
    write(text, "\n")
}

/// Prints a result as it is.
pub fn say_bare(text: &str) -> Exit {
    write(text, "")
}

/// Prints JSON that others wrote, as it is but for control characters, which can only be inside of texts and are escaped there.
pub fn say_json(bytes: &[u8]) -> Exit {
    match std::str::from_utf8(bytes) {
        Ok(text) if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => say(&escaped(text)),
        _ => {
            complain("the daemon's answer is no JSON");
            Exit::Failed
        }
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // JSON has them between its parts; those below U+0020 cannot be anywhere else.
            '\n' | '\r' | '\t' => out.push(c),
            c if c.is_control() => out += &format!("\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out
}

fn write(text: &str, end: &str) -> Exit {
    let mut out = std::io::stdout().lock();
    let written =
        out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes())).and_then(|()| out.flush());
    match written {
        Ok(()) => Exit::Done,
        Err(_) => Exit::Failed,
    }
}

/// Prints a report to standard error as it is, one problem a line, as editors read it.
pub fn report(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints why something did not happen.
pub fn complain(text: &str) {
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "credbroker: {}", plain(text));
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn json_keeps_its_meaning_and_controls_no_terminal() {
        let text = "{\"a\":\t\"x\u{7f}\u{9b}31mä\\u001b\"}\n";
        let shown = escaped(text);
        assert_eq!(shown, "{\"a\":\t\"x\\u007f\\u009b31mä\\u001b\"}\n");
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parsed(&shown), parsed(text));
    }
}
