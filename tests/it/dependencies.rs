//! What credbroker is made of is what `docs/supply-chain.md` says.

use std::collections::BTreeSet;

use toml::Table;

const OURS: &str = include_str!("../../Cargo.toml");
const EMULATORS: &str = include_str!("../emulator/Cargo.toml");
const PAGE: &str = include_str!("../../docs/supply-chain.md");

#[test]
fn every_crate_that_is_named_says_what_it_is_for() {
    let manifest: Table = OURS.parse().unwrap();
    let named: BTreeSet<&str> = manifest["dependencies"].as_table().unwrap().keys().map(String::as_str).collect();
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    let crates = rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2));
    assert_eq!(crates.collect::<BTreeSet<_>>(), named);
}

#[test]
fn nothing_of_ours_may_be_unsafe() {
    for manifest in [OURS, EMULATORS] {
        let manifest: Table = manifest.parse().unwrap();
        assert_eq!(manifest["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    }
}
