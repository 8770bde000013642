//! Tokens that are not accepted: the proxy, the gateway and the command line agree on every one of them.

use credbroker_emulator::{Mint, TokenUse};
use ring::{digest, hmac};
use serde_json::json;

use super::{USERS, asked, document, forged, header, minted, published, valid};
use crate::client::Ask;
use crate::documents::{BILLING, M2M_CLIENT, ORDERS, POOL, caller};
use crate::site::{Site, credbroker};
use crate::waiting::{limited, wall};

const ROBOT_CLIENT: &str = "7robotexampleclient";

/// Each with the words of its refusal.
async fn bad_tokens(site: &Site) -> Vec<(&'static str, String, &'static str)> {
    let good = valid(site);
    let scope = json!({ "scope": "billing/read" });
    let elsewhere = json!({ "scope": "billing/read", "iss": "https://login.evil.example" });
    let own = header(&good);
    let with = |name: &str, value: &str| {
        let mut header = own.clone();
        header[name] = json!(value);
        header
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, &published(site, own["kid"].as_str().unwrap()).await);
    let keyed = |message: &[u8]| hmac::sign(&key, message).as_ref().to_vec();
    let garbage = |message: &[u8]| digest::digest(&digest::SHA256, message).as_ref().repeat(8);
    vec![
        ("expired", minted(site, M2M_CLIENT, -3600, &scope), "the token has expired"),
        ("issuer", minted(site, M2M_CLIENT, 3600, &elsewhere), "the token is another issuer's"),
        ("client", minted(site, ROBOT_CLIENT, 3600, &scope), "to a client that is not among the accepted ones"),
        ("none", forged(&good, &with("alg", "none"), |_| Vec::new()), "not signed with an algorithm"),
        ("hs256", forged(&good, &with("alg", "HS256"), keyed), "not signed with an algorithm"),
        ("kid", forged(&good, &with("kid", "unknown"), garbage), "a key that its issuer does not publish"),
        ("signature", forged(&good, &own, garbage), "signature is wrong"),
        ("nothing", "nothing".to_owned(), "the token"),
    ]
}

#[tokio::test]
async fn a_proxy_is_told_why_and_nothing_of_the_token() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        for (name, token, why) in bad_tokens(&site).await {
            let answer = asked(&daemon, "", &token).await;
            assert_eq!((answer.status, answer.json()["error"].as_str()), (401, Some("invalid_token")), "{name}");
            let told = answer.header("www-authenticate").unwrap();
            assert!(
                told.starts_with("Bearer realm=\"credbroker\", error=\"invalid_token\", error_description=\""),
                "{told}"
            );
            assert!(told.contains(why) && !told.contains("evil"), "{name}: {told}");
            assert!(answer.header("x-auth-subject").is_none(), "{name}");
            let signature = token.rsplit_once('.').map_or(&*token, |(_, signature)| signature);
            let logged = daemon.logged().await;
            assert!(name == "nothing" || signature.is_empty() || !logged.contains(signature), "{name} is in the log");
        }
        let without = minted(&site, M2M_CLIENT, 3600, &json!({ "scope": "billing/write" }));
        let answer = asked(&daemon, "", &without).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (403, Some("insufficient_scope")));
        let told = answer.header("www-authenticate").unwrap();
        assert!(told.contains("error=\"insufficient_scope\"") && told.ends_with("scope=\"billing/read\""), "{told}");
    })
    .await;
}

#[tokio::test]
async fn a_gateway_denies_and_the_command_line_exits_with_1() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let lacking = minted(&site, M2M_CLIENT, 3600, &json!({ "scope": "billing/write" }));
        let bad = bad_tokens(&site).await.into_iter().map(|(name, token, _)| (name, token));
        for (name, token) in bad.chain([("scope", lacking)]) {
            let event = json!({ "type": "TOKEN", "authorizationToken": token, "methodArn": super::gateway::METHOD });
            let answer = daemon.ask(Ask::json(super::gateway::PATH, &event).bearer(ORDERS)).await;
            let statement = &answer.json()["policyDocument"]["Statement"][0];
            assert_eq!((answer.status, &statement["Effect"]), (200, &json!("Deny")), "{name}");
            let environment = [("CREDBROKER_URL", &*daemon.url()), ("CREDBROKER_TOKEN", ORDERS)];
            let ended = credbroker(&daemon.dir, &["verify", "--issuer", "users", &token], &environment).await;
            assert_eq!((ended.code, &*ended.stdout), (Some(1), "{\"active\":false}\n"), "{name}: {}", ended.stderr);
            assert!(!ended.stderr.contains(&token), "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_id_token_is_for_the_client_it_was_issued_to() {
    limited(async {
        let site = Site::open().await;
        let people =
            document().replace("\"access\"", "\"id\"").replace("scopes ", "# ").replace(M2M_CLIENT, ROBOT_CLIENT);
        let daemon = site.daemon(&people).await;
        let minted = |client: &str, token_use| {
            let order = Mint {
                pool: POOL.to_owned(),
                client_id: client.to_owned(),
                username: "ann".to_owned(),
                sub: "ann-1".to_owned(),
                token_use,
                lifetime: 3600,
                claims: serde_json::Map::new(),
            };
            site.control().mint_token(&order).unwrap()
        };
        let own = asked(&daemon, "", &minted(ROBOT_CLIENT, TokenUse::Id)).await;
        assert_eq!((own.status, own.header("x-auth-client")), (200, Some(ROBOT_CLIENT)), "{}", own.text);
        assert_eq!(own.header("x-auth-scope"), None, "an ID token grants no scopes");
        for (token, why) in [
            (minted(M2M_CLIENT, TokenUse::Id), "client"),
            (minted(ROBOT_CLIENT, TokenUse::Access), "of the wrong kind"),
        ] {
            let answer = asked(&daemon, "", &token).await;
            assert_eq!(answer.status, 401, "{why}");
            assert!(answer.header("www-authenticate").unwrap().contains(why), "{answer:?}");
        }
    })
    .await;
}

/// A source says when its own values end, and nothing of those of others.
#[tokio::test]
async fn no_date_of_a_source_makes_an_expired_token_valid_or_a_good_one_expired() {
    const HOUR: i64 = 3_600;
    for ahead in [-HOUR, HOUR] {
        limited(async {
            let site = Site::open().await;
            let daemon = site
                .daemon(&format!("{USERS}{BILLING}{}", caller("orders", &["issuers.users", "tokens.billing"])))
                .await;
            site.control().clock_offset(ahead);
            daemon.served("/v1/tokens/billing", ORDERS).await;
            let clock = daemon.get("/v1/status", ORDERS).await.json()["clock"].clone();
            assert_eq!(clock["state"], "wrong", "the broker has heard what time it is there: {clock}");
            for (left, expected) in [(-600.0, 401), (600.0, 200)] {
                let claims = json!({ "scope": "billing/read", "iat": 0, "nbf": 0, "exp": wall() + left });
                let token = minted(&site, M2M_CLIENT, HOUR, &claims);
                let answer = asked(&daemon, "", &token).await;
                assert_eq!(answer.status, expected, "{left} s left, the source {ahead} s ahead: {}", answer.text);
            }
        })
        .await;
    }
}
