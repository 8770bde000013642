//! The arrows of ARCHITECTURE.md: which module may use which. Reads the `use` lines and paths of the source itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Each module with what it may use. `app` may use all, `cli` is above it.
const MAY_USE: [(&str, &[&str]); 19] = [
    ("clock", &[]),
    ("current", &[]),
    ("environment", &[]),
    ("file", &[]),
    ("lease", &["clock"]),
    ("place", &["file"]),
    ("secret", &["environment", "file"]),
    ("source", &["clock", "environment", "lease", "secret"]),
    ("policy", &["clock", "place", "secret"]),
    ("rotation", &["clock", "file", "secret", "source"]),
    ("refresh", &["clock", "current", "lease", "policy", "source"]),
    ("verify", &["clock", "lease", "policy", "refresh", "source"]),
    ("files", &["clock", "lease", "ops", "place", "refresh", "source"]),
    ("handover", &["clock", "lease", "policy", "refresh", "secret", "source"]),
    ("http", &["clock", "current", "environment", "files", "lease", "ops", "policy", "refresh", "source", "verify"]),
    ("egress", &["clock", "http", "lease", "ops", "policy", "refresh", "source"]),
    (
        "config",
        &[
            "egress", "file", "files", "http", "ops", "place", "policy", "refresh", "rotation", "secret", "source",
            "verify",
        ],
    ),
    ("ops", &["clock", "current", "environment", "policy", "secret"]),
    ("cli", &["app", "clock", "config", "environment", "file", "http", "ops", "policy", "secret"]),
];

/// Of `source`, a surface may know the words, never a concrete source.
const NO_SURFACE_KNOWS: [&str; 6] =
    ["assume_role", "ambient", "client_token", "identity_pool", "machine_user", "token_endpoint"];

#[test]
fn arrows_point_one_way() {
    for (module, allowed) in MAY_USE {
        let used = modules_used_by(module);
        let turned: Vec<_> =
            used.iter().filter(|other| *other != module && !allowed.contains(&other.as_str())).collect();
        assert!(turned.is_empty(), "{module} uses {turned:?}, which ARCHITECTURE.md does not allow");
    }
}

#[test]
fn every_module_is_on_the_list() {
    let listed: BTreeSet<_> =
        MAY_USE.iter().map(|(module, _)| (*module).to_owned()).chain(["app".to_owned()]).collect();
    let declared: BTreeSet<_> = text_of("lib")
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')).map(ToOwned::to_owned))
        .collect();
    assert_eq!(listed, declared);
}

#[test]
fn no_surface_knows_a_source() {
    let http = text_of("http");
    for source in NO_SURFACE_KNOWS {
        assert!(!http.contains(&format!("source::{source}")), "http names the source {source}");
    }
}

#[test]
fn the_deciding_parts_do_no_io() {
    for file in [
        "lease.rs",
        "refresh/cell.rs",
        "refresh/schedule.rs",
        "policy/caller.rs",
        "policy/unit.rs",
        "rotation/next.rs",
        "files/standing.rs",
        "handover/form.rs",
        "handover/form/caller_token.rs",
        "handover/form/lease.rs",
    ] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let production = text.split("#[cfg(test)]").next().unwrap();
        for door in ["tokio", "std::fs", "std::net", "std::env", "async ", "fastrand", "Clock"] {
            assert!(!production.contains(door), "{file} reaches for {door}");
        }
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
}

/// Every `crate::MODULE` that a module names, its tests left out.
fn modules_used_by(module: &str) -> BTreeSet<String> {
    let text = text_of(module);
    let name = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    let used: BTreeSet<String> = text.split("crate::").skip(1).map(name).filter(|name| !name.is_empty()).collect();
    assert!(!text.is_empty(), "{module} has no source");
    used
}

/// The production source of a module: one file, or a folder of them.
fn text_of(module: &str) -> String {
    let file = root().join(format!("{module}.rs"));
    if file.exists() {
        return production(&file);
    }
    let mut folders = vec![root().join(module)];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("refresh/simulation") {
                // A module of tests as a whole.
            } else if path.is_dir() {
                folders.push(path);
            } else if !path.to_string_lossy().ends_with("tests.rs") {
                text += &production(&path);
            }
        }
    }
    text
}

fn production(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]").next().unwrap().to_owned()
}
