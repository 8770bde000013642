//! Signing in: three flows, two kinds of app clients, two names, two tokens.

use serde_json::json;

use super::{PLAIN, SECRET, client, only, robot, secret_of};
use crate::documents::{BROKER, ORDERS, POOL, ROBOT_PASSWORD, caller};
use crate::jwt::claims;
use crate::site::Site;
use crate::waiting::limited;

const WRONG: &str = "wrong horse Battery 1";

/// A flow, and the operations it makes.
const FLOWS: [(&str, &[&str]); 3] = [
    ("user-password", &["InitiateAuth"]),
    ("admin-user-password", &["AdminInitiateAuth"]),
    ("user-srp", &["InitiateAuth", "RespondToAuthChallenge"]),
];

async fn site() -> Site {
    let site = Site::open_in(|world| {
        let flows = ["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH"];
        client(world, PLAIN).explicit_auth_flows.extend(flows.map(ToOwned::to_owned));
    })
    .await;
    site.write("robot.secret", secret_of(SECRET));
    site
}

/// A token for each flow, client and name the user has.
fn every_way() -> Vec<(String, String, &'static [&'static str])> {
    let mut ways = Vec::new();
    for (flow, operations) in FLOWS {
        for client_id in [PLAIN, SECRET] {
            for username in ["robot", "robot@example.com"] {
                let name = format!("t{}", ways.len());
                let more = format!("flow = \"{flow}\"\nusername = \"{username}\"");
                ways.push((robot(&name, client_id, &more), name, operations));
            }
        }
    }
    ways
}

