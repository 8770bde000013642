//! Renewing by the refresh token, and what happens when that is no way any more.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};
use serde_json::json;

use super::{PLAIN, ROTATING, SECRET, client, only, secret_of};
use crate::daemon::Daemon;
use crate::documents::ORDERS;
use crate::site::Site;
use crate::waiting::{limited, until};

const RENEWAL: &str = "GetTokensFromRefreshToken";
const ALWAYS: &str = "keep = \"always\"";

/// A user whose tokens live for two seconds, with the app client `client_id`.
async fn short_lived(client_id: &str, more: &str) -> (Site, Daemon) {
    let site = Site::open_in(|world| {
        // A refresh token that was replaced is worth nothing from then on.
        client(world, ROTATING).retry_grace_period = 0;
        client(world, PLAIN).refresh_token_validity = 3600;
    })
    .await;
    site.write("robot.secret", secret_of(client_id));
    site.control().set_lifetime("InitiateAuth", 2);
    let daemon = site.daemon(&only(client_id, more)).await;
    (site, daemon)
}

/// How often the user signed in with the password.
fn signed_in(site: &Site) -> usize {
    let all = site.control().journal();
    all.iter().filter(|asked| asked.parameters.get("flow").is_some_and(|flow| flow != "REFRESH_TOKEN_AUTH")).count()
}

fn fail(code: &str) -> FaultKind {
    FaultKind::Error { code: code.into(), status: 400, message: String::new() }
}

#[tokio::test]
async fn the_password_is_used_once_and_then_the_refresh_token() {
    limited(async {
        for client_id in [PLAIN, SECRET] {
            let (site, daemon) = short_lived(client_id, ALWAYS).await;
            site.asked_times(RENEWAL, 2).await;
            let renewed = site.asked(RENEWAL);
            assert!(renewed.iter().all(|asked| asked.outcome == "ok"), "{renewed:?}");
            assert_eq!((signed_in(&site), &renewed[1].parameters["rotated"]), (1, &json!(false)));
            assert_eq!(daemon.get("/v1/tokens/robot", ORDERS).await.status, 200);
        }
    })
    .await;
}

