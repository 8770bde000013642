//! A user's identity is looked up once, and is whatever the pool last called it; credentials end when the user's token does.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind, Mint};
use serde_json::json;

use super::{CLASSIC, GET_CREDENTIALS, GET_ID, each, exchange, for_users, given_out, key_of};
use crate::asking::seconds_of;
use crate::jwt::expiry;
use crate::site::Site;
use crate::users::{id_token, login_of, mint, order};
use crate::waiting::{limited, until};

#[tokio::test]
async fn a_user_is_looked_up_once_however_many_tokens_he_brings() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&for_users("")).await;
        let mut keys = Vec::new();
        for name in ["ann", "ann", "bob", "ann"] {
            let answer = exchange(&daemon, &id_token(&site, name)).await;
            assert_eq!((answer.status, answer.cache()), (200, "miss"), "{}", answer.text);
            keys.push(key_of(&answer));
        }
        assert_eq!(site.asked(GET_ID).len(), 2, "one for ann, one for bob");
        let given = given_out(&site);
        let whose: Vec<_> = keys.iter().map(|key| given[key].clone()).collect();
        assert_eq!(whose, ["ann", "ann", "bob", "ann"].map(login_of));
        let identities = each(&site, GET_CREDENTIALS, "identity_id");
        assert_eq!((&identities[0], &identities[0]), (&identities[1], &identities[3]));
        assert_ne!(identities[0], identities[2]);
    })
    .await;
}

#[tokio::test]
async fn an_identity_that_became_part_of_another_is_adopted() {
    limited(async {
        for more in ["", "flow = \"basic\"\nrole_arn = \"arn:aws:iam::111122223333:role/classic\""] {
            let site = Site::open().await;
            let document = for_users(more);
            let document = if more.is_empty() { document } else { document.replace(super::ENHANCED, CLASSIC) };
            let operation = if more.is_empty() { GET_CREDENTIALS } else { "GetOpenIdToken" };
            let daemon = site.daemon(&document).await;
            let served = async || assert_eq!(exchange(&daemon, &id_token(&site, "ann")).await.status, 200);
            served().await;
            let old = each(&site, operation, "identity_id")[0].clone();
            let new = json!(site.control().merge_identities(old.as_str().unwrap(), None).unwrap());
            served().await;
            served().await;
            assert_eq!(each(&site, operation, "identity_id"), [old.clone(), old, new], "{operation}");
            assert_eq!(site.asked(GET_ID).len(), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn an_identity_that_the_pool_refuses_is_looked_up_again() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&for_users("")).await;
        assert_eq!(exchange(&daemon, &id_token(&site, "ann")).await.status, 200);
        let gone = FaultKind::Error { code: "ResourceNotFoundException".into(), status: 400, message: String::new() };
        site.control().fault(Fault::once(GET_CREDENTIALS, gone));
        let refused = exchange(&daemon, &id_token(&site, "ann")).await;
        assert_eq!((refused.status, &refused.json()["code"]), (502, &json!("UpstreamMisconfigured")));
        let again = exchange(&daemon, &id_token(&site, "ann")).await;
        assert_eq!(again.status, 200, "{}", again.text);
        assert_eq!(site.asked(GET_ID).len(), 2);
    })
    .await;
}

#[tokio::test]
async fn credentials_never_outlive_the_subject_token() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&for_users("")).await;
        let token = mint(&site.control(), &Mint { lifetime: 60, ..order("ann") });
        let answer = exchange(&daemon, &token).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let early = i64::from(expiry(&token)) - seconds_of(answer.json()["Expiration"].as_str().unwrap());
        assert!((0..=1).contains(&early), "they end {early} s before the token");
        assert_eq!(each(&site, GET_CREDENTIALS, "granted_seconds"), [3_600], "the pool would have given an hour");
    })
    .await;
}

#[tokio::test]
async fn a_token_that_ends_takes_its_credentials_with_it() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&for_users("")).await;
        let token = mint(&site.control(), &Mint { lifetime: 3, ..order("ann") });
        assert_eq!(exchange(&daemon, &token).await.status, 200);
        // In its last moment the pool may be the one to say so: its clock is read later.
        let ended = until("the token's end", Duration::from_secs(10), async || {
            Some(exchange(&daemon, &token).await).filter(|answer| !matches!(answer.status, 200 | 502))
        })
        .await;
        assert_eq!((ended.status, &ended.json()["code"]), (400, &json!("InvalidSubjectToken")), "{}", ended.text);
        assert!(ended.complaint().contains("expired"), "{}", ended.complaint());
    })
    .await;
}
