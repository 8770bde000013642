//! The list of faults in docs/faults.md, held against the tests that it names: none may be missing, and no fault may.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue;

const PAGE: &str = include_str!("../../../docs/faults.md");
const ATTACKS: &str = include_str!("../../../SECURITY.md");
/// The last of the faults.
const FAULTS: u32 = 75;

fn faults() -> BTreeMap<String, Vec<String>> {
    catalogue::rows(PAGE, 5, catalogue::is_number)
}

#[test]
fn every_fault_has_its_row_and_every_row_its_tests() {
    let rows = faults();
    let wanted = (1..=FAULTS).map(|number| number.to_string());
    assert_eq!(rows.keys().cloned().collect::<BTreeSet<_>>(), wanted.collect());
    let tests = catalogue::tests();
    for (number, named) in rows {
        assert!(!named.is_empty(), "{number} names no test");
        let missing: Vec<_> = named.iter().filter(|test| !tests.contains(*test)).collect();
        assert!(missing.is_empty(), "{number}: there is no test {missing:?}");
    }
}

/// Both ways: a test that was written for a fault stands on the page.
#[test]
fn every_test_of_faults_is_on_the_page() {
    let named: BTreeSet<_> = faults().into_values().flatten().collect();
    let tests = catalogue::tests();
    let mut of_faults = tests.iter().filter(|test| test.starts_with("it::faults::"));
    let unnamed: Vec<_> =
        of_faults.by_ref().filter(|test| !test.contains("::matrix::") && !named.contains(*test)).collect();
    assert!(unnamed.is_empty(), "no row names {unnamed:?}");
}

/// An attack that is a fault too has one number, and what shows the one shows the other.
#[test]
fn what_shows_an_attack_shows_the_fault_of_its_number() {
    let rows = faults();
    for (number, attacks) in catalogue::rows(ATTACKS, 4, catalogue::is_number) {
        let named: BTreeSet<_> = rows[&number].iter().map(|test| catalogue::function(test)).collect();
        let missing: Vec<_> = attacks.iter().filter(|test| !named.contains(&***test)).collect();
        assert!(missing.is_empty(), "{number} in docs/faults.md lacks {missing:?} of SECURITY.md");
    }
}
