//! The only place that prints: results to standard output, complaints to standard error.

use std::io::Write as _;

use super::Exit;

/// Prints a result and a newline.
pub fn say(text: &str) -> Exit {
    write(text, "\n")
}

/// Prints a result as it is.
pub fn say_bare(text: &str) -> Exit {
    write(text, "")
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
    let _ = writeln!(std::io::stderr().lock(), "credbroker: {text}");
}
