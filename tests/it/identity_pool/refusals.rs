//! Subject tokens that are not taken, and requests that are none: nothing of it reaches the identity pool.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credbroker_emulator::{Fault, FaultKind, Mint, TokenUse};
use http::Method;
use serde_json::{Map, Value, json};

use super::{GET_CREDENTIALS, GET_ID, exchange, for_users, with_token};
use crate::client::{Answer, Ask};
use crate::daemon::Daemon;
use crate::documents::{ORDERS, REPORTS, ROLES, caller};
use crate::site::Site;
use crate::users::{id_token, mint, order};
use crate::waiting::limited;

const PATH: &str = "/v1/credentials/users";

fn claim(name: &str, value: &Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value.clone())])
}

/// The token with another part in the place of its `index`th.
fn with_part(token: &str, index: usize, part: &str) -> String {
    let mut parts: Vec<&str> = token.split('.').collect();
    parts[index] = part;
    parts.join(".")
}

fn encoded(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

/// Tokens that are not taken, and a word of the reason.
fn bad_tokens(site: &Site) -> Vec<(&'static str, String)> {
    let minted = |order: &Mint| mint(&site.control(), order);
    let good = id_token(site, "ann");
    let others = json!({ "sub": "bob", "aud": "7robotexampleclient", "token_use": "id", "exp": 4_000_000_000_u32 });
    vec![
        (
            "another issuer's",
            minted(&Mint { claims: claim("iss", &json!("https://login.evil.example")), ..order("ann") }),
        ),
        ("has expired", minted(&Mint { lifetime: -10, ..order("ann") })),
        ("a client that is not among", minted(&Mint { client_id: "8robotsecretclient".to_owned(), ..order("ann") })),
        ("signature is wrong", with_part(&good, 1, &encoded(&others))),
        ("signature is wrong", with_part(&good, 2, &"A".repeat(342))),
        ("wrong kind", minted(&Mint { token_use: TokenUse::Access, ..order("ann") })),
        (
            "key that its issuer does not publish",
            with_part(&good, 0, &encoded(&json!({ "alg": "RS256", "kid": "nobody's" }))),
        ),
        ("algorithm", with_part(&good, 0, &encoded(&json!({ "alg": "none" })))),
        ("not valid yet", minted(&Mint { claims: claim("nbf", &json!(4_000_000_000_u32)), ..order("ann") })),
        ("larger than 16 KiB", minted(&Mint { claims: claim("more", &json!("x".repeat(17_000))), ..order("ann") })),
        ("not a JWT", "opaque-token-5k2v".to_owned()),
        ("not a JWT", String::new()),
    ]
}

fn is_refused(answer: &Answer, status: u16, code: &str, word: &str) {
    assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{word}: {}", answer.text);
    assert_eq!(answer.members(), ["Code", "Message", "code", "message"]);
    assert!(answer.complaint().contains(word), "{word}: {}", answer.complaint());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

fn pool_was_asked(site: &Site) -> bool {
    !site.asked(GET_ID).is_empty() || !site.asked(GET_CREDENTIALS).is_empty()
}

#[tokio::test]
async fn each_bad_token_is_refused_with_its_reason_and_goes_no_further() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&for_users("")).await;
        for (word, token) in bad_tokens(&site) {
            let answer = exchange(&daemon, &token).await;
            is_refused(&answer, 400, "InvalidSubjectToken", word);
            let parts = token.split('.').filter(|part| part.len() > 8);
            assert!(parts.into_iter().all(|part| !answer.text.contains(part)), "{word}: the token is repeated");
        }
        assert!(!pool_was_asked(&site), "{:?}", site.operations());
        assert_eq!(exchange(&daemon, &id_token(&site, "ann")).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_body_without_one_subject_token_is_refused() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&for_users("")).await;
        let token = id_token(&site, "ann");
        let twice = Ask::form(PATH, &[("subject_token", &token), ("subject_token", &token)]);
        let bodies = [
            (Ask::form(PATH, &[]), 400, "InvalidRequest", "subject_token"),
            (Ask::form(PATH, &[("token", &token)]), 400, "InvalidRequest", "subject_token"),
            (Ask::json(PATH, &json!({ "subject_token": [token] })), 400, "InvalidRequest", "members are texts"),
            (Ask::of(Method::POST, PATH), 400, "InvalidRequest", "Content-Type"),
            (twice, 400, "InvalidRequest", "twice"),
            (Ask::form(PATH, &[("subject_token", &"x".repeat(70_000))]), 413, "RequestTooLarge", "larger"),
        ];
        for (ask, status, code, word) in bodies {
            is_refused(&daemon.ask(ask.bearer(ORDERS)).await, status, code, word);
        }
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_may_not_is_told_so_before_its_token_is_looked_at() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&format!("{}{}", for_users(""), caller("reports", &[]))).await;
        for token in [id_token(&site, "ann"), "nonsense".to_owned()] {
            let ask = |by: &str| Ask::form(PATH, &[("subject_token", &token)]).bearer(by);
            is_refused(&daemon.ask(ask(REPORTS)).await, 403, "AccessDenied", "credentials.users");
            is_refused(&daemon.ask(ask("nobody")).await, 401, "UnknownCaller", "Authorization");
        }
        assert_eq!(site.operations(), [""; 0], "not even the keys are fetched");
    })
    .await;
}

