//! What is left of secrets that were used and dropped: nothing, in any memory of the daemon. What is in use is found, so the search is
//! not blind. Everything went through TLS, the AWS SDK, serde and hyper; a good many copies of it were made on the way.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};
use serde_json::{Value, json};

use super::image::{Image, are_gone, are_there};
use crate::client::Ask;
use crate::daemon::Daemon;
use crate::documents::{BILLING, BROKER_SECRET, LEDGER, M2M_CLIENT, M2M_SECRET, ROBOT, ROLES, caller, token_called};
use crate::privilege;
use crate::site::Site;
use crate::tls::{AUTHORITY, Front};
use crate::users::{USERS, id_token};
use crate::waiting::{limited_to, until};

const CALLER: &str = "caller-Vb7kQ2xW9pLm4Zt6Hs1DfGc8Yr3Nj5Xe0Ua7Ti2Ko6Pw9Ml4Bq1Zv8Cd3";
const NEW_SECRET: &str = "replaced-Lq4Xz8Wn2Rb6Tc0Yv5Kd9Hm3Sf7Gj1Pa";
const WRONG: &str = "wrong-secret-Qm4Tz8Lc2Vx6Nb0Kj5Hf9Dd3Rw7Ys1";
/// Short enough to stand in one block of a hash as a whole.
const GUESSED: &str = "guessed-Wp6Ry2Ts8Ug4Vh0Xi7Zj3Ak9Bl5Cm1Dn7Eo3Fp9";
const PATHS: [&str; 4] = ["/v1/tokens/billing", "/v1/tokens/ledger", "/v1/tokens/robot", "/v1/credentials/orders"];
const OPERATIONS: [&str; 4] = ["token", "GetClientToken", "InitiateAuth", "AssumeRole"];
const ROUNDS: usize = 3;
const SERVED: usize = 20;
/// Users, and how many of them the entry holds at a time.
const SUBJECTS: usize = 6;
const HELD: usize = 2;

fn document() -> String {
    let broken = token_called("broken", "").replace("billing.secret", "wrong.secret");
    let users = "[credentials.users]\nfrom = \"identity-pool\"\nidentity_pool = \"eu-west-1:11112222-3333-4444-5555-666677778888\"\n\
                 login = \"caller\"\nissuer = \"issuers.users\"\nmax_subjects = HELD\n".replace("HELD", &HELD.to_string());
    let allow = [
        "tokens.billing",
        "tokens.ledger",
        "tokens.robot",
        "tokens.broken",
        "credentials.orders",
        "credentials.users",
        "issuers.users",
    ];
    format!("{BILLING}{LEDGER}{ROBOT}{broken}{ROLES}{USERS}{users}{}", caller("orders", &allow))
}

/// What of an answer is secret.
fn secrets(path: &str, body: &Value) -> Vec<(String, String)> {
    let members = ["access_token", "SecretAccessKey", "Token"];
    let given =
        members.iter().filter_map(|member| Some((format!("{member} of {path}"), body[*member].as_str()?.to_owned())));
    // The claims of two tokens may be the same, their signatures are not.
    given.map(|(what, secret)| (what, secret.rsplit('.').next().unwrap().to_owned())).collect()
}

/// The answer, once it is another than before.
async fn renewed(daemon: &Daemon, path: &str, before: &[(String, String)]) -> Vec<(String, String)> {
    until(path, Duration::from_secs(20), async || {
        let answer = daemon.get(path, CALLER).await;
        let given = if answer.status == 200 { secrets(path, &answer.json()) } else { Vec::new() };
        given.iter().all(|secret| !before.contains(secret)).then_some(given).filter(|given| !given.is_empty())
    })
    .await
}

/// Has every entry fetched again and again, and served many times.
async fn rounds(site: &Site, daemon: &Daemon) -> (Vec<(String, String)>, Vec<(String, String)>) {
    OPERATIONS.iter().for_each(|operation| site.control().set_lifetime(operation, 3));
    let mut gone = Vec::new();
    for _ in 0..ROUNDS {
        for path in PATHS {
            gone.extend(renewed(daemon, path, &gone).await);
            for _ in 0..SERVED {
                daemon.get(path, CALLER).await;
            }
        }
    }
    OPERATIONS.iter().for_each(|operation| site.control().set_lifetime(operation, 3_600));
    let mut live = Vec::new();
    for path in PATHS {
        live.extend(renewed(daemon, path, &gone).await);
    }
    (gone, live)
}

