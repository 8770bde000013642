//! Clocks that are wrong, jump, or stand still. The daemon's own are moved ([`hands`]), or those of the upstream.

mod hands;
mod jumping;
mod sleeping;
mod wrong;

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};
use serde_json::Value;

use crate::client::Answer;
use crate::daemon::Daemon;
use crate::documents::{BILLING, ORDERS, caller};
use crate::waiting::wall;

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
const YEAR: i64 = 365 * DAY;
/// What happens within a second happens within this on a busy machine.
const SOON: Duration = Duration::from_secs(10);

const TOKEN: &str = "/v1/tokens/billing";
const ROLE: &str = "/v1/credentials/hub";

const HUB: &str = r#"
[credentials.hub]
from     = "assume-role"
role_arn = "arn:aws:iam::111122223333:role/hub"
"#;

/// A token that says how long it lives, and credentials that say when they end.
fn both() -> String {
    format!("{BILLING}{HUB}{}", caller("orders", &["tokens.billing", "credentials.hub"]))
}

fn down(operation: &str) -> Fault {
    let kind = FaultKind::Status { status: 503, body: String::new(), headers: [].into() };
    Fault::always(operation, kind)
}

/// The clock in the status.
async fn clock(daemon: &Daemon) -> Value {
    daemon.get("/v1/status", ORDERS).await.json()["clock"].clone()
}

/// Seconds until the credentials in `answer` end, by a wall clock that is `ahead`.
fn left_of(answer: &Answer, ahead: i64) -> f64 {
    left_until(&answer.json()["Expiration"], ahead)
}

/// Seconds until `instant`, by a wall clock that is `ahead`.
fn left_until(instant: &Value, ahead: i64) -> f64 {
    let end: jiff::Timestamp = instant.as_str().unwrap().parse().unwrap();
    let ahead = i32::try_from(ahead).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "instants of this century")]
    let end = end.as_second() as f64;
    end - wall() - f64::from(ahead)
}

/// Is it the whole of an hour, but for the time that the test took, and what a `Date` cannot tell?
fn is_an_hour(left: f64) -> bool {
    (3_580.0..=3_601.0).contains(&left)
}