#[tokio::test]
async fn an_entry_takes_get_or_post_and_never_both() {
    limited(async {
        let site = Site::open().await;
        let document = for_users("").replace("[\"credentials.users\"]", "[\"credentials.users\", \"credentials.hub\"]");
        let daemon = site.daemon(&format!("{ROLES}{document}")).await;
        let method = async |method: Method, path: &str| daemon.ask(Ask::of(method, path).bearer(ORDERS)).await;
        for answer in [method(Method::GET, PATH).await, method(Method::PUT, PATH).await] {
            is_refused(&answer, 405, "MethodNotAllowed", "with the token as subject_token");
            assert_eq!(answer.header("allow"), Some("POST"));
        }
        let token = id_token(&site, "ann");
        let fixed = Ask::form("/v1/credentials/hub", &[("subject_token", &token)]).bearer(ORDERS);
        let answer = daemon.ask(fixed).await;
        is_refused(&answer, 405, "MethodNotAllowed", "GET, HEAD");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_the_issuers_trouble_and_not_the_tokens() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&for_users("")).await;
        let down = FaultKind::Status { status: 503, body: String::new(), headers: [].into() };
        site.control().fault(Fault::once("jwks", down));
        let answer = exchange(&daemon, &id_token(&site, "ann")).await;
        is_refused(&answer, 503, "UpstreamUnavailable", "issuers.users");
        assert!(answer.retry_after() >= 1);
        assert!(!pool_was_asked(&site));
    })
    .await;
}

/// The one place is taken by a fetch, so the next user is turned away, in words that speak of users.
#[tokio::test]
async fn more_users_at_once_than_there_is_room_for_are_asked_to_come_back() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&for_users("max_subjects = 1")).await;
        site.control().fault(Fault::once(GET_CREDENTIALS, FaultKind::Delay { milliseconds: 2_000 }));
        let first = tokio::spawn({
            let (ask, way) = (with_token(&id_token(&site, "ann")), daemon.v4());
            async move { ask.over(&way).await.unwrap() }
        });
        site.asked_times(GET_CREDENTIALS, 1).await;
        let crowded = exchange(&daemon, &id_token(&site, "bob")).await;
        is_refused(&crowded, 429, "TooManyRequests", "subject tokens");
        assert!(crowded.retry_after() <= 5, "Retry-After: {}", crowded.retry_after());
        assert_eq!(first.await.unwrap().status, 503, "it takes longer than a second");
        served_in_turn(&daemon, &site).await;
    })
    .await;
}

async fn served_in_turn(daemon: &Daemon, site: &Site) {
    let token = id_token(site, "bob");
    crate::waiting::until("bob is served", std::time::Duration::from_secs(10), async || {
        (exchange(daemon, &token).await.status == 200).then_some(())
    })
    .await;
}
