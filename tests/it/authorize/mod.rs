//! Forward authentication, the authorizer of an API gateway, and `credbroker verify`, against tokens of a user pool.

mod command;
mod gateway;
mod keys;
mod proxy;
mod refused;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credbroker_emulator::{Mint, TokenUse};
use serde_json::{Value, json};

use crate::client::{Ask, Way};
use crate::daemon::Daemon;
use crate::documents::{M2M_CLIENT, POOL, caller};
use crate::site::Site;

/// Access tokens of one client with one scope.
const USERS: &str = r#"
[issuers.users]
user_pool = "eu-west-1_AbCd12345"
token_use = "access"
clients   = ["4f3q8example1m2m"]
scopes    = ["billing/read"]
"#;

/// `orders` may use the issuer, `reports` may not.
fn document() -> String {
    format!("{USERS}{}{}", caller("orders", &["issuers.users"]), caller("reports", &[]))
}

/// The same for a proxy that is known by its uid.
fn by_uid() -> String {
    format!("{USERS}[callers.proxy]\nallow = [\"issuers.users\"]\nuid = {}\n", nix::unistd::getuid())
}

/// An access token of ann's with `claims` over the usual ones, with `lifetime` in seconds.
fn minted(site: &Site, client: &str, lifetime: i64, claims: &Value) -> String {
    let order = Mint {
        pool: POOL.to_owned(),
        client_id: client.to_owned(),
        username: "ann".to_owned(),
        sub: "ann-1".to_owned(),
        token_use: TokenUse::Access,
        lifetime,
        claims: claims.as_object().unwrap().clone(),
    };
    site.control().mint_token(&order).unwrap()
}

/// A token that is accepted.
fn valid(site: &Site) -> String {
    minted(site, M2M_CLIENT, 3600, &json!({ "scope": "billing/read billing/write" }))
}

/// The claims of `token` under another header, with `sign` for a signature.
fn forged(token: &str, header: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let claims = token.split('.').nth(1).unwrap();
    let message = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header.to_string()));
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(sign(message.as_bytes())))
}

/// The header of a token.
fn header(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}

/// The modulus of the public key with the id `id`, as the pool publishes it.
async fn published(site: &Site, id: &str) -> Vec<u8> {
    let port = site.emulator.url().rsplit_once(':').unwrap().1.parse().unwrap();
    let document = Ask::get(&format!("/{POOL}/.well-known/jwks.json")).over(&Way::V4(port)).await.unwrap().json();
    let key = document["keys"].as_array().unwrap().iter().find(|key| key["kid"] == id).unwrap();
    URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap()
}

/// Asks as `orders` does for a user who sent `authorization`.
async fn asked(daemon: &Daemon, query: &str, token: &str) -> crate::client::Answer {
    let original = format!("Bearer {token}");
    let ask = Ask::get(&format!("/v1/authorize/users{query}")).bearer(crate::documents::ORDERS);
    daemon.ask(ask.header("x-original-authorization", &original)).await
}
