//! The table of attacks in SECURITY.md, held against the tests that it names: none may be missing, and no attack may.

use std::collections::BTreeSet;

use crate::catalogue;

const PAGE: &str = include_str!("../../SECURITY.md");
/// The last of the threats, and the cases of the list of faults that are attacks.
const THREATS: u32 = 28;
const CASES: [std::ops::RangeInclusive<u32>; 2] = [41..=62, 71..=75];

#[test]
fn every_attack_has_its_row_and_every_row_its_tests() {
    let rows = catalogue::rows(PAGE, 4, |name| catalogue::is_number(name.strip_prefix('T').unwrap_or(name)));
    let threats = (1..=THREATS).map(|number| format!("T{number}"));
    let wanted: BTreeSet<_> = threats.chain(CASES.into_iter().flatten().map(|number| number.to_string())).collect();
    assert_eq!(rows.keys().cloned().collect::<BTreeSet<_>>(), wanted);

    let tests = catalogue::tests();
    assert!(tests.contains("it::security::every_attack_has_its_row_and_every_row_its_tests"), "{}", tests.len());
    let names: BTreeSet<_> = tests.iter().map(|test| catalogue::function(test)).collect();
    for (name, named) in rows {
        assert!(!named.is_empty(), "{name} names no test");
        for test in named {
            assert!(names.contains(&*test), "{name}: there is no test {test}");
        }
    }
}
