//! Every error an upstream is known to answer with: its kind, the caller's status and code, and what to do about it.

pub mod facts;
pub mod table;

mod expired;
mod refreshing;

use std::collections::BTreeSet;

use credbroker_emulator::{Fault, FaultKind};
use serde_json::{Value, json};

use self::facts::FACTS;
use self::table::{HELPED, ROWS, Row};
use crate::client::Answer;
use crate::daemon::Daemon;
use crate::documents::{LEDGER, M2M_CLIENT, ORDERS, ROBOT, caller, token_called};
use crate::site::Site;
use crate::waiting::limited;

/// Stands in every message that an upstream sends, as a quoted secret would.
pub const MARK: &str = "upstream-marker-9q4d";

/// Of the app client `8robotsecretclient`.
const ROBOT_SECRET: &str = "robotsecret0123456789abcdefghijklmnopqr";

/// Those that a caller's first request does not lead to.
const ELSEWHERE: [&str; 4] =
    ["ListUserPoolClientSecrets", "AddUserPoolClientSecret", "DeleteUserPoolClientSecret", "GetTokensFromRefreshToken"];

/// What makes the upstream answer so, until faults are cleared.
pub fn fault((operation, code, status, ..): &Row) -> Fault {
    let message = format!("Value '{MARK}' at 'secret' failed to satisfy constraint");
    let kind = match code.strip_prefix("challenge ") {
        Some(challenge) => {
            FaultKind::Replace(json!({ "ChallengeName": challenge, "Session": MARK }).as_object().unwrap().clone())
        }
        None if code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
            FaultKind::Error { code: (*code).to_owned(), status: *status, message }
        }
        None => FaultKind::Status { status: *status, body: format!("{code}{MARK}"), headers: [].into() },
    };
    Fault::always(if *operation == "oauth2" { "token" } else { operation }, kind)
}

/// An entry that asks `operation`, by itself or before anything else that may fail.
fn entry(operation: &str, name: &str) -> (&'static str, String) {
    let ledger = LEDGER.replace("tokens.ledger", &format!("tokens.{name}"));
    let file = "{ file = \"DIR/billing.secret\" }";
    let robot = ROBOT.replace("tokens.robot", &format!("tokens.{name}"));
    let secret_robot = robot.replace("7robotexampleclient", "8robotsecretclient");
    let secret_robot = format!("{secret_robot}client_secret = {{ file = \"DIR/robot.secret\" }}\n");
    let table = |from: &str, rest: &str| format!("[credentials.{name}]\nfrom = \"{from}\"\n{rest}\n");
    let pool = |rest: &str| {
        table("identity-pool", &format!("identity_pool = \"eu-west-1:99998888-7777-4666-8555-444433332222\"\n{rest}"))
    };
    match operation {
        "token" => ("tokens", token_called(name, "")),
        "oauth2" => (
            "tokens",
            format!(
                "[tokens.{name}]\nfrom = \"oauth2\"\ntoken_endpoint = \"EMULATOR/oauth2/token\"\nclient_auth = \"basic\"\n\
                 client_id = \"{M2M_CLIENT}\"\nclient_secret = {file}\nscopes = [\"billing/read\"]\n"
            ),
        ),
        "GetClientToken" => ("tokens", ledger),
        // One secret, and so one request, for each row.
        "DescribeUserPoolClient" => {
            ("tokens", ledger.replace(file, "{ cognito = true }").replace(M2M_CLIENT, &format!("client{name}")))
        }
        "GetSecretValue" => ("tokens", ledger.replace(file, &format!("{{ secrets_manager = \"secret-of-{name}\" }}"))),
        "InitiateAuth" => ("tokens", robot),
        "AdminInitiateAuth" => ("tokens", format!("{secret_robot}flow = \"admin-user-password\"\n")),
        "RespondToAuthChallenge" => ("tokens", format!("{secret_robot}flow = \"user-srp\"\n")),
        "GetWebIdentityToken" => (
            "tokens",
            format!(
                "[tokens.{name}]\nfrom = \"sts\"\naudience = [\"https://partner.example\"]\nalgorithm = \"ES384\"\n"
            ),
        ),
        "GetId" | "GetCredentialsForIdentity" => ("credentials", pool("")),
        "GetOpenIdToken" => {
            ("credentials", pool("flow = \"basic\"\nrole_arn = \"arn:aws:iam::111122223333:role/guests\""))
        }
        "GetOpenIdTokenForDeveloperIdentity" => {
            ("credentials", pool("login = { provider = \"login.acme\", user = \"{caller}\" }"))
        }
        "AssumeRole" => ("credentials", table("assume-role", "role_arn = \"arn:aws:iam::111122223333:role/hub\"")),
        "AssumeRoleWithWebIdentity" => {
            let rest =
                "role_arn = \"arn:aws:iam::111122223333:role/reports\"\ntoken = { file = \"DIR/robot.password\" }";
            ("credentials", table("web-identity", rest))
        }
        other => panic!("no entry asks {other}"),
    }
}

