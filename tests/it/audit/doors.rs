//! What each door has decided, and by what the caller was known.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};
use http::Method;
use nix::unistd::{getegid, geteuid};
use ring::hmac;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::{KEY, decided, document, fingerprint, only, said};
use crate::client::Ask;
use crate::documents::{BILLING, ORDERS, REPORTS, caller};
use crate::site::Site;
use crate::waiting::{limited, until};

const GUESSED: &str = "guessed-Wp6Ry2Ts8Ug4Vh0Xi7Zj3";
const PATH: &str = "/v1/tokens/billing";
const OWN: Option<&str> = Some("orders");
const NAME: Option<&str> = Some("tokens.billing");
const ISSUER: Option<&str> = Some("issuers.users");

#[tokio::test]
async fn each_door_has_a_line_for_what_it_decides() {
    limited(async {
        let site = Site::open().await;
        site.write("wrong.secret", "wrong\n");
        let daemon = site.daemon(&document()).await;
        let token = daemon.served(PATH, ORDERS).await.token();
        let before = daemon.audited().await.len();
        let client = |id, more: &[(&str, &str)]| {
            let own = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", ORDERS)];
            Ask::form("/oauth2/token", &[&own[..], more].concat())
        };
        let about = |token: &str| Ask::form("/oauth2/introspect", &[("token", token)]).bearer(ORDERS);
        let user = |token: &str| {
            Ask::get("/v1/authorize/users")
                .bearer(ORDERS)
                .header("x-original-authorization", &format!("Bearer {token}"))
        };
        let event = |token: &str| {
            let arn = "arn:aws:execute-api:eu-west-1:111122223333:abcdef123/test/GET/orders";
            let event = json!({ "type": "TOKEN", "authorizationToken": token, "methodArn": arn });
            Ask::json("/v1/authorize/users/policy", &event).bearer(ORDERS)
        };
        let (issued, refused, denied) = ("issued", "refused", "denied");
        let table = [
            (Ask::get(PATH).bearer(ORDERS), said("token", issued, 200, [None, OWN, NAME, Some("hit")])),
            (Ask::get(PATH), said("token", refused, 401, [Some("UnknownCaller"), None, NAME, None])),
            (Ask::get(PATH).bearer(GUESSED), said("token", refused, 401, [Some("UnknownCaller"), None, NAME, None])),
            (
                Ask::get(PATH).bearer(REPORTS),
                said("token", refused, 403, [Some("AccessDenied"), Some("reports"), NAME, None]),
            ),
            (
                Ask::get(PATH).bearer(ORDERS).header("origin", "https://evil.example"),
                said("token", refused, 403, [Some("AccessDenied"), None, NAME, None]),
            ),
            (
                Ask::get(PATH).bearer(ORDERS).header("host", "evil.example"),
                said("token", refused, 403, [Some("AccessDenied"), None, NAME, None]),
            ),
            (
                Ask::of(Method::POST, PATH).bearer(ORDERS),
                said("token", refused, 405, [Some("MethodNotAllowed"), OWN, NAME, None]),
            ),
            (
                Ask::get(&format!("{PATH}?scope={GUESSED}")).bearer(ORDERS),
                said("token", refused, 400, [Some("InvalidRequest"), OWN, NAME, None]),
            ),
            (
                Ask::get(&format!("/v1/tokens/{GUESSED}")).bearer(ORDERS),
                said("token", refused, 404, [Some("NotFound"), OWN, None, None]),
            ),
            (
                Ask::get(&format!("/v1/credentials/{GUESSED}")).bearer(ORDERS),
                said("credentials", refused, 404, [Some("NotFound"), OWN, None, None]),
            ),
            (client("billing", &[]), said("oauth2", issued, 200, [None, OWN, NAME, Some("hit")])),
            (client(GUESSED, &[]), said("oauth2", refused, 400, [Some("AccessDenied"), OWN, None, None])),
            (
                Ask::form("/oauth2/token", &[("grant_type", "client_credentials"), ("client_secret", GUESSED)]),
                said("oauth2", refused, 401, [Some("UnknownCaller"), None, None, None]),
            ),
            (about(&token), said("introspect", "accepted", 200, [None, OWN, ISSUER, None])),
            (about(GUESSED), said("introspect", denied, 200, [Some("malformed"), OWN, ISSUER, None])),
            (user(&token), said("authorize", "accepted", 200, [None, OWN, ISSUER, None])),
            (user(GUESSED), said("authorize", denied, 401, [Some("malformed"), OWN, ISSUER, None])),
            (
                Ask::get("/v1/authorize/users").bearer(ORDERS),
                said("authorize", refused, 401, [Some("TokenRequired"), OWN, ISSUER, None]),
            ),
            (event(&token), said("authorizer", "accepted", 200, [None, OWN, ISSUER, None])),
            (event(GUESSED), said("authorizer", denied, 200, [Some("malformed"), OWN, ISSUER, None])),
        ];
        let (asks, expected): (Vec<Ask>, Vec<Value>) = table.into_iter().unzip();
        for ask in asks {
            daemon.ask(ask).await;
        }
        // What is no decision about a credential has no line.
        for path in ["/healthz", "/readyz", "/v1/status", "/openapi.json", "/v1/nothing"] {
            daemon.get(path, ORDERS).await;
        }
        let lines = daemon.audited().await.split_off(before);
        assert_eq!(lines.iter().map(decided).collect::<Vec<_>>(), expected);
        let same: Vec<&str> = [0, 10, 13, 15, 18].iter().map(|number| fingerprint(&lines[*number])).collect();
        assert!(same.iter().all(|one| *one == same[0] && one.len() == 32), "one token, wherever it is seen: {same:?}");
        assert_ne!(fingerprint(&lines[14]), same[0]);
        let all = daemon.running.stdout.text();
        assert!(![GUESSED, ORDERS, REPORTS, &token].iter().any(|secret| all.contains(secret)), "{all}");
        assert_eq!(daemon.get("/v1/status", ORDERS).await.json()["audit"], json!({ "to": "stdout", "lines_lost": 0 }));
    })
    .await;
}

