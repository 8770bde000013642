//! Asking for a token: what the answer looks like.

use http::Method;

use crate::client::{Answer, Ask};
use crate::documents::{BILLING, LEDGER, M2M_CLIENT, ORDERS, ROBOT, billing_for_orders, caller};
use crate::jwt::{claims, expiry};
use crate::site::Site;
use crate::waiting::limited;

/// `2026-11-21T10:00:00Z`, as seconds since the epoch.
pub fn seconds_of(instant: &str) -> i64 {
    let whole =
        instant.len() == "2026-11-21T10:00:00Z".len() && instant.ends_with('Z') && instant.as_bytes()[10] == b'T';
    assert!(whole, "{instant} is not RFC 3339 with whole seconds and a Z");
    instant.parse::<jiff::Timestamp>().unwrap().as_second()
}

fn is_never_stored(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
}

#[tokio::test]
async fn a_token_has_exactly_the_members_of_the_contract() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let answer = daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.members(), ["access_token", "expires_at", "expires_in", "scope", "token_type"]);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        is_never_stored(&answer);

        let body = answer.json();
        let token = answer.token();
        assert_eq!(
            (claims(&token)["client_id"].as_str(), claims(&token)["token_use"].as_str()),
            (Some(M2M_CLIENT), Some("access"))
        );
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(
            body["scope"], "billing/read billing/write",
            "Cognito answers no scope, so it is the token's own claim"
        );
        let left = body["expires_in"].as_u64().unwrap();
        assert!((3_590..=3_600).contains(&left), "{left} s are left of an hour");
        // The instant is computed back from a count of seconds, and cut to whole ones: one second early is right, one late is not.
        let early = i64::from(expiry(&token)) - seconds_of(body["expires_at"].as_str().unwrap());
        assert!((0..=1).contains(&early), "expires_at is {early} s before the token's own exp");
    })
    .await;
}

#[tokio::test]
async fn the_second_answer_is_the_first_ones_token_from_the_cache() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let first = daemon.get("/v1/tokens/billing", ORDERS).await;
        let second = daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!((first.cache(), second.cache()), ("miss", "hit"));
        assert_eq!(first.token(), second.token());
        assert_eq!(site.operations(), ["token"]);
    })
    .await;
}

#[tokio::test]
async fn a_program_that_wants_text_gets_the_bare_token() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let bare = daemon.ask(Ask::get("/v1/tokens/billing").bearer(ORDERS).header("accept", "text/plain")).await;
        assert_eq!(bare.status, 200, "{}", bare.text);
        assert!(bare.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{bare:?}");
        is_never_stored(&bare);
        assert_eq!(bare.text, daemon.get("/v1/tokens/billing", ORDERS).await.token());
    })
    .await;
}

#[tokio::test]
async fn a_scope_narrows_the_token_by_one_more_request() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let whole = daemon.get("/v1/tokens/billing", ORDERS).await.token();
        let narrow = daemon.get("/v1/tokens/billing?scope=billing%2Fread", ORDERS).await;
        assert_eq!(claims(&narrow.token())["scope"], "billing/read");
        assert_eq!(narrow.json()["scope"], "billing/read");
        let again = daemon.get("/v1/tokens/billing?scope=billing/read", ORDERS).await;
        assert_eq!((again.cache(), again.token()), ("hit", narrow.token()));
        let all = daemon.get("/v1/tokens/billing?scope=billing/write%20billing/read", ORDERS).await;
        assert_eq!((all.cache(), all.token()), ("hit", whole), "all scopes in another order are the whole token");
        let asked: Vec<_> =
            site.asked("token").into_iter().map(|asked| asked.parameters["scopes"].to_string()).collect();
        assert_eq!(asked, [r#"["billing/read","billing/write"]"#, r#"["billing/read"]"#]);
    })
    .await;
}

#[tokio::test]
async fn a_wider_scope_is_refused_without_asking() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&format!("{LEDGER}{}", caller("orders", &["tokens.ledger"]))).await;
        // The app client may have billing/write; this entry is not configured for it.
        for query in ["scope=billing/write", "scope=billing/read%20billing/write", "scope=*"] {
            let answer = daemon.get(&format!("/v1/tokens/ledger?{query}"), ORDERS).await;
            assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_scope")), "{query}");
            assert_eq!(answer.members(), ["error", "error_description"]);
        }
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn get_client_token_and_a_machine_user_give_tokens_too() {
    limited(async {
        let site = Site::open().await;
        let document = format!("{LEDGER}{ROBOT}{}", caller("orders", &["tokens.ledger", "tokens.robot"]));
        let daemon = site.daemon(&document).await;
        let ledger = daemon.get("/v1/tokens/ledger", ORDERS).await;
        assert_eq!(claims(&ledger.token())["scope"], "billing/read");
        assert_eq!(ledger.json()["scope"], "billing/read");
        let robot = daemon.get("/v1/tokens/robot", ORDERS).await;
        assert_eq!(claims(&robot.token())["token_use"], "id");
        let asked = site.control().journal();
        assert_eq!(asked.iter().map(|asked| &*asked.operation).collect::<Vec<_>>(), ["GetClientToken", "InitiateAuth"]);
        assert!(asked.iter().all(|asked| asked.principal.is_none()), "neither is signed");
    })
    .await;
}

#[tokio::test]
async fn head_is_get_without_a_body_and_other_methods_are_refused() {
    limited(async {
        let site = Site::open().await;
        let document = format!(
            "{BILLING}[credentials.own]\nfrom = \"ambient\"\n{}",
            caller("orders", &["tokens.billing", "credentials.own"])
        );
        let daemon = site.daemon(&document).await;
        let head = daemon.ask(Ask::of(Method::HEAD, "/v1/tokens/billing").bearer(ORDERS)).await;
        assert_eq!((head.status, head.cache(), &*head.text), (200, "miss", ""));
        is_never_stored(&head);
        for path in ["/v1/tokens/billing", "/v1/credentials/own", "/v1/status", "/healthz"] {
            for method in [Method::POST, Method::PUT, Method::DELETE] {
                let answer = daemon.ask(Ask::of(method.clone(), path).bearer(ORDERS)).await;
                assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn both_loopback_families_and_the_unix_socket_answer() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let ask = Ask::get("/v1/tokens/billing").bearer(ORDERS);
        let mut tokens = vec![daemon.ask_over(&daemon.v4(), ask.clone()).await.token()];
        tokens.push(daemon.ask_over(&daemon.unix(), ask.clone()).await.token());
        if crate::daemon::holds("::1", 0).is_ok() {
            tokens.push(daemon.ask_over(&daemon.v6(), ask.clone()).await.token());
        }
        tokens.dedup();
        assert_eq!((tokens.len(), site.operations().len()), (1, 1), "one token, however it is asked for");
    })
    .await;
}

#[tokio::test]
async fn a_token_is_taken_with_and_without_its_scheme() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        for value in [format!("Bearer {ORDERS}"), format!("bearer {ORDERS}"), ORDERS.to_owned()] {
            let answer = daemon.ask(Ask::get("/v1/tokens/billing").header("authorization", &value)).await;
            assert_eq!(answer.status, 200, "{value}: {}", answer.text);
        }
    })
    .await;
}
