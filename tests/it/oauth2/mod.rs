//! Tokens of servers that are not Cognito: found by metadata or URL, the client proven in each way there is.

mod answers;
mod clients;
mod discovery;
pub mod foreign;

use credbroker_emulator::{AuthorizationServer, SigningAlgorithm};

use crate::documents::caller;
use crate::site::Site;

/// The operation of the partner server's token endpoint.
const TOKEN: &str = "as/partner/token";
const BASIC: &str = "client_auth = \"basic\"\nclient_secret = { file = \"DIR/basic.secret\" }\n";
const BASIC_SECRET: &str = "basic+secret: 100% / odd & long";

/// `tokens.NAME` of the partner server for `client_id`, with more keys.
fn partner(name: &str, client_id: &str, more: &str) -> String {
    format!(
        "[tokens.{name}]\nfrom = \"oauth2\"\nissuer = \"EMULATOR/as/partner\"\nclient_id = \"{client_id}\"\n{more}\n"
    )
}

/// `tokens.partner` of the client `partner-basic`, with more keys, and a caller that may have it.
fn basic(more: &str) -> String {
    let token = partner("partner", "partner-basic", &format!("{BASIC}{more}"));
    format!("{token}{}", caller("orders", &["tokens.partner"]))
}

/// Puts the partner's secrets and keys in place.
fn equip(site: &Site) {
    site.write("basic.secret", BASIC_SECRET);
    site.write("post.secret", "post+secret: 100% / odd & long");
    site.write("forever.secret", "forever-secret-0123456789");
    site.write("acme.secret", "acme-secret-0123456789");
    site.write("rsa.pem", include_str!("../../emulator/keys/partner-rsa.pem"));
    site.write("ec.pem", include_str!("../../emulator/keys/partner-ec.pem"));
    site.write("ed25519.pem", include_str!("../../emulator/keys/partner-ed25519.pem"));
}

async fn site() -> Site {
    site_in(|_| {}).await
}

/// The same with a partner that `change` has made another. It signs with a key that is quickly made.
async fn site_in(change: impl FnOnce(&mut AuthorizationServer)) -> Site {
    let site = Site::open_in(|world| {
        let partner = world.authorization_servers.get_mut("partner").unwrap();
        partner.signing_algorithm = SigningAlgorithm::Es256;
        change(partner);
    })
    .await;
    equip(&site);
    site
}