#[tokio::test]
async fn a_line_says_how_an_answer_stood_to_the_cache_and_what_the_upstream_calls_it() {
    limited(async {
        let site = Site::open().await;
        site.write("wrong.secret", "wrong\n");
        let daemon = site.daemon(&document()).await;
        for path in [
            PATH,
            PATH,
            "/v1/tokens/billing?scope=billing/read",
            "/v1/tokens/broken",
            "/v1/credentials/hub",
            "/v1/credentials/own",
        ] {
            daemon.get(path, ORDERS).await;
        }
        let lines = daemon.audited().await;
        let of = |name: &str| -> Vec<&Value> {
            // A first request may have been told to ask again.
            let wanted = |line: &&Value| line["name"] == name && line["reason"] != "CredentialsUninitialized";
            lines.iter().filter(wanted).collect()
        };
        let [first, again, narrow] = of("tokens.billing")[..] else { panic!("{lines:?}") };
        assert_eq!(again["cache"], "hit");
        assert_eq!(only(narrow, &["scope", "outcome"]), json!(["billing/read", "issued"]));
        assert_eq!(fingerprint(first), fingerprint(again));
        assert_ne!(fingerprint(first), fingerprint(narrow));
        let id = |line: &Value| line["upstream_request_id"].as_str().map(ToOwned::to_owned);
        assert!(id(first).is_some() && id(first) == id(again) && id(first) != id(narrow), "{lines:?}");
        assert_eq!(first["expires_at"].as_str().map(str::len), Some("2026-11-21T20:50:00Z".len()));
        let time = first["time"].as_str().unwrap();
        assert!(time.len() == "2026-11-21T20:50:00.123Z".len() && time.ends_with('Z'), "{time}");

        let broken = of("tokens.broken")[0];
        let expected = said("token", "failed", 502, [Some("UpstreamDenied"), OWN, Some("tokens.broken"), None]);
        assert_eq!(decided(broken), expected);
        assert!(id(broken).is_some() && broken["fingerprint"].is_null(), "{broken}");
        let hub = of("credentials.hub")[0];
        assert_eq!(only(hub, &["event", "outcome"]), json!(["credentials", "issued"]));
        assert!(id(hub).is_some() && fingerprint(hub).len() == 32, "{hub}");
        // Where the broker's own identity comes from nobody names a request.
        assert!(id(of("credentials.own")[0]).is_none());
    })
    .await;
}

