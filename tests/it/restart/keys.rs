//! The keys of issuers outlive the process: tokens are verified though nobody answers for the keys any more.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind, Mint, TokenUse};
use serde_json::{Value, json};

use super::kept;
use super::variants::{content, rewritten, sealed};
use crate::client::{Answer, Ask};
use crate::documents::{M2M_CLIENT, ORDERS, POOL, caller};
use crate::site::Site;
use crate::supervisor::{End, Supervisor};
use crate::waiting::{limited, limited_to};

/// An issuer, with more keys of its table.
fn document(more: &str) -> String {
    let users = format!("[issuers.users]\nuser_pool = \"{POOL}\"\n{more}\n");
    kept(&format!("drain = \"0s\"\n{users}{}", caller("orders", &["issuers.users"])))
}

fn down(site: &Site) {
    let down = FaultKind::Status { status: 503, body: String::new(), headers: [].into() };
    site.control().fault(Fault::always("jwks", down));
}

/// A token of a user of the pool.
fn token(site: &Site) -> String {
    let order = Mint {
        pool: POOL.to_owned(),
        client_id: M2M_CLIENT.to_owned(),
        username: "ann".to_owned(),
        sub: "ann-1".to_owned(),
        token_use: TokenUse::Access,
        lifetime: 3_600,
        claims: [("scope".to_owned(), json!("billing/read"))].into_iter().collect(),
    };
    site.control().mint_token(&order).unwrap()
}

/// What becomes of `token`.
async fn verified(service: &Supervisor, token: &str) -> Answer {
    let original = format!("Bearer {token}");
    let ask = Ask::get("/v1/authorize/users").bearer(ORDERS).header("x-original-authorization", &original);
    service.daemon.ask(ask).await
}

/// The issuer as the status has it: which keys are held, since when and until when.
async fn held(service: &Supervisor) -> [Value; 4] {
    let row = service.daemon.get("/v1/status", ORDERS).await.json()["issuers"][0].clone();
    ["state", "key_ids", "fetched_at", "refresh_due_at"].map(|member| row[member].clone())
}

#[tokio::test]
async fn tokens_are_verified_with_the_keys_of_the_last_process() {
    limited(async {
        let site = Site::open().await;
        let mut service = Supervisor::start(site.launch(&document(""))).await;
        let token = token(&site);
        assert_eq!(verified(&service, &token).await.status, 200);
        let before = held(&service).await;
        down(&site);
        service.restart().await;
        assert_eq!(held(&service).await, before, "as old as they were, and looked at again when they were to be");
        assert_eq!(verified(&service, &token).await.status, 200);
        service.launch_with(site.launch(&document("scopes = [\"billing/write\"]")));
        service.restart().await;
        assert_eq!(
            verified(&service, &token).await.status,
            403,
            "what is asked of tokens is what the configuration says now"
        );
        assert_eq!(site.operations(), ["jwks"]);
        assert!(service.daemon.logged().await.contains("left_out=0 caller_tokens=0 key_sets=1"));
    })
    .await;
}

#[tokio::test]
async fn keys_of_another_place_or_that_are_none_are_not_used() {
    limited_to(Duration::from_secs(60), async {
        let site = Site::open().await;
        let token = token(&site);
        let elsewhere = document("").replace(
            &format!("user_pool = \"{POOL}\""),
            "issuer = \"https://login.example\"\njwks_uri = \"EMULATOR/eu-west-1_AbCd12345/.well-known/jwks.json\"",
        );
        let other = |change: fn(&mut Value)| Some(change);
        let variants = [
            ("elsewhere", elsewhere, None),
            ("none", document(""), other(|row| row["value"] = json!({ "keys": { "keys": [] } }))),
            ("no set", document(""), other(|row| row["value"] = json!({ "keys": "keys" }))),
            (
                "over",
                document(""),
                other(|row| {
                    (row["refresh_due"], row["expiry"]) = (row["issued_at"].clone(), row["issued_at"].clone());
                }),
            ),
            ("for ever", document(""), other(|row| row["expiry"] = json!(u64::MAX))),
            ("a caller's", document(""), other(|row| row["caller"] = json!("orders"))),
            (
                "a token's",
                document(""),
                other(|row| row["value"] = json!({ "token": { "token": "t", "scope": null } })),
            ),
            ("another issuer's", document(""), other(|row| row["name"] = json!("issuers.others"))),
        ];
        let mut service = Supervisor::start(site.launch(&document(""))).await;
        for (what, next, change) in variants {
            service.launch_with(site.launch(&document("")));
            service.restart().await;
            assert_eq!(verified(&service, &token).await.status, 200, "{what}");
            service.daemon.running.signal("TERM").await;
            assert_eq!(service.ended().await, End::Itself(0));
            if let Some(change) = change {
                service.change_store(|store| {
                    let bytes = rewritten(&content(&store[0]), |document| change(&mut document["leases"][0]));
                    store[0].fd = sealed(&bytes);
                });
            }
            down(&site);
            service.launch_with(site.launch(&next));
            service.start_again().await;
            assert_eq!(verified(&service, &token).await.status, 503, "{what}");
            assert!(service.daemon.logged().await.contains("leases=0 left_out=1 caller_tokens=0 key_sets=0"), "{what}");
            site.control().clear_faults();
        }
    })
    .await;
}
