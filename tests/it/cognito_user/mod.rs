//! Tokens of a machine user of a Cognito user pool: how it signs in, and how it need not do that again.

mod renewing;
mod signing_in;

use credbroker_emulator::{Client, World};

use crate::documents::{POOL, caller};

/// App clients: without a secret, with one, and with one and rotating refresh tokens.
const PLAIN: &str = "7robotexampleclient";
const SECRET: &str = "8robotsecretclient";
const ROTATING: &str = "9robotrotatingclient";

/// `tokens.NAME` of the machine user robot by the app client `client_id`, with more keys.
fn robot(name: &str, client_id: &str, more: &str) -> String {
    let secret = match client_id {
        PLAIN => "",
        _ => "client_secret = { file = \"DIR/robot.secret\" }\n",
    };
    let username = if more.contains("username") { "" } else { "username = \"robot\"\n" };
    format!(
        "[tokens.{name}]\nfrom = \"cognito-user\"\nuser_pool = \"{POOL}\"\nclient_id = \"{client_id}\"\n{secret}{username}\
         password = {{ file = \"DIR/robot.password\" }}\n{more}\n"
    )
}

/// One such token called robot, and a caller that may have it.
fn only(client_id: &str, more: &str) -> String {
    format!("{}{}", robot("robot", client_id, more), caller("orders", &["tokens.robot"]))
}

fn client<'w>(world: &'w mut World, client_id: &str) -> &'w mut Client {
    world.pools.get_mut(POOL).unwrap().clients.get_mut(client_id).unwrap()
}

/// What the app client `client_id` takes for its secret at the start.
fn secret_of(client_id: &str) -> &'static str {
    match client_id {
        ROTATING => "rotatingsecret0123456789abcdefghijklmno",
        _ => "robotsecret0123456789abcdefghijklmnopqr",
    }
}
