//! The tests that there are, under the names by which they are run, and the tables of pages that name them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rows of a page's tables that have `cells` cells and a name as `is_name` has it: each row's name, and what its last cell has
/// between backquotes.
pub fn rows(page: &str, cells: usize, is_name: impl Fn(&str) -> bool) -> BTreeMap<String, Vec<String>> {
    let mut rows = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with('|')) {
        let row: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        if !is_name(row[0]) {
            continue;
        }
        assert!(
            row.len() == cells && row.iter().all(|cell| !cell.is_empty()),
            "{cells} cells with something in: {line}"
        );
        let named = row[cells - 1].split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect();
        assert!(rows.insert(row[0].to_owned(), named).is_none(), "{} stands there twice", row[0]);
    }
    rows
}

/// Is it made of digits, as the number of a row is?
pub fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Every test that there is: `lib::…` and `it::…` by its modules, as `cargo test --lib` and `cargo test --test it` list it, and
/// `conformance/FILE.py::…` by its file, as pytest does.
pub fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    ["src", "tests"].into_iter().for_each(|directory| sources(&root.join(directory), &mut files));
    let mut tests = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(root).unwrap().to_str().unwrap();
        match path.strip_suffix(".py") {
            Some(_) => of_python(path.strip_prefix("tests/").unwrap(), &text, &mut tests),
            None => of_rust(&module(path), &text, &mut tests),
        }
    }
    tests
}

/// The test's own name, without where it is.
pub fn function(test: &str) -> &str {
    test.rsplit("::").next().unwrap()
}

/// Every source file below `directory`, but for what is installed there.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "node_modules" {
            sources(&path, found);
        } else if name.ends_with(".rs") || name.ends_with(".py") {
            found.push(path);
        }
    }
}

/// The module that a Rust file is.
fn module(path: &str) -> String {
    let (within, below) = match path.strip_prefix("src/") {
        Some(below) => ("lib", below),
        None => path.strip_prefix("tests/").unwrap().split_once('/').unwrap(),
    };
    let below = below.trim_end_matches(".rs").replace("_tests", "/tests");
    let parts = below.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main"));
    std::iter::once(within).chain(parts).collect::<Vec<_>>().join("::")
}

/// The name of the function that a line begins.
fn begun<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    let line = line.trim_start();
    let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix(keyword)?;
    rest.split(['(', '<']).next()
}

fn of_python(file: &str, text: &str, tests: &mut BTreeSet<String>) {
    let names = text.lines().filter_map(|line| begun(line, "def ")).filter(|name| name.starts_with("test_"));
    tests.extend(names.map(|name| format!("{file}::{name}")));
}

fn of_rust(module: &str, text: &str, tests: &mut BTreeSet<String>) {
    let (mut inner, mut is_test) = (String::new(), false);
    for line in text.lines() {
        let attribute = line.trim_start();
        is_test |= attribute.starts_with("#[test]") || attribute.starts_with("#[tokio::test");
        if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            inner = format!("::{name}");
        } else if line == "}" {
            inner.clear();
        } else if let Some(name) = begun(line, "fn ") {
            tests.extend(is_test.then(|| format!("{module}{inner}::{name}")));
            is_test = false;
        }
    }
}