#[tokio::test]
async fn a_line_says_by_what_the_caller_was_known_and_what_the_kernel_knows_of_it() {
    limited(async {
        let site = Site::open().await;
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        let allow = "allow = [\"tokens.billing\"]";
        let callers = [
            format!("[callers.by-all]\n{allow}\nuid = {uid}\ngid = {gid}\ntoken = {{ file = \"DIR/orders.token\" }}\n"),
            format!("[callers.by-uid]\n{allow}\nuid = {uid}\n"),
            caller("reports", &["tokens.billing"]),
        ]
        .concat();
        let daemon = site.daemon(&format!("{BILLING}{callers}")).await;
        daemon.ask_over(&daemon.unix(), Ask::get(PATH).bearer(ORDERS)).await;
        daemon.ask_over(&daemon.unix(), Ask::get(PATH)).await;
        daemon.get(PATH, REPORTS).await;
        daemon.ask_over(&daemon.v6(), Ask::get(PATH).header("credbroker-request", "true")).await;
        let lines = daemon.audited().await;
        let known: Vec<Value> =
            lines.iter().map(|line| only(line, &["caller", "known_by", "transport", "uid", "gid"])).collect();
        let pid = std::process::id();
        assert_eq!(
            known,
            [
                json!(["by-all", ["token", "uid", "gid"], "unix", uid, gid]),
                json!(["by-uid", ["uid"], "unix", uid, gid]),
                json!(["reports", ["token"], "tcp", uid, null]),
                json!(["by-uid", ["uid"], "tcp", uid, null]),
            ]
        );
        assert_eq!((&lines[0]["pid"], &lines[2]["pid"]), (&json!(pid), &Value::Null));
    })
    .await;
}

#[tokio::test]
async fn whoever_is_gone_before_the_answer_has_a_line_too() {
    limited(async {
        let site = Site::open().await;
        site.control().fault(Fault::always("token", FaultKind::Delay { milliseconds: 5_000 }));
        let daemon = site.daemon(&document()).await;
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
        let request = format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {ORDERS}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        site.asked_times("token", 1).await;
        drop(stream);
        let gone =
            until("a line about who is gone", Duration::from_secs(10), async || daemon.audited().await.pop()).await;
        assert_eq!(
            decided(&gone),
            json!(["token", "hung-up", null, null, "orders", "tokens.billing", null]),
            "unless it was answered first"
        );
    })
    .await;
}

#[tokio::test]
async fn with_a_key_the_fingerprint_is_the_same_after_a_restart_and_can_be_computed() {
    limited(async {
        let site = Site::open().await;
        site.write("audit.key", &format!("{KEY}\n"));
        let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
        let computed = |text: &str| {
            let tag = hmac::sign(&key, text.as_bytes());
            tag.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let keyed = format!("{}[audit]\nkey = {{ file = \"DIR/audit.key\" }}\n", document());
        for _ in 0..2 {
            let daemon = site.daemon(&keyed).await;
            let token = daemon.served(PATH, ORDERS).await.token();
            let own = daemon.served("/v1/credentials/hub", ORDERS).await.json();
            let lines = daemon.audited().await;
            let issued: Vec<&str> = lines.iter().filter(|line| line["outcome"] == "issued").map(fingerprint).collect();
            assert_eq!(issued, [computed(&token), computed(own["AccessKeyId"].as_str().unwrap())]);
            drop(daemon);
            std::fs::remove_file(site.dir.path().join("api.sock")).unwrap();
        }
        site.write("audit.key", "too short\n");
        let ended = site.launch(&keyed).fails().await;
        assert!(ended.code == Some(1) && ended.stderr.contains("less than 32 characters"), "{ended:?}");
        assert!(!ended.stderr.contains("too short"), "{ended:?}");
    })
    .await;
}
