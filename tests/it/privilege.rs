//! What only root may do, or not every machine can. A test that needs it and cannot have it says so, in one way, and ends; whoever
//! runs these tests as root, as the project does, sees all of them.

use std::fmt::Display;
use std::io::Write as _;
use std::process::Command;

use nix::unistd::geteuid;

/// Says that something is not shown by this run. It goes past the harness, which keeps what passing tests print to itself.
pub fn not_shown(what: &str, why: impl Display) {
    let line = format!("NOT SHOWN HERE: {what}: {why}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Are these tests root's? If not, `what` is said not to be shown.
pub fn is_root(what: &str) -> bool {
    let is_root = geteuid().is_root();
    if !is_root {
        not_shown(what, "only root may do that");
    }
    is_root
}

/// May a process have mounts of its own, and this one among them? If not, `what` is said not to be shown.
pub fn has_mounts(what: &str, mount: &str) -> bool {
    let tried = Command::new("unshare").args(["--mount", "sh", "-c", mount]).output();
    let why = match tried {
        Ok(tried) if tried.status.success() => return true,
        Ok(tried) => String::from_utf8_lossy(&tried.stderr).trim().to_owned(),
        Err(cause) => cause.to_string(),
    };
    not_shown(what, why);
    false
}
