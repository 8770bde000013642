//! `/oauth2/token`: the error table, the success body, hosted domains.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::signer::broker;
use crate::wire::{Fixture, M2M, M2M_SECRET, POOL, ROBOT_CLIENT, claims, names};

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

#[tokio::test]
async fn a_token_has_exactly_what_cognito_promises() {
    let emulator = Fixture::start().await;
    let authorization = basic(M2M, M2M_SECRET);
    let body = "grant_type=client_credentials&scope=billing%2Fread";
    let answer = emulator.form("/oauth2/token", &[("authorization", &authorization)], body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json;charset=UTF-8"));
    assert!(answer.header("x-amz-cognito-request-id").is_some());
    assert!(answer.header("date").is_some());
    let json = answer.json();
    assert_eq!(names(&json), ["access_token", "expires_in", "token_type"]);
    assert_eq!(json["token_type"], "Bearer");
    assert_eq!(json["expires_in"], 3600);
    let claims = claims(json["access_token"].as_str().unwrap());
    let expected = ["auth_time", "client_id", "exp", "iat", "iss", "jti", "scope", "sub", "token_use", "version"];
    assert_eq!(names(&claims), expected);
    assert_eq!(claims["scope"], "billing/read");
    assert_eq!(claims["sub"], M2M);
    assert_eq!(claims["iss"], "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCd12345");

    let asked = &emulator.control().journal()[0];
    assert_eq!((asked.operation.as_str(), asked.outcome.as_str(), asked.status), ("token", "ok", 200));
    assert_eq!(asked.client_id.as_deref(), Some(M2M));
    assert_eq!(asked.parameters["scopes"], serde_json::json!(["billing/read"]));
    assert_eq!(asked.parameters["client_auth"], "client_secret_basic");
}

#[tokio::test]
async fn the_error_table() {
    let emulator = Fixture::with(|world| {
        let pool = world.pools.values_mut().next().unwrap();
        let client = pool.clients[M2M].clone();
        let no_grant = credbroker_emulator::Client { oauth_flows: Vec::new(), ..client };
        pool.clients.insert("nogrant".into(), no_grant);
    })
    .await;
    let ours = format!("client_id={M2M}&client_secret={M2M_SECRET}");
    let grant = "grant_type=client_credentials";
    let wrong = format!("client_id={M2M}&client_secret={M2M_SECRET}x");
    let cases = [
        (ours.clone(), "invalid_request"),
        (format!("{ours}&grant_type=password"), "unsupported_grant_type"),
        (format!("{ours}&grant_type=authorization_code"), "unsupported_grant_type"),
        (grant.to_owned(), "invalid_request"),
        (format!("{grant}&client_id={M2M}"), "invalid_client"),
        (format!("{grant}&{wrong}"), "invalid_client"),
        (format!("{grant}&client_id=nobody&client_secret={M2M_SECRET}"), "invalid_client"),
        (format!("{grant}&client_id=nogrant&client_secret={M2M_SECRET}"), "unauthorized_client"),
        (format!("{grant}&client_id={ROBOT_CLIENT}"), "unauthorized_client"),
        (format!("{grant}&{ours}&scope=billing%2Fdelete"), "invalid_scope"),
        (format!("{grant}&{ours}&scope=billing%2Fread+openid"), "invalid_scope"),
        (format!("{grant}&{ours}&scope=billing%2Fread&scope=billing%2Fread"), "invalid_request"),
        (format!("{grant}&{ours}&resource=https%3A%2F%2Fapi.example"), "invalid_request"),
        (format!("{grant}&{ours}&aws_client_metadata=%5B1%5D"), "invalid_request"),
        (format!("{grant}&{ours}&aws_client_metadata=%7B%22a%22%3A1%7D"), "invalid_request"),
        (format!("{grant}&{ours}&scope=%zz"), "invalid_request"),
    ];
    for (body, code) in cases {
        let answer = emulator.form("/oauth2/token", &[], &body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["error"], code, "{body}");
        assert_eq!(answer.header("content-type"), Some("application/json;charset=UTF-8"));
        assert_eq!(emulator.control().journal().last().unwrap().outcome, code);
    }
}

#[tokio::test]
async fn methods_content_types_and_two_kinds_of_authentication() {
    let emulator = Fixture::start().await;
    let body = format!("grant_type=client_credentials&client_id={M2M}&client_secret={M2M_SECRET}");
    assert_eq!(emulator.get("/oauth2/token").await.status, 405);
    let json = emulator.send("POST", "/oauth2/token", &[("content-type", "application/json")], &body).await;
    assert_eq!((json.status, &json.json()["error"]), (400, &"invalid_request".into()));
    let authorization = basic(M2M, M2M_SECRET);
    let both = emulator.form("/oauth2/token", &[("authorization", &authorization)], &body).await;
    assert_eq!((both.status, &both.json()["error"]), (400, &"invalid_request".into()));
    let bearer =
        emulator.form("/oauth2/token", &[("authorization", "Bearer x")], "grant_type=client_credentials").await;
    assert_eq!((bearer.status, &bearer.json()["error"]), (400, &"invalid_client".into()));
    let no_scope = emulator.form("/oauth2/token", &[], &body).await.json();
    assert_eq!(claims(no_scope["access_token"].as_str().unwrap())["scope"], "billing/read billing/write");
}

#[tokio::test]
async fn plus_signs_two_secrets_and_a_replaced_one() {
    let (plus, second) = ("plus+sign+secret+0123456789", "another0secret0123456789abcd");
    let emulator = Fixture::with(|world| {
        let client = world.pools.values_mut().next().unwrap().clients.get_mut(M2M).unwrap();
        client.secrets = vec![plus.into(), second.into()];
    })
    .await;
    let with = async |secret: &str| {
        let authorization = basic(M2M, secret);
        let answer =
            emulator.form("/oauth2/token", &[("authorization", &authorization)], "grant_type=client_credentials").await;
        answer.status
    };
    assert_eq!(with(plus).await, 200);
    assert_eq!(with("plus%2Bsign%2Bsecret%2B0123456789").await, 200);
    assert_eq!(with(second).await, 200);
    assert_eq!(with(M2M_SECRET).await, 400);
    emulator.control().set_client_secret(M2M, M2M_SECRET);
    assert_eq!((with(plus).await, with(M2M_SECRET).await), (400, 200));
    assert!(!serde_json::to_string(&emulator.control().journal()).unwrap().contains(second));
}

#[tokio::test]
async fn a_hosted_domain_is_its_pool_only() {
    let emulator = Fixture::start().await;
    let body = format!("grant_type=client_credentials&client_id={M2M}&client_secret={M2M_SECRET}");
    let to = async |host: &str| emulator.form("/oauth2/token", &[("host", host)], &body).await.status;
    assert_eq!(to("acme.auth.eu-west-1.amazoncognito.com").await, 200);
    assert_eq!(to("acme.auth.us-east-1.amazoncognito.com").await, 404);
    assert_eq!(to("other.auth.eu-west-1.amazoncognito.com").await, 404);
}

#[tokio::test]
async fn a_custom_domain_is_its_pool_only() {
    let emulator = Fixture::with(|world| {
        let pool = world.pools.get_mut(POOL).unwrap();
        pool.custom_domain = Some("auth.acme.example".into());
        let mut other = pool.clone();
        other.domain = None;
        other.custom_domain = Some("auth.other.example".into());
        other.clients.clear();
        world.pools.insert("eu-west-1_Other".into(), other);
        world.identity_pools.clear();
    })
    .await;
    let body = format!("grant_type=client_credentials&client_id={M2M}&client_secret={M2M_SECRET}");
    let to = async |host: &str| emulator.form("/oauth2/token", &[("host", host)], &body).await;
    for host in ["auth.acme.example", "AUTH.acme.example:8443", "acme.auth.eu-west-1.amazoncognito.com"] {
        assert_eq!(to(host).await.status, 200, "{host}");
    }
    assert_eq!(to("auth.other.example").await.json()["error"], "invalid_client");
    assert_eq!(to("acme.auth-fips.eu-west-1.amazoncognito.com").await.status, 404);
    let target = "AWSCognitoIdentityProviderService.DescribeUserPool";
    let body = serde_json::json!({ "UserPoolId": POOL });
    let described = broker().json(&emulator, "cognito-idp", target, &body).await.json();
    assert_eq!(described["UserPool"]["CustomDomain"], "auth.acme.example");
    assert_eq!(described["UserPool"]["Domain"], "acme");
}

#[tokio::test]
async fn govcloud_has_the_fips_host_only() {
    let text = include_str!("../../world.toml").replace("eu-west-1", "us-gov-west-1");
    let world = credbroker_emulator::World::from_toml(&text).unwrap();
    let emulator = Fixture::with(|demo| *demo = world).await;
    let body = format!("grant_type=client_credentials&client_id={M2M}&client_secret={M2M_SECRET}");
    let to = async |host: &str| emulator.form("/oauth2/token", &[("host", host)], &body).await.status;
    assert_eq!(to("acme.auth-fips.us-gov-west-1.amazoncognito.com").await, 200);
    assert_eq!(to("acme.auth.us-gov-west-1.amazoncognito.com").await, 404);
}

#[tokio::test]
async fn dropped_scopes_and_an_added_audience_through_both_doors() {
    let emulator = Fixture::with(|world| {
        let client = world.pools.get_mut(POOL).unwrap().clients.get_mut(M2M).unwrap();
        client.drop_scopes = vec!["billing/write".into()];
        client.add_audience = true;
    })
    .await;
    let form = format!("grant_type=client_credentials&client_id={M2M}&client_secret={M2M_SECRET}");
    let api = serde_json::json!({ "ClientId": M2M, "Secret": M2M_SECRET });
    let target = "AWSCognitoIdentityProviderService.GetClientToken";
    for asked in [vec![], vec!["billing/read", "billing/write"]] {
        let (mut form, mut api) = (form.clone(), api.clone());
        if !asked.is_empty() {
            form.push_str(&format!("&scope={}", asked.join("+").replace('/', "%2F")));
            api["Scopes"] = serde_json::json!(asked);
        }
        let endpoint = emulator.form("/oauth2/token", &[], &form).await.json();
        let operation = emulator.call(target, &api).await.json();
        for token in [&endpoint["access_token"], &operation["ClientAuthenticationResult"]["AccessToken"]] {
            let claims = claims(token.as_str().unwrap());
            assert_eq!((&claims["scope"], &claims["aud"]), (&"billing/read".into(), &M2M.into()));
        }
    }
    let unknown = emulator.form("/oauth2/token", &[], &format!("{form}&scope=billing%2Fdelete")).await;
    assert_eq!(unknown.json()["error"], "invalid_scope");
}
