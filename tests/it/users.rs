//! Users of the user pool and their tokens, as many as a test wants.

use credbroker_emulator::{Control, Mint, TokenUse};
use serde_json::Map;

use crate::site::Site;

pub const POOL: &str = "eu-west-1_AbCd12345";
/// Whose ID tokens the identity pools and the role `reports` take.
pub const CLIENT: &str = "7robotexampleclient";

/// The issuer that verifies them.
pub const USERS: &str = r#"
[issuers.users]
user_pool = "eu-west-1_AbCd12345"
token_use = "id"
clients   = ["7robotexampleclient"]
"#;

/// An order for an ID token of the user `name`, good for an hour. The name is the `sub` too.
pub fn order(name: &str) -> Mint {
    Mint {
        pool: POOL.to_owned(),
        client_id: CLIENT.to_owned(),
        username: name.to_owned(),
        sub: name.to_owned(),
        token_use: TokenUse::Id,
        lifetime: 3_600,
        claims: Map::new(),
    }
}

/// The token ordered.
pub fn mint(control: &Control, order: &Mint) -> String {
    control.mint_token(order).unwrap()
}

/// An ID token of the user `name`, another one each time.
pub fn id_token(site: &Site, name: &str) -> String {
    mint(&site.control(), &order(name))
}

/// How the user pool's user `name` stands in the journal of an identity pool.
pub fn login_of(name: &str) -> String {
    format!("cognito-idp.eu-west-1.amazonaws.com/{POOL}:{name}")
}
