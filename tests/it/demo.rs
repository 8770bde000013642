//! `make run ARGS=--once`: the tour ends with exit code 0 and has shown what it promises.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

#[tokio::test]
async fn the_tour_ends_well() {
    let build = Path::new(env!("CARGO_BIN_EXE_credbroker")).parent().unwrap();
    let tour = Command::new(build.join("examples/demo")).arg("--once").kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(60), tour).await.expect("the tour ends").unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}\n{}", String::from_utf8_lossy(&output.stderr));
    for part in [
        "\"token_use\":\"access\"",
        "assumed-role/orders/demo",
        "assumed-role/uploads/",
        "Credbroker-Cache: hit",
        "0 of them for these four",
    ] {
        assert!(shown.contains(part), "{part} is not in the tour:\n{shown}");
    }
}