/// What a caller and an operator see of the row.
pub async fn is_seen(daemon: &Daemon, surface: &str, name: &str, row: &Row, answer: &Answer) {
    let (operation, code, _, seen, remedy) = row;
    let what = format!("{operation} {code}: {} {}", answer.status, answer.text);
    assert_eq!(answer.status, seen.status, "{what}");
    let body = answer.json();
    if surface == "tokens" {
        assert_eq!(answer.members(), ["error", "error_description"], "{what}");
        assert_eq!(body["error"], seen.error, "{what}");
    } else {
        assert_eq!(answer.members(), ["Code", "Message", "code", "message"], "{what}");
        assert_eq!((&body["Code"], &body["Message"]), (&body["code"], &body["message"]), "{what}");
        assert_eq!(body["code"], seen.code, "{what}");
    }
    let said = answer.complaint();
    assert!(said.contains(&format!("{surface}.{name}")), "{what}");
    assert!(said.replace('\'', "\"").contains(&remedy.replace('\'', "\"")), "the remedy is not {remedy:?}: {what}");
    assert!(answer.retry_after() >= 1, "{what}");
    assert!(!answer.text.contains(MARK), "{what}");

    let status = daemon.get("/v1/status", ORDERS).await;
    assert!(!status.text.contains(MARK), "{what}");
    let status = status.json();
    let rows = status[surface].as_array().unwrap();
    let shown = rows.iter().find(|shown| shown["name"] == format!("{surface}.{name}")).unwrap();
    assert_eq!(shown["last_error"]["kind"], seen.kind, "{what}");
    assert!(shown["last_error"]["message"].as_str().unwrap().contains(remedy), "{what}");
}

#[tokio::test]
async fn each_upstream_error_has_its_kind_its_status_and_its_remedy() {
    limited(async {
        let site = Site::open().await;
        site.write("robot.secret", ROBOT_SECRET);
        let rows: Vec<&Row> = ROWS.iter().filter(|(operation, ..)| !ELSEWHERE.contains(operation)).collect();
        let names: Vec<String> = (0..rows.len()).map(|index| format!("e{index}")).collect();
        let entries: Vec<_> = rows.iter().zip(&names).map(|((operation, ..), name)| entry(operation, name)).collect();
        let allow: Vec<String> =
            entries.iter().zip(&names).map(|((surface, _), name)| format!("{surface}.{name}")).collect();
        let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
        let document: String = entries.iter().map(|(_, text)| text.as_str()).collect();
        let daemon = site.daemon(&format!("{document}{}", caller("orders", &allow))).await;

        for ((row, name), (surface, _)) in rows.into_iter().zip(&names).zip(&entries) {
            site.control().fault(fault(row));
            let answer = daemon.get(&format!("/v1/{surface}/{name}"), ORDERS).await;
            is_seen(&daemon, surface, name, row, &answer).await;
            site.control().clear_faults();
        }
        let printed = daemon.logged().await;
        assert!(printed.contains("NotAuthorizedException") && !printed.contains(MARK), "the log repeats an upstream");
    })
    .await;
}

#[test]
fn the_table_lists_every_error_of_every_operation() {
    let listed: BTreeSet<(&str, &str)> = ROWS.iter().map(|(operation, code, ..)| (*operation, *code)).collect();
    let known: Vec<(&str, &str)> = FACTS
        .iter()
        .flat_map(|(operation, codes)| codes.split_whitespace().map(move |code| (*operation, code)))
        .collect();
    let missing: Vec<_> = known.iter().filter(|known| !listed.contains(*known)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    let is_code = |code: &str| code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && code != "something_new";
    let unknown: Vec<_> =
        listed.iter().filter(|(operation, code)| is_code(code) && !known.contains(&(*operation, *code))).collect();
    assert!(unknown.is_empty(), "no reference lists {unknown:?}");
}

/// A row that helps itself names no remedy, and every other one does.
#[test]
fn every_row_names_what_to_do() {
    let without: Vec<&Row> = ROWS.iter().filter(|(.., seen, remedy)| remedy.is_empty() != (*seen == HELPED)).collect();
    assert!(without.is_empty(), "{without:?}");
}

/// Has the entry a lease?
fn holds_one(shown: &Value) -> bool {
    shown.get("expires_at").is_some()
}
