//! What a proxy is told, and whose header is whose.

use credbroker_emulator::{Fault, FaultKind};
use http::Method;
use serde_json::json;

use super::{asked, by_uid, document, forged, minted, valid};
use crate::client::{Answer, Ask};
use crate::documents::{M2M_CLIENT, ORDERS, REPORTS};
use crate::site::Site;
use crate::waiting::limited;

const PATH: &str = "/v1/authorize/users";

fn challenge(answer: &Answer) -> &str {
    answer.header("www-authenticate").unwrap_or_default()
}

#[tokio::test]
async fn a_valid_token_is_let_in_with_what_it_says() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let token = format!("Bearer {}", valid(&site));
        for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE, Method::OPTIONS] {
            let ask = Ask::of(method.clone(), PATH).bearer(ORDERS).header("x-original-authorization", &token);
            let answer = daemon.ask(ask).await;
            assert_eq!(answer.status, 200, "{method}: {}", answer.text);
            let said = ["x-auth-subject", "x-auth-client", "x-auth-scope"].map(|name| answer.header(name));
            assert_eq!(said, [Some("ann-1"), Some(M2M_CLIENT), Some("billing/read billing/write")], "{method}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
        assert_eq!(site.operations(), ["jwks"], "the keys are fetched once");
    })
    .await;
}

#[tokio::test]
async fn what_no_header_carries_is_left_out() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let token =
            minted(&site, M2M_CLIENT, 3600, &json!({ "scope": "billing/read", "sub": "ann\r\nX-Auth-Scope: all" }));
        let answer = asked(&daemon, "", &token).await;
        assert_eq!((answer.status, answer.header("x-auth-subject")), (200, None), "{}", answer.text);
        assert_eq!(answer.header("x-auth-scope"), Some("billing/read"));
    })
    .await;
}

#[tokio::test]
async fn scopes_that_the_request_asks_for_are_required_too() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let token = valid(&site);
        assert_eq!(asked(&daemon, "?scope=billing/write", &token).await.status, 200);
        assert_eq!(asked(&daemon, "?scope=billing/write&path=/x?scope=admin", &token).await.status, 200);
        let lacking = asked(&daemon, "?scope=admin%20billing/write", &token).await;
        assert_eq!((lacking.status, lacking.json()["error"].as_str()), (403, Some("insufficient_scope")));
        let told = challenge(&lacking);
        assert!(told.contains("error=\"insufficient_scope\""), "{told}");
        assert!(told.contains("scope=\"admin billing/read billing/write\""), "{told}");
        assert!(lacking.header("x-auth-subject").is_none());
        assert_eq!(asked(&daemon, "?scop=billing/write", &token).await.status, 400, "a typo asks for nothing");
    })
    .await;
}

#[tokio::test]
async fn without_a_token_there_is_a_challenge_and_no_error() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let own = Ask::get(PATH).bearer(ORDERS);
        for ask in [own.clone(), own.clone().header("x-original-authorization", "Basic YW5uOnB3"), own] {
            let answer = daemon.ask(ask).await;
            assert_eq!((answer.status, challenge(&answer)), (401, "Bearer realm=\"credbroker\""), "{}", answer.text);
        }
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_proxy_known_by_its_uid_passes_the_users_header_on() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&by_uid()).await;
        let token = valid(&site);
        let ask = async |ask: Ask| daemon.ask_over(&daemon.unix(), ask).await;
        // As Traefik, Caddy and Envoy send it: with the host and the headers of the original.
        let original = Ask::get(PATH).header("host", "shop.example").header("x-forwarded-for", "10.0.0.1");
        let admitted = ask(original.clone().bearer(&token)).await;
        assert_eq!((admitted.status, admitted.header("x-auth-subject")), (200, Some("ann-1")), "{}", admitted.text);
        let bare = ask(original.clone()).await;
        assert_eq!((bare.status, challenge(&bare)), (401, "Bearer realm=\"credbroker\""));
        assert_eq!(ask(original.clone().bearer("guessed")).await.json()["error"], "invalid_token");
        let header = format!("Bearer {token}");
        assert_eq!(ask(Ask::get(PATH).header("x-original-authorization", &header)).await.status, 200);
        assert_eq!(ask(original.bearer(&token).header("x-original-authorization", &header)).await.status, 200);

        let unsigned = forged(&token, &json!({ "alg": "none" }), |_| Vec::new());
        let smuggled = Ask::get(PATH).bearer(&unsigned).header("x-original-authorization", &header);
        assert_eq!(ask(smuggled).await.status, 400, "the service behind would see a token that nobody verified");
    })
    .await;
}

