//! AWS credentials for tokens of somebody else: another entry's, a file's, a caller's.

mod file;
mod held;
mod subject;

use serde_json::Value;

use crate::daemon::Daemon;
use crate::documents::ORDERS;
use crate::site::Site;

/// `credentials.NAME` of the role `reports`, which takes the partner's token and ID tokens of the user pool.
fn reports(name: &str, token: &str, more: &str) -> String {
    format!(
        "[credentials.{name}]\nfrom = \"web-identity\"\nrole_arn = \"arn:aws:iam::111122223333:role/reports\"\n\
         token = {token}\n{more}\n"
    )
}

/// Whose tokens were exchanged, in order; null where one was refused.
fn subjects(site: &Site) -> Vec<Value> {
    let asked = site.asked("AssumeRoleWithWebIdentity").into_iter();
    asked.map(|asked| asked.parameters.get("subject").cloned().unwrap_or_default()).collect()
}

/// How many fetches of the first credentials have failed.
async fn failed_fetches(daemon: &Daemon) -> Value {
    daemon.get("/v1/status", ORDERS).await.json()["credentials"][0]["upstream_failures"].clone()
}
