//! Where secrets are: on this machine and in AWS Secrets Manager.

mod manager;
mod places;

use crate::daemon::Daemon;
use crate::documents::{M2M_CLIENT, ORDERS, POOL, caller};

/// `tokens.NAME` of the billing client, its secret at `place`.
fn billing(name: &str, place: &str) -> String {
    format!(
        "[tokens.{name}]\nfrom = \"cognito\"\nuser_pool = \"{POOL}\"\nclient_id = \"{M2M_CLIENT}\"\n\
         client_secret = {{ {place} }}\nscopes = [\"billing/read\", \"billing/write\"]\n"
    )
}

/// Such a token for each of `places`, called t0, t1 …, and a caller that may have them.
fn all(places: &[&str]) -> String {
    let tokens: String = places.iter().enumerate().map(|(index, place)| billing(&format!("t{index}"), place)).collect();
    let allow: Vec<String> = (0..places.len()).map(|index| format!("tokens.t{index}")).collect();
    let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
    format!("{tokens}{}", caller("orders", &allow))
}

/// `tokens.tINDEX` is refused for the configuration's or the permissions' sake, in these words.
async fn is_refused(daemon: &Daemon, index: usize, words: &[&str]) {
    let answer = daemon.get(&format!("/v1/tokens/t{index}"), ORDERS).await;
    assert_eq!(answer.status, 502, "{}", answer.text);
    let complaint = answer.complaint();
    assert!(complaint.contains(&format!("tokens.t{index}")), "{complaint}");
    for word in words {
        assert!(complaint.contains(word), "{word}: {complaint}");
    }
}