/// More users than are held at a time.
async fn users(site: &Site, daemon: &Daemon) -> (Vec<(String, String)>, Vec<(String, String)>) {
    let (mut gone, mut live) = (Vec::new(), Vec::new());
    for number in 0..SUBJECTS {
        let token = id_token(site, &format!("user-{number}"));
        let ask = Ask::form("/v1/credentials/users", &[("subject_token", &*token)]).bearer(CALLER);
        let answer = until("credentials of a user", Duration::from_secs(15), async || {
            Some(daemon.ask(ask.clone()).await).filter(|answer| answer.status == 200)
        })
        .await;
        let verified = Ask::form("/oauth2/introspect", &[("token", &*token)]).bearer(CALLER);
        let verified = daemon.ask(verified).await;
        assert_eq!(verified.json()["active"], true, "{}", verified.text);
        let mut of_user = secrets(&format!("the credentials of user {number}"), &answer.json());
        of_user.push((format!("subject token {number}"), token.rsplit('.').next().unwrap().to_owned()));
        if number < SUBJECTS - HELD { gone.extend(of_user) } else { live.extend(of_user) }
    }
    (gone, live)
}

/// What is refused or breaks passes through other hands than what succeeds.
async fn fail(site: &Site, daemon: &Daemon) -> Vec<(String, String)> {
    let plant = |number: usize| format!("planted-{number}-Xc5Vb7Nm9Qw1Er3Ty5Ui7Op9As1Df3Gh5Jk7Lz9");
    let mut gone = Vec::new();
    for (number, body) in [
        // An escape leads through serde's own buffer.
        json!({ "access_token": format!("{}\n\"{}", plant(0), plant(1)), "token_type": "Bearer", "expires_in": 1 }),
        json!({ "error": "invalid_client", "error_description": format!("\t{}", plant(2)) }),
        json!({ "access_token": { "nested": [plant(3)] } }),
    ]
    .into_iter()
    .enumerate()
    {
        let status = if number == 1 { 400 } else { 200 };
        site.control()
            .fault(Fault::once("token", FaultKind::Status { status, body: body.to_string(), headers: [].into() }));
        daemon.get("/v1/tokens/broken", CALLER).await;
    }
    for number in 0..4 {
        gone.push((format!("planted answer {number}"), plant(number)));
    }
    assert_eq!(daemon.get("/v1/tokens/billing", GUESSED).await.status, 401);
    gone.push(("a guessed token".to_owned(), GUESSED.to_owned()));
    gone
}

#[tokio::test]
async fn nothing_is_left_in_memory_of_what_was_used_and_dropped() {
    if !privilege::is_root("what is left in the daemon's memory, which only root may read") {
        return;
    }
    limited_to(Duration::from_secs(90), async {
        let site = Site::open().await;
        site.write("orders.token", CALLER);
        site.write("wrong.secret", WRONG);
        let front = Front::of(site.emulator.url().trim_start_matches("http://").to_owned()).await;
        let launch = site.launch(&document()).env("AWS_ENDPOINT_URL", &front.url).env("AWS_CA_BUNDLE", AUTHORITY);
        let daemon = launch.start().await;

        let (mut gone, mut live) = rounds(&site, &daemon).await;
        let (evicted, held) = users(&site, &daemon).await;
        gone.extend(evicted);
        live.extend(held);
        gone.extend(fail(&site, &daemon).await);
        site.control().set_client_secret(M2M_CLIENT, NEW_SECRET);
        site.replace("billing.secret", NEW_SECRET);
        for secret in [CALLER, M2M_SECRET, NEW_SECRET, WRONG] {
            gone.push((secret.to_owned(), secret.to_owned()));
        }
        // Buffers of a connection that is kept hold what was said on it last, until it is closed.
        drop(front);

        are_there(&daemon.running, &live).await;
        let own = Image::of(&daemon.running).await.unwrap().copies(BROKER_SECRET);
        assert!(own > 0, "the daemon's own key stands in its environment");
        are_gone(&daemon.running, &gone).await;
    })
    .await;
}
