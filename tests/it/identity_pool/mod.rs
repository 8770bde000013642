//! AWS credentials of Cognito identity pools: the flows, the logins, and above all the users of subject tokens.

mod crowd;
mod flows;
mod kept;
mod mixed;
mod refusals;

use std::collections::HashMap;

use serde_json::Value;

use crate::client::{Answer, Ask};
use crate::daemon::Daemon;
use crate::documents::{ORDERS, caller};
use crate::site::Site;
use crate::users::USERS;

const GET_ID: &str = "GetId";
const GET_CREDENTIALS: &str = "GetCredentialsForIdentity";

/// The pool of the enhanced flow only.
const ENHANCED: &str = "eu-west-1:11112222-3333-4444-5555-666677778888";
/// The pool with guests and the basic flow.
const CLASSIC: &str = "eu-west-1:99998888-7777-4666-8555-444433332222";

/// `credentials.users`, for the user of a subject token, with more keys; and a caller that may have it.
fn for_users(more: &str) -> String {
    format!(
        "{USERS}{}{}",
        of_pool("users", ENHANCED, &format!("login = \"caller\"\nissuer = \"issuers.users\"\n{more}")),
        caller("orders", &["credentials.users"])
    )
}

/// `credentials.NAME` of a pool, with more keys.
fn of_pool(name: &str, pool: &str, more: &str) -> String {
    format!("[credentials.{name}]\nfrom = \"identity-pool\"\nidentity_pool = \"{pool}\"\n{more}\n")
}

/// Asks for `credentials.users` with a subject token.
fn with_token(token: &str) -> Ask {
    Ask::form("/v1/credentials/users", &[("subject_token", token)]).bearer(ORDERS)
}

async fn exchange(daemon: &Daemon, token: &str) -> Answer {
    daemon.ask(with_token(token)).await
}

/// Whose credentials have been given out: the access key id, and how the user stands in the journal.
fn given_out(site: &Site) -> HashMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let asked = site.asked(GET_CREDENTIALS).into_iter().map(|asked| asked.parameters);
    let given = asked.filter(|noted| noted.contains_key("access_key_id"));
    given.map(|noted| (text(&noted["access_key_id"]), text(&noted["users"][0]))).collect()
}

fn key_of(answer: &Answer) -> String {
    answer.json()["AccessKeyId"].as_str().unwrap_or_else(|| panic!("no key: {}", answer.text)).to_owned()
}

/// One parameter of each request for `operation`, in order.
fn each(site: &Site, operation: &str, parameter: &str) -> Vec<Value> {
    let asked = site.asked(operation).into_iter();
    asked.map(|asked| asked.parameters.get(parameter).cloned().unwrap_or_default()).collect()
}