#[tokio::test]
async fn of_refresh_tokens_that_rotate_the_newest_is_used() {
    limited(async {
        for flow in ["user-password", "user-srp"] {
            let (site, daemon) = short_lived(ROTATING, &format!("{ALWAYS}\nflow = \"{flow}\"")).await;
            site.asked_times(RENEWAL, 3).await;
            let renewed = site.asked(RENEWAL);
            assert!(renewed.iter().all(|asked| asked.outcome == "ok"), "an old one would be refused: {renewed:?}");
            assert!(renewed.iter().all(|asked| asked.parameters["rotated"] == json!(true)), "{renewed:?}");
            assert_eq!(signed_in(&site), 1, "{flow}");
            assert_eq!(daemon.get("/v1/tokens/robot", ORDERS).await.status, 200);
        }
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_that_is_refused_is_followed_by_a_sign_in_of_the_same_fetch() {
    limited(async {
        for code in ["NotAuthorizedException", "RefreshTokenReuseException"] {
            let (site, daemon) = short_lived(PLAIN, ALWAYS).await;
            site.control().fault(Fault::once(RENEWAL, fail(code)));
            site.asked_times(RENEWAL, 2).await;
            let operations = site.operations();
            let expected = ["InitiateAuth", RENEWAL, "InitiateAuth", RENEWAL];
            assert_eq!(operations[..4], expected, "{code}: what the second sign-in gave is used next");
            let row = daemon.row("tokens.robot", "").await;
            assert_eq!(row.get("last_error"), None, "nobody noticed: {row}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_that_has_expired_is_followed_by_a_sign_in() {
    limited(async {
        let (site, daemon) = short_lived(PLAIN, ALWAYS).await;
        daemon.served("/v1/tokens/robot", ORDERS).await;
        site.control().clock_offset(4000);
        until("a second sign-in", Duration::from_secs(10), async || (signed_in(&site) == 2).then_some(())).await;
        assert!(site.outcomes(RENEWAL).contains(&"NotAuthorizedException".to_owned()));
        assert_eq!(daemon.get("/v1/tokens/robot", ORDERS).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_that_could_not_be_tried_is_kept() {
    limited(async {
        let (site, _daemon) = short_lived(SECRET, ALWAYS).await;
        let down = FaultKind::Status { status: 503, body: String::new(), headers: [].into() };
        site.control().fault(Fault { count: 2, ..Fault::once(RENEWAL, down) });
        until("renewed after the outage", Duration::from_secs(15), async || {
            site.outcomes(RENEWAL).contains(&"ok".to_owned()).then_some(())
        })
        .await;
        assert_eq!(site.outcomes(RENEWAL)[..3], ["fault:status", "fault:status", "ok"]);
        assert_eq!(signed_in(&site), 1);
    })
    .await;
}

/// The password is tried in its stead where it may do, and does not do here.
#[tokio::test]
async fn a_refresh_token_outlives_what_is_no_fault_of_its_own() {
    limited(async {
        let site = Site::open().await;
        site.write("robot.secret", secret_of(SECRET));
        site.control().set_lifetime("InitiateAuth", 2);
        let daemon = site.daemon(&only(SECRET, "")).await;
        let fetch = async |status: u16| {
            let fetched = async || (daemon.get("/v1/tokens/robot", ORDERS).await.status == status).then_some(());
            until(&format!("status {status}"), Duration::from_secs(12), fetched).await;
        };
        fetch(200).await;
        std::fs::remove_file(site.dir.path().join("robot.secret")).unwrap();
        fetch(502).await;
        assert_eq!(site.operations(), ["InitiateAuth"], "nothing can be asked without the secret");
        site.write("robot.secret", secret_of(SECRET));
        fetch(200).await;
        assert_eq!(site.operations(), ["InitiateAuth", RENEWAL], "the refresh token was still there");

        for operation in [RENEWAL, "InitiateAuth"] {
            site.control().fault(Fault::always(operation, fail("ForbiddenException")));
        }
        fetch(502).await;
        site.control().clear_faults();
        site.control().clear_journal();
        fetch(200).await;
        assert_eq!(site.operations(), [RENEWAL]);
    })
    .await;
}

#[tokio::test]
async fn an_id_token_lives_as_long_as_it_says_and_not_as_the_access_token_beside_it() {
    limited(async {
        for (which, seconds) in [("id", 86_400), ("access", 300)] {
            let site = Site::open_in(|world| {
                let client = client(world, PLAIN);
                (client.access_token_validity, client.id_token_validity) = (300, 86_400);
            })
            .await;
            let daemon = site.daemon(&only(PLAIN, &format!("use = \"{which}\""))).await;
            let answer = daemon.served("/v1/tokens/robot", ORDERS).await;
            let left = answer.json()["expires_in"].as_u64().unwrap();
            assert!((seconds - 10..=seconds).contains(&left), "{which}: {left}");
        }
    })
    .await;
}

/// As with emulators and older endpoints. By an alias and with a secret, so that the name in `SECRET_HASH` matters.
#[tokio::test]
async fn where_the_new_operation_is_not_there_the_old_flow_renews() {
    limited(async {
        for code in ["OperationNotEnabledException", "UnknownOperationException"] {
            let (site, daemon) = short_lived(SECRET, &format!("{ALWAYS}\nusername = \"robot@example.com\"")).await;
            site.control().fault(Fault::always(RENEWAL, fail(code)));
            site.asked_times("InitiateAuth", 4).await;
            let asked = site.asked("InitiateAuth");
            let flows: Vec<_> = asked.iter().map(|asked| asked.parameters["flow"].as_str().unwrap()).collect();
            assert_eq!(flows[..3], ["USER_PASSWORD_AUTH", "REFRESH_TOKEN_AUTH", "REFRESH_TOKEN_AUTH"]);
            assert!(asked.iter().all(|asked| asked.outcome == "ok"), "{asked:?}");
            assert_eq!(site.asked(RENEWAL).len(), 1, "{code}: it is not tried again for this sign-in");
            assert_eq!(daemon.get("/v1/tokens/robot", ORDERS).await.status, 200);
        }
    })
    .await;
}