#[tokio::test]
async fn every_flow_signs_in_with_and_without_a_client_secret_by_name_and_by_alias() {
    limited(async {
        let (site, ways) = (site().await, every_way());
        let allow: Vec<String> = ways.iter().map(|(_, name, _)| format!("tokens.{name}")).collect();
        let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
        let tokens: String = ways.iter().map(|(document, ..)| document.as_str()).collect();
        let daemon = site.daemon(&format!("{tokens}{}", caller("orders", &allow))).await;
        for (document, name, operations) in ways {
            site.control().clear_journal();
            let answer = daemon.served(&format!("/v1/tokens/{name}"), ORDERS).await;
            let claims = claims(&answer.token());
            assert_eq!(
                (&claims["token_use"], &claims["cognito:username"]),
                (&json!("id"), &json!("robot")),
                "{document}"
            );
            assert_eq!(site.operations(), operations, "{document}");
            let signed = (operations[0] == "AdminInitiateAuth").then_some(BROKER);
            assert!(site.control().journal().iter().all(|asked| asked.principal.as_deref() == signed), "{document}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_access_token_is_handed_out_where_that_is_wanted() {
    limited(async {
        let site = site().await;
        let daemon = site.daemon(&only(PLAIN, "use = \"access\"")).await;
        let answer = daemon.get("/v1/tokens/robot", ORDERS).await;
        let claims = claims(&answer.token());
        assert_eq!((&claims["token_use"], &claims["username"]), (&json!("access"), &json!("robot")));
        assert_eq!(answer.json()["scope"], "aws.cognito.signin.user.admin");
    })
    .await;
}

#[tokio::test]
async fn a_challenge_needs_a_person_and_the_answer_says_what_to_do() {
    limited(async {
        for (challenge, remedy) in [
            ("NEW_PASSWORD_REQUIRED", "set a permanent password"),
            ("SOFTWARE_TOKEN_MFA", "turn multi-factor authentication off"),
        ] {
            for (flow, operations) in FLOWS {
                let site = Site::open_in(|world| {
                    let users = &mut world.pools.get_mut(POOL).unwrap().users;
                    users.get_mut("robot").unwrap().challenge = Some(challenge.to_owned());
                })
                .await;
                site.write("robot.secret", secret_of(SECRET));
                let daemon = site.daemon(&only(SECRET, &format!("flow = \"{flow}\""))).await;
                let answer = daemon.get("/v1/tokens/robot", ORDERS).await;
                assert_eq!(
                    (answer.status, &answer.json()["error"]),
                    (502, &json!("upstream_misconfigured")),
                    "{}",
                    answer.text
                );
                for word in ["tokens.robot", "machine user robot", challenge, remedy] {
                    assert!(answer.complaint().contains(word), "{flow}, {word}: {}", answer.complaint());
                }
                assert_eq!(site.operations(), operations);
            }
        }
    })
    .await;
}

/// A user pool locks a user out who guesses.
#[tokio::test]
async fn a_wrong_password_is_tried_once_and_the_right_one_when_it_is_there() {
    limited(async {
        for (flow, operations) in FLOWS {
            let site = site().await;
            site.write("robot.password", WRONG);
            let daemon = site.daemon(&only(SECRET, &format!("flow = \"{flow}\""))).await;
            for _ in 0..3 {
                let answer = daemon.get("/v1/tokens/robot", ORDERS).await;
                assert_eq!(
                    (answer.status, &answer.json()["error"]),
                    (502, &json!("upstream_denied")),
                    "{}",
                    answer.text
                );
                assert!(answer.complaint().contains("NotAuthorizedException"), "{}", answer.complaint());
                assert!(!answer.text.contains(WRONG), "{}", answer.text);
            }
            assert_eq!(site.operations(), operations, "one try, and it is remembered");
            if flow == "user-srp" {
                site.write("robot.password", ROBOT_PASSWORD);
                daemon.served("/v1/tokens/robot", ORDERS).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn of_two_client_secrets_the_live_one_is_found() {
    limited(async {
        for (flow, _) in FLOWS {
            let site = site().await;
            site.write("old.secret", "oldsecret0123456789abcdefghijklmnopqrst");
            let two = "client_secret = [{ file = \"DIR/old.secret\" }, { file = \"DIR/robot.secret\" }]\n";
            let one = "client_secret = { file = \"DIR/robot.secret\" }\n";
            let document = only(SECRET, &format!("flow = \"{flow}\"")).replace(one, two);
            let daemon = site.daemon(&document).await;
            daemon.get("/v1/tokens/robot", ORDERS).await.token();
            let live = &daemon.row("tokens.robot", "").await["secret"];
            assert!(live.as_str().unwrap().starts_with("second of two"), "{flow}: {live}");
        }
    })
    .await;
}

/// One try of the password, whichever of the two secrets is the app client's.
#[tokio::test]
async fn a_wrong_password_is_not_tried_again_with_the_other_client_secret() {
    limited(async {
        for (first, second, expected) in [("robot.secret", "old.secret", 1), ("old.secret", "robot.secret", 2)] {
            let site = site().await;
            site.write("old.secret", "oldsecret0123456789abcdefghijklmnopqrst");
            site.write("robot.password", WRONG);
            let two = format!("client_secret = [{{ file = \"DIR/{first}\" }}, {{ file = \"DIR/{second}\" }}]\n");
            let document = only(SECRET, "").replace("client_secret = { file = \"DIR/robot.secret\" }\n", &two);
            let daemon = site.daemon(&document).await;
            let answer = daemon.get("/v1/tokens/robot", ORDERS).await;
            assert_eq!((answer.status, &answer.json()["error"]), (502, &json!("upstream_denied")), "{}", answer.text);
            assert!(answer.complaint().contains("not tried again until it is replaced"), "{}", answer.complaint());
            assert!(!answer.complaint().contains("Incorrect username"), "{}", answer.complaint());
            assert_eq!(site.operations().len(), expected, "{first} first");
        }
    })
    .await;
}

#[tokio::test]
async fn a_replaced_password_or_client_secret_is_tried_at_once() {
    limited(async {
        for (name, wrong, right) in [
            ("robot.password", WRONG, ROBOT_PASSWORD),
            ("robot.secret", "oldsecret0123456789abcdefghijklmnopqrst", secret_of(SECRET)),
        ] {
            let site = site().await;
            site.write(name, wrong);
            let daemon = site.daemon(&only(SECRET, "")).await;
            assert_eq!(daemon.get("/v1/tokens/robot", ORDERS).await.status, 502, "{name}");
            site.write(name, right);
            daemon.served("/v1/tokens/robot", ORDERS).await;
            assert_eq!(site.outcomes("InitiateAuth"), ["NotAuthorizedException", "ok"], "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_may_not_sign_in_for_users_is_told_so() {
    limited(async {
        let site = Site::open_in(|world| world.iam.users.get_mut("broker").unwrap().allow.clear()).await;
        site.write("robot.secret", secret_of(SECRET));
        let daemon = site.daemon(&only(SECRET, "flow = \"admin-user-password\"")).await;
        let answer = daemon.get("/v1/tokens/robot", ORDERS).await;
        assert_eq!(answer.status, 502, "{}", answer.text);
        for word in ["tokens.robot", "AdminInitiateAuth", "AccessDenied", "allow cognito-idp:AdminInitiateAuth"] {
            assert!(answer.complaint().contains(word), "{word}: {}", answer.complaint());
        }
    })
    .await;
}
