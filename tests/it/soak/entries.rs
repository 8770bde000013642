//! What the daemons hold, for how long, and who may have it. Lifetimes are short, so that minutes are many of them.

use crate::documents::{BILLING, LEDGER, ORDERS, ROBOT, ROLES, caller};
use crate::site::Site;

/// Callers of each daemon.
pub const CALLERS: usize = 50;
/// So many of them have credentials of their own.
pub const OWN: usize = 5;
/// The least share of a lifetime after which a token is renewed, and credentials, of which half is left to SDKs.
const TOKENS: f64 = 0.70;
const CREDENTIALS: f64 = 0.45;

/// One thing that callers ask for.
pub struct Wanted {
    pub path: &'static str,
    /// Reloads add, change and remove it.
    pub moves: bool,
    /// Each caller has his own.
    pub own: bool,
}

/// How long what an operation gives out lives, in seconds, and the least share of that after which it is renewed.
pub struct Life {
    pub operation: &'static str,
    pub seconds: u64,
    pub share: f64,
}

pub const LIVES: [Life; 6] = [
    Life { operation: "token", seconds: 20, share: TOKENS },
    Life { operation: "GetClientToken", seconds: 30, share: TOKENS },
    Life { operation: "as/partner/token", seconds: 10, share: TOKENS },
    Life { operation: "InitiateAuth", seconds: 60, share: TOKENS },
    Life { operation: "GetTokensFromRefreshToken", seconds: 60, share: TOKENS },
    Life { operation: "AssumeRole", seconds: 40, share: CREDENTIALS },
];

pub const WANTED: [Wanted; 8] = [
    wanted("/v1/tokens/billing"),
    wanted("/v1/tokens/billing?scope=billing/read"),
    wanted("/v1/tokens/ledger"),
    wanted("/v1/tokens/partner"),
    wanted("/v1/tokens/robot"),
    wanted("/v1/credentials/hub"),
    Wanted { path: "/v1/credentials/orders", moves: false, own: true },
    Wanted { path: "/v1/tokens/moving", moves: true, own: false },
];

/// What the entry that moves may have.
pub const SCOPES: [&str; 2] = ["orders.read", "orders.write"];

const fn wanted(path: &'static str) -> Wanted {
    Wanted { path, moves: false, own: false }
}

/// What reloads change.
#[derive(Clone, Copy)]
pub struct Moved {
    /// The scope of the entry that moves, where it is there.
    pub scope: Option<&'static str>,
    /// Is there one caller more?
    pub guest: bool,
}

pub fn token_of(number: usize) -> String {
    format!("caller-{number:02}-Vb7kQ2xW9pLm4Zt6Hs1DfGc8")
}

/// Puts in place what the configuration names.
pub fn equip(site: &Site) {
    site.write("partner.secret", "basic+secret: 100% / odd & long");
    for number in 0..=CALLERS {
        site.write(&format!("c{number:02}.token"), &token_of(number));
    }
    site.write("orders.token", ORDERS);
    for life in LIVES {
        site.control().set_lifetime(life.operation, life.seconds);
    }
}

fn partner(name: &str, more: &str) -> String {
    format!(
        "[tokens.{name}]\nfrom = \"oauth2\"\ntoken_endpoint = \"EMULATOR/as/partner/token\"\nclient_id = \"partner-basic\"\n\
         client_auth = \"basic\"\nclient_secret = {{ file = \"DIR/partner.secret\" }}\n{more}"
    )
}

/// The whole configuration.
pub fn document(moved: Moved) -> String {
    let moving = moved.scope.map_or(String::new(), |scope| partner("moving", &format!("scopes = [\"{scope}\"]\n")));
    let mut allow = vec!["tokens.billing", "tokens.ledger", "tokens.partner", "tokens.robot", "credentials.hub"];
    if moved.scope.is_some() {
        allow.push("tokens.moving");
    }
    let own = [&*allow, &["credentials.orders"]].concat();
    let number = if moved.guest { CALLERS + 1 } else { CALLERS };
    let callers: String =
        (0..number).map(|number| caller(&format!("c{number:02}"), if number < OWN { &own } else { &allow })).collect();
    format!(
        "[server]\nlisten = [\"systemd:api\"]\ndrain = \"2s\"\n{BILLING}keep = \"always\"\n{LEDGER}{}{ROBOT}{ROLES}{moving}{}{callers}",
        partner("partner", ""),
        caller("orders", &["tokens.billing"]),
    )
}