/// The same on TCP, where such a proxy has to show that it means it and leaves out what tells a proxy.
#[tokio::test]
async fn a_proxy_known_by_its_uid_asks_over_tcp() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&by_uid()).await;
        let token = valid(&site);
        let header = format!("Bearer {token}");
        assert_eq!(daemon.ask(Ask::get(PATH)).await.status, 403, "it does not show that it means it");
        assert_eq!(daemon.ask(Ask::get(PATH).header("x-original-authorization", &header)).await.status, 403);

        let means_it = Ask::get(PATH).header("credbroker-request", "true");
        let forwarded = means_it.clone().bearer(&token).header("x-forwarded-for", "10.0.0.1");
        assert_eq!(daemon.ask(forwarded).await.status, 403, "on TCP no proxy adds its headers");
        for shown in [
            Ask::get(PATH).bearer(&token),
            means_it.clone().bearer(&token),
            means_it.clone().header("x-original-authorization", &header),
        ] {
            let admitted = daemon.ask(shown).await;
            assert_eq!((admitted.status, admitted.header("x-auth-subject")), (200, Some("ann-1")), "{}", admitted.text);
        }
        let bare = daemon.ask(means_it.clone()).await;
        assert_eq!((bare.status, challenge(&bare)), (401, "Bearer realm=\"credbroker\""));
        assert_eq!(daemon.ask(means_it.bearer("guessed")).await.json()["error"], "invalid_token");

        let unsigned = forged(&token, &json!({ "alg": "none" }), |_| Vec::new());
        let smuggled = Ask::get(PATH).bearer(&unsigned).header("x-original-authorization", &header);
        assert_eq!(daemon.ask(smuggled).await.status, 400, "the service behind would see a token that nobody verified");
    })
    .await;
}

#[tokio::test]
async fn a_users_token_makes_nobody_a_caller() {
    limited(async {
        let site = Site::open().await;
        let token = valid(&site);
        let known = site.daemon(&document()).await;
        let refused = known.ask(Ask::get(PATH).bearer(&token)).await;
        assert_eq!((refused.status, refused.json()["error"].as_str()), (401, Some("invalid_client")));
        assert_eq!(known.ask_over(&known.unix(), Ask::get(PATH).bearer(&token)).await.status, 401);
        drop(known);

        let anonymous =
            site.daemon(&format!("{}[callers.anonymous]\nallow = [\"issuers.users\"]\n", super::USERS)).await;
        assert_eq!(anonymous.ask(Ask::get(PATH).bearer(&token)).await.status, 401, "a wrong token is never forgiven");
        let original = Ask::get(PATH).header("x-original-authorization", &format!("Bearer {token}"));
        assert_eq!(anonymous.ask(original.clone()).await.status, 403, "it does not show that it means it");
        assert_eq!(anonymous.ask(original.header("credbroker-request", "true")).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_may_not_use_the_issuer_learns_nothing() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let original = format!("Bearer {}", valid(&site));
        let ask = |path: &str, token: &str| Ask::get(path).bearer(token).header("x-original-authorization", &original);
        let refused = daemon.ask(ask(PATH, REPORTS)).await;
        assert_eq!((refused.status, refused.json()["error"].as_str()), (403, Some("access_denied")));
        assert_eq!(challenge(&refused), "", "it is not the user's token that is lacking");
        assert_eq!(daemon.ask(ask("/v1/authorize/nothing", ORDERS)).await.status, 404);
        assert_eq!(daemon.ask(ask("/v1/authorize/users/more", ORDERS)).await.status, 404);
        let forwarded = daemon.ask(ask(PATH, ORDERS).header("x-forwarded-for", "10.0.0.1")).await;
        assert_eq!(forwarded.status, 403, "on TCP no proxy adds its headers");
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn without_keys_nobody_is_let_in_or_blamed() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let down = FaultKind::Status { status: 503, body: String::new(), headers: [].into() };
        site.control().fault(Fault::always("jwks", down));
        let answer = asked(&daemon, "", &valid(&site)).await;
        assert_eq!((answer.status, challenge(&answer)), (503, ""), "{}", answer.text);
        assert!(answer.retry_after() >= 1);
    })
    .await;
}
