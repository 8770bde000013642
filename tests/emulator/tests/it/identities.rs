//! Identity pools beyond one user: minted tokens, merged identities, tags, the basic flow, chosen roles.

use credbroker_emulator::{Issuer, Mint, TokenUse};
use serde_json::{Value, json};

use crate::identity_pool::{IDENTITY_POOL, LOGIN, OWN, ask, get_id, refused};
use crate::signer::{Keys, broker};
use crate::sts::{assume, refused as refused_by_sts};
use crate::wire::{Answer, Fixture, POOL, ROBOT_CLIENT, claims};

const CLASSIC_POOL: &str = "eu-west-1:99998888-7777-4666-8555-444433332222";
const DEVELOPER: &str = "AWSCognitoIdentityService.GetOpenIdTokenForDeveloperIdentity";

fn order(number: u32) -> Mint {
    Mint {
        pool: POOL.into(),
        client_id: ROBOT_CLIENT.into(),
        username: format!("user-{number}"),
        sub: format!("sub-{number}"),
        token_use: TokenUse::Id,
        lifetime: 3600,
        claims: serde_json::Map::new(),
    }
}

fn with(claims: Value) -> Mint {
    Mint { claims: claims.as_object().unwrap().clone(), ..order(1) }
}

fn minted(emulator: &Fixture, order: &Mint) -> String {
    emulator.control().mint_token(order).unwrap()
}

async fn credentials(emulator: &Fixture, id: &Value, logins: Value) -> Answer {
    ask(emulator, "GetCredentialsForIdentity", &json!({ "IdentityId": id, "Logins": logins })).await
}

async fn identity(emulator: &Fixture, logins: &Value) -> Value {
    get_id(emulator, logins).await.json()["IdentityId"].clone()
}

async fn developer(emulator: &Fixture, change: Value) -> Answer {
    let mut body = json!({ "IdentityPoolId": IDENTITY_POOL, "Logins": { "login.acme": "worker-1" } });
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    broker().json(emulator, "cognito-identity", DEVELOPER, &body).await
}

#[tokio::test]
async fn many_users_without_a_world_of_them() {
    let emulator = Fixture::start().await;
    let mut seen = std::collections::HashSet::new();
    for number in 0..50 {
        let logins = json!({ LOGIN: minted(&emulator, &order(number)) });
        let id = identity(&emulator, &logins).await;
        assert_eq!(credentials(&emulator, &id, logins).await.status, 200);
        assert!(seen.insert(id.to_string()));
    }
    let content = claims(&minted(&emulator, &with(json!({ "team": "a", "origin_jti": null }))));
    assert_eq!((&content["cognito:username"], &content["team"]), (&json!("user-1"), &json!("a")));
    assert!(content.get("origin_jti").is_none());
    let access = claims(&minted(&emulator, &Mint { token_use: TokenUse::Access, ..order(1) }));
    assert_eq!((&access["client_id"], access.get("aud")), (&json!(ROBOT_CLIENT), None));

    let expired = json!({ LOGIN: minted(&emulator, &Mint { lifetime: -1, ..order(1) }) });
    refused(&get_id(&emulator, &expired).await, "Invalid login token. Token expired:");
    let stranger = json!({ LOGIN: minted(&emulator, &with(json!({ "aud": "another" }))) });
    refused(&get_id(&emulator, &stranger).await, "Invalid login token. Incorrect token audience.");
    assert_eq!(emulator.control().mint_token(&Mint { pool: "nope".into(), ..order(1) }), None);
    assert_eq!(emulator.control().mint_token(&Mint { client_id: "nope".into(), ..order(1) }), None);
}

