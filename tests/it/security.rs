//! The table of attacks in SECURITY.md, held against the tests that it names: none may be missing, and no attack may.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const TABLE: &str = include_str!("../../SECURITY.md");
/// The last of the threats, and the cases of the matrix that are attacks and not faults.
const THREATS: u32 = 28;
const CASES: [std::ops::RangeInclusive<u32>; 2] = [41..=62, 71..=75];

/// Each row's name and the tests it names.
fn rows() -> BTreeMap<String, Vec<String>> {
    let is_name = |name: &str| {
        let digits = name.strip_prefix('T').unwrap_or(name);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut rows = BTreeMap::new();
    for line in TABLE.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        if !is_name(cells[0]) {
            continue;
        }
        let [name, tried, happens, tests] = cells[..] else { panic!("four cells: {line}") };
        assert!(!tried.is_empty() && !happens.is_empty(), "{name}");
        let tests = tests.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect();
        assert!(rows.insert(name.to_owned(), tests).is_none(), "{name} stands there twice");
    }
    rows
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

/// The name of the function that a line begins.
fn function<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    let line = line.trim_start();
    let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix(keyword)?;
    rest.split(['(', '<']).next()
}

/// Every test that there is.
fn tests() -> BTreeSet<String> {
    let mut files = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["src", "tests"].into_iter().for_each(|directory| sources(&root.join(directory), &mut files));
    let mut tests = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        if file.extension().is_some_and(|extension| extension == "py") {
            tests.extend(
                text.lines()
                    .filter_map(|line| function(line, "def "))
                    .filter(|name| name.starts_with("test_"))
                    .map(ToOwned::to_owned),
            );
            continue;
        }
        let mut is_test = false;
        for line in text.lines() {
            let attribute = line.trim_start();
            is_test |= attribute.starts_with("#[test]") || attribute.starts_with("#[tokio::test");
            if let Some(name) = function(line, "fn ") {
                tests.extend(is_test.then(|| name.to_owned()));
                is_test = false;
            }
        }
    }
    tests
}

#[test]
fn every_attack_has_its_row_and_every_row_its_tests() {
    let rows = rows();
    let threats = (1..=THREATS).map(|number| format!("T{number}"));
    let wanted: BTreeSet<_> = threats.chain(CASES.into_iter().flatten().map(|number| number.to_string())).collect();
    assert_eq!(rows.keys().cloned().collect::<BTreeSet<_>>(), wanted);

    let tests = tests();
    assert!(tests.len() > 500 && tests.contains("every_attack_has_its_row_and_every_row_its_tests"), "{}", tests.len());
    for (name, named) in rows {
        assert!(!named.is_empty(), "{name} names no test");
        for test in named {
            assert!(tests.contains(&test), "{name}: there is no test {test}");
        }
    }
}
