//! Parts of configurations, and what stands in the emulator's world. DIR, EMULATOR and PORT are replaced when a daemon starts.

/// `tests/emulator/world.toml`.
pub const WORLD: &str = include_str!("../emulator/world.toml");

pub const POOL: &str = "eu-west-1_AbCd12345";
pub const BROKER: &str = "arn:aws:iam::111122223333:user/broker";
pub const M2M_CLIENT: &str = "4f3q8example1m2m";
pub const M2M_SECRET: &str = "billingsecret0123456789abcdefghijklmnop";
pub const ROBOT_PASSWORD: &str = "correct horse Battery 1";
pub const BROKER_KEY: &str = "AKIAEMULATORBROKER01";
pub const BROKER_SECRET: &str = "emulator+secret/access+key+of+the+broker01";

/// The caller tokens.
pub const ORDERS: &str = "orders-Vb7kQ2xW9pLm4Zt6Hs1DfGc8";
pub const REPORTS: &str = "reports-Nn3yR5uJ0eXa7KqTw2BvMi6P";

/// A token of the hosted token endpoint.
pub const BILLING: &str = r#"
[tokens.billing]
from          = "cognito"
user_pool     = "eu-west-1_AbCd12345"
domain        = "EMULATOR"
client_id     = "4f3q8example1m2m"
client_secret = { file = "DIR/billing.secret" }
scopes        = ["billing/read", "billing/write"]
"#;

/// A token of GetClientToken.
pub const LEDGER: &str = r#"
[tokens.ledger]
from          = "cognito"
user_pool     = "eu-west-1_AbCd12345"
client_id     = "4f3q8example1m2m"
client_secret = { file = "DIR/billing.secret" }
scopes        = ["billing/read"]
"#;

/// The ID token of a machine user.
pub const ROBOT: &str = r#"
[tokens.robot]
from      = "cognito-user"
user_pool = "eu-west-1_AbCd12345"
client_id = "7robotexampleclient"
username  = "robot"
password  = { file = "DIR/robot.password" }
"#;

/// A chain of roles, and the broker's own identity.
pub const ROLES: &str = r#"
[credentials.own]
from = "ambient"

[credentials.hub]
from     = "assume-role"
role_arn = "arn:aws:iam::111122223333:role/hub"

[credentials.orders]
from         = "assume-role"
role_arn     = "arn:aws:iam::111122223333:role/orders"
as           = "credentials.hub"
session_name = "{caller}"
"#;

/// An identity pool by a machine user's token (goes with [`ROBOT`]) and by a developer identity.
pub const POOLS: &str = r#"
[credentials.uploads]
from          = "identity-pool"
identity_pool = "eu-west-1:11112222-3333-4444-5555-666677778888"
login         = "tokens.robot"

[credentials.tenant]
from          = "identity-pool"
identity_pool = "eu-west-1:11112222-3333-4444-5555-666677778888"
login         = { provider = "login.acme", user = "{caller}" }
"#;

/// The caller `name`, known by the token in `DIR/name.token`, with the entries of `allow`.
pub fn caller(name: &str, allow: &[&str]) -> String {
    format!("[callers.{name}]\nallow = {allow:?}\ntoken = {{ file = \"DIR/{name}.token\" }}\n")
}

/// A token like `tokens.billing`, called `name`, with more keys.
pub fn token_called(name: &str, more: &str) -> String {
    format!("{}{more}\n", BILLING.replace("tokens.billing", &format!("tokens.{name}")))
}

/// `tokens.billing` and a caller that may have it: what most tests need.
pub fn billing_for_orders() -> String {
    format!("{BILLING}{}", caller("orders", &["tokens.billing"]))
}