#[tokio::test]
async fn minting_and_merging_over_http() {
    let emulator = Fixture::start().await;
    let order = async |name: &str, body: Value| {
        emulator.send("POST", &format!("/_emulator/{name}"), &[], &body.to_string()).await
    };
    let mint = json!({ "pool": POOL, "client_id": ROBOT_CLIENT, "username": "ann", "sub": "s-1" });
    let token = order("mint-token", mint.clone()).await.json()["token"].clone();
    let id = identity(&emulator, &json!({ LOGIN: token })).await;
    let merged = order("merge-identities", json!({ "identity_id": id })).await.json()["identity_id"].clone();
    assert_eq!(credentials(&emulator, &id, json!({ LOGIN: token })).await.json()["IdentityId"], merged);
    let mut unknown = mint;
    unknown["pool"] = json!("nope");
    assert_eq!(order("mint-token", unknown).await.status, 404);
    assert_eq!(order("mint-token", json!({ "pool": POOL })).await.status, 400);
    assert_eq!(order("merge-identities", json!({ "identity_id": "nope" })).await.status, 404);
}

#[tokio::test]
async fn a_merged_identity_answers_with_the_other_id() {
    let emulator = Fixture::start().await;
    let (ann, bob) = (json!({ LOGIN: minted(&emulator, &order(1)) }), json!({ LOGIN: minted(&emulator, &order(2)) }));
    let (old, kept) = (identity(&emulator, &ann).await, identity(&emulator, &bob).await);
    let merge = |from: &Value, into: &Value| emulator.control().merge_identities(from.as_str().unwrap(), into.as_str());
    assert_eq!(merge(&old, &kept).as_deref(), kept.as_str());
    let answer = credentials(&emulator, &old, ann.clone()).await.json();
    assert_eq!(answer["IdentityId"], kept);
    assert_eq!(credentials(&emulator, &kept, ann.clone()).await.json()["IdentityId"], kept);
    assert_eq!(identity(&emulator, &ann).await, kept);
    refused(&credentials(&emulator, &old, json!({})).await, "Access to Identity");
    assert_eq!((merge(&old, &kept), merge(&kept, &old)), (None, None));

    let token = developer(&emulator, json!({})).await.json();
    let fresh = emulator.control().merge_identities(token["IdentityId"].as_str().unwrap(), None).unwrap();
    let answer = credentials(&emulator, &token["IdentityId"], json!({ OWN: token["Token"] })).await.json();
    assert_eq!(answer["IdentityId"], fresh);
    assert_eq!(developer(&emulator, json!({})).await.json()["IdentityId"], fresh);
}

#[tokio::test]
async fn a_chosen_role_must_be_in_the_token() {
    let emulator = Fixture::with(|world| {
        let uploads = world.iam.roles["uploads"].clone();
        world.iam.roles.insert("chosen".into(), uploads);
    })
    .await;
    let role = "arn:aws:iam::111122223333:role/chosen";
    for (listed, fine) in
        [(json!([role]), true), (json!(["arn:aws:iam::111122223333:role/uploads"]), false), (json!(null), false)]
    {
        let logins = json!({ LOGIN: minted(&emulator, &with(json!({ "cognito:roles": listed }))) });
        let id = identity(&emulator, &logins).await;
        let body = json!({ "IdentityId": id, "Logins": logins, "CustomRoleArn": role });
        let answer = ask(&emulator, "GetCredentialsForIdentity", &body).await;
        if !fine {
            refused(&answer, "");
            continue;
        }
        assert_eq!(emulator.control().journal().pop().unwrap().parameters["role_arn"], role);
    }
}

