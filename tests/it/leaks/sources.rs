//! The secrets of the sources beyond a client secret in a file: private keys, assertions, refresh tokens, secrets at AWS.

use credbroker_emulator::{Fault, FaultKind};
use serde_json::json;

use super::{Secrets, commands};
use crate::daemon::Daemon;
use crate::documents::{BROKER_SECRET, M2M_CLIENT, M2M_SECRET, ORDERS, POOL, ROBOT_PASSWORD, ROLES, caller};
use crate::oauth2::foreign::{Server, parameter};
use crate::site::Site;
use crate::waiting::limited;

const P256: &str = include_str!("../../keys/p256.sec1.pem");
const ED25519: &str = include_str!("../../emulator/keys/partner-ed25519.pem");
const ROBOT_SECRET: &str = "robotsecret0123456789abcdefghijklmnopqr";
const REFRESH_TOKEN: &str = "refresh-Kq8Wm3Zx5Tn1Vb7Rj4Yc9Hf2Ld6";
const NAMES: [&str; 7] = ["broken", "signer", "proof", "shown", "partner", "managed", "agent"];

fn document(server: &Server) -> String {
    let url = &server.url;
    let cognito = |name: &str, place: &str| {
        format!(
            "[tokens.{name}]\nfrom = \"cognito\"\nuser_pool = \"{POOL}\"\ndomain = \"EMULATOR\"\nclient_id = \"{M2M_CLIENT}\"\n\
             client_secret = {place}\n"
        )
    };
    let oauth2 = |name: &str, issuer: &str, client: &str, more: &str| {
        format!("[tokens.{name}]\nfrom = \"oauth2\"\nissuer = \"{issuer}\"\nclient_id = \"{client}\"\n{more}\n")
    };
    let tokens = [
        cognito(
            "managed",
            "[{ secrets_manager = \"credbroker/billing\", key = \"client_secret\" }, { cognito = true }]",
        ),
        cognito("broken", "{ secrets_manager = \"credbroker/billing\" }"),
        oauth2("signer", url, "signer", "client_auth = \"private-key-jwt\"\nprivate_key = { file = \"DIR/p256.pem\" }"),
        "[tokens.proof]\nfrom = \"sts\"\naudience = [\"urn:a\"]\nalgorithm = \"ES384\"\nas = \"credentials.hub\"\n"
            .to_owned(),
        oauth2("shown", url, "shown", "client_auth = \"token\"\nclient_assertion = \"tokens.proof\""),
        oauth2(
            "partner",
            "EMULATOR/as/partner",
            "partner-jwt",
            "client_auth = \"private-key-jwt\"\nprivate_key = { secrets_manager = \"partner-key\" }",
        ),
        format!(
            "[tokens.agent]\nfrom = \"cognito-user\"\nuser_pool = \"{POOL}\"\nclient_id = \"8robotsecretclient\"\nflow = \"user-srp\"\n\
             client_secret = {{ file = \"DIR/robot.secret\" }}\nusername = \"robot\"\npassword = {{ file = \"DIR/robot.password\" }}\n"
        ),
    ];
    let allow = NAMES.map(|name| format!("tokens.{name}"));
    format!("{ROLES}{}{}", tokens.concat(), caller("orders", &allow.each_ref().map(String::as_str)))
}

fn known_beforehand() -> Secrets {
    let mut secrets = Secrets::default();
    for secret in [M2M_SECRET, BROKER_SECRET, ORDERS, ROBOT_SECRET, ROBOT_PASSWORD, REFRESH_TOKEN] {
        secrets.add(secret);
    }
    [P256, ED25519].iter().for_each(|pem| secrets.add_pem(pem));
    secrets
}

async fn succeed(daemon: &Daemon, server: &Server, secrets: &mut Secrets) {
    for name in &NAMES[1..] {
        let token = daemon.served(&format!("/v1/tokens/{name}"), ORDERS).await.token();
        if token.contains('.') { secrets.add_jwt(&token) } else { secrets.add(&token) }
    }
    for form in server.asked("/tokens?tenant=t") {
        secrets.add_jwt(&parameter(&form, "client_assertion").unwrap());
    }
}

/// The refresh token that the user is given is the one we hunt for; no use of it succeeds.
fn plant_a_refresh_token(site: &Site) {
    let result = json!({ "AuthenticationResult": { "RefreshToken": REFRESH_TOKEN } });
    let answer = FaultKind::Replace(result.as_object().unwrap().clone());
    site.control().fault(Fault::always("RespondToAuthChallenge", answer));
    site.control().set_lifetime("InitiateAuth", 2);
}

/// Every secret is said back to us, by all sources, in an error and in an answer.
async fn meet_broken_sources(site: &Site, server: &Server) -> String {
    let echo = |status| FaultKind::Status {
        status,
        body: format!("{ED25519} {P256} {ROBOT_PASSWORD} {REFRESH_TOKEN} {M2M_SECRET}"),
        headers: [].into(),
    };
    let mut said = String::new();
    for status in [400, 500, 200] {
        std::fs::remove_file(site.dir.path().join("api.sock")).unwrap();
        let daemon = site.launch(&document(server)).env("CREDBROKER_LOG", "trace").start().await;
        site.control().clear_faults();
        site.control().fault(Fault::always("*", echo(status)));
        for name in ["broken", "proof", "shown", "partner", "managed", "agent"] {
            let answer = daemon.get(&format!("/v1/tokens/{name}"), ORDERS).await;
            assert!(matches!(answer.status, 502..=504), "{name}: {}", answer.text);
            said += &answer.text;
        }
        said += &daemon.get("/v1/status", ORDERS).await.text;
        said += &daemon.said().await;
    }
    said
}

#[tokio::test]
async fn nothing_of_keys_assertions_refresh_tokens_and_secrets_at_aws_is_printed() {
    limited(async {
        let (site, server) = (Site::open().await, Server::open().await);
        site.write("p256.pem", P256);
        site.write("robot.secret", ROBOT_SECRET);
        plant_a_refresh_token(&site);
        let mut secrets = known_beforehand();
        let daemon = site.launch(&document(&server)).env("CREDBROKER_LOG", "trace").start().await;
        succeed(&daemon, &server, &mut secrets).await;
        // The whole text of the secret is no client secret, so this one is refused.
        let mut said = daemon.get("/v1/tokens/broken", ORDERS).await.text;
        site.asked_times("GetTokensFromRefreshToken", 1).await;
        said += &daemon.get("/v1/status", ORDERS).await.text;
        said += &commands(&daemon).await;
        said += &daemon.said().await;
        drop(daemon);
        said += &meet_broken_sources(&site, &server).await;
        for word in ["DEBUG", "issued", "not issued", "tokens.broken", "Secrets Manager", M2M_CLIENT] {
            assert!(said.contains(word), "{word} is not in what was printed");
        }
        secrets.are_not_in(&said);
    })
    .await;
}