#[tokio::test]
async fn tags_of_a_developer_identity_are_in_its_session() {
    let emulator = Fixture::start().await;
    let tags = json!({ "team": "a", "cost": "7" });
    let token = developer(&emulator, json!({ "PrincipalTags": tags })).await.json();
    let opened = credentials(&emulator, &token["IdentityId"], json!({ OWN: token["Token"] })).await;
    assert_eq!(opened.status, 200, "{}", opened.body);
    assert_eq!(emulator.control().journal().pop().unwrap().parameters["session_tags"], tags);
    let many: serde_json::Map<String, Value> = (0..51).map(|n| (format!("k{n}"), json!("v"))).collect();
    let long = |key: usize, value: usize| json!({ "k".repeat(key): "v".repeat(value) });
    for tags in [json!(many), long(129, 1), long(1, 257), long(0, 1), long(1, 0)] {
        let answer = developer(&emulator, json!({ "PrincipalTags": tags })).await.json();
        assert_eq!(answer["__type"], "InvalidParameterException", "{tags}");
    }
    assert_eq!(developer(&emulator, json!({ "PrincipalTags": long(128, 256) })).await.status, 200);

    let untagged =
        Fixture::with(|world| world.iam.roles.get_mut("uploads").unwrap().trust[0].tag_session = false).await;
    let token = developer(&untagged, json!({ "PrincipalTags": { "team": "a" } })).await.json();
    let answer = credentials(&untagged, &token["IdentityId"], json!({ OWN: token["Token"] })).await.json();
    assert_eq!(answer["__type"], "InvalidIdentityPoolConfigurationException");
}

#[tokio::test]
async fn the_basic_flow_where_it_is_enabled() {
    let emulator = Fixture::start().await;
    let logins = json!({ LOGIN: minted(&emulator, &order(1)) });
    let id = ask(&emulator, "GetId", &json!({ "IdentityPoolId": CLASSIC_POOL, "Logins": logins })).await.json();
    let answer =
        ask(&emulator, "GetOpenIdToken", &json!({ "IdentityId": id["IdentityId"], "Logins": logins })).await.json();
    let token = claims(answer["Token"].as_str().unwrap());
    assert_eq!((&token["aud"], &token["amr"][0]), (&json!(CLASSIC_POOL), &json!("authenticated")));
    assert_eq!(token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap(), 600);
    let web = async |role: &str, more: &str| {
        let action = assume(role, more).replace("AssumeRole", "AssumeRoleWithWebIdentity");
        let body = format!("{action}&Version=2011-06-15&WebIdentityToken={}", answer["Token"].as_str().unwrap());
        emulator.form("/", &[], &body).await
    };
    let opened = web("classic", "&DurationSeconds=43200").await;
    assert_eq!(Keys::of(&opened).sts(&emulator, "Action=GetCallerIdentity").await.status, 200);
    refused_by_sts(&web("guests", "").await, 403, "AccessDenied");
    refused_by_sts(&web("uploads", "").await, 403, "AccessDenied");

    let enhanced = json!({ "IdentityId": identity(&emulator, &logins).await, "Logins": logins });
    let answer = ask(&emulator, "GetOpenIdToken", &enhanced).await.json();
    assert_eq!(answer["message"], "Basic (classic) flow is not enabled, please use enhanced flow.");
    let guest = ask(&emulator, "GetId", &json!({ "IdentityPoolId": CLASSIC_POOL })).await.json();
    assert_eq!(ask(&emulator, "GetCredentialsForIdentity", &guest).await.status, 200);
}

#[tokio::test]
async fn a_pool_with_an_updated_issuer_is_a_provider() {
    let emulator = Fixture::with(|world| world.pools.get_mut(POOL).unwrap().issuer = Issuer::Updated).await;
    let token = minted(&emulator, &order(1));
    assert_eq!(claims(&token)["iss"], format!("https://issuer-cognito-idp.eu-west-1.amazonaws.com/{POOL}"));
    let id = identity(&emulator, &json!({ LOGIN: token })).await;
    let updated = format!("issuer-{LOGIN}");
    assert_eq!(identity(&emulator, &json!({ updated.clone(): token })).await, id);
    let old = with(json!({ "iss": format!("https://{LOGIN}") }));
    let logins = json!({ LOGIN: minted(&emulator, &old) });
    refused(&get_id(&emulator, &logins).await, "Invalid login token. Issuer doesn't match providerName");
    let original = Fixture::start().await;
    let logins = json!({ updated: minted(&original, &order(1)) });
    refused(&get_id(&original, &logins).await, "Token is not from a supported provider");
}
