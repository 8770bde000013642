//! `AssumeRoleWithWebIdentity`: which tokens, of whom, for which role.

use credbroker_emulator::{Fault, FaultKind, Metadata, Role, World};
use serde_json::json;

use crate::signer::{Keys, broker};
use crate::sts::{assume, refused};
use crate::user_pool::sign_in;
use crate::wire::{Answer, Fixture, POOL};

async fn web(emulator: &Fixture, role: &str, token: &str, more: &str) -> Answer {
    let action = assume(role, "").replace("AssumeRole", "AssumeRoleWithWebIdentity");
    emulator.form("/", &[], &format!("{action}&Version=2011-06-15&WebIdentityToken={token}{more}")).await
}

/// An access token of a client of the server `partner`.
async fn partner(emulator: &Fixture, client: &str, secret: &str) -> String {
    use base64::Engine as _;
    let authorization =
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{client}:{secret}")));
    let headers = [("authorization", authorization.as_str())];
    let answer = emulator.form("/as/partner/token", &headers, "grant_type=client_credentials").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn reports(emulator: &Fixture) -> String {
    partner(emulator, "reports-client", "reports-secret-0123456789").await
}

/// Claims put into the tokens of `reports-client`.
async fn with_claims(claims: serde_json::Value) -> Fixture {
    Fixture::with(|world| {
        let server = world.authorization_servers.get_mut("partner").unwrap();
        server.clients.get_mut("reports-client").unwrap().claims = claims.as_object().unwrap().clone();
    })
    .await
}

fn reports_role(world: &mut World) -> &mut Role {
    world.iam.roles.get_mut("reports").unwrap()
}

#[tokio::test]
async fn a_token_of_any_oauth_server_opens_a_role() {
    let emulator = Fixture::start().await;
    let token = reports(&emulator).await;
    let answer = web(&emulator, "reports", &token, "&DurationSeconds=900").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.element("Provider"), emulator.authorization_server("partner").replace("http://", ""));
    assert_eq!(answer.element("SubjectFromWebIdentityToken"), "reports-client");
    assert_eq!(answer.element("Audience"), "sts.amazonaws.com");
    let identity = Keys::of(&answer).sts(&emulator, "Action=GetCallerIdentity").await;
    assert_eq!(identity.element("Arn"), "arn:aws:sts::111122223333:assumed-role/reports/s-1");

    refused(&web(&emulator, "hub", &token, "").await, 403, "AccessDenied");
    refused(&web(&emulator, "reports", &token, "&DurationSeconds=3601").await, 400, "ValidationError");
    refused(
        &web(&emulator, "reports", &token, "&PolicyArns.member.1.arn=not-an-arn-at-all-really").await,
        400,
        "ValidationError",
    );
    refused(&web(&emulator, "reports", &token, "&Policy=%7Bnope").await, 400, "MalformedPolicyDocument");
    let other = "&PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FReadOnlyAccess";
    assert_eq!(web(&emulator, "reports", &token, other).await.status, 200);
    emulator.control().rotate_keys("partner");
    assert_eq!(web(&emulator, "reports", &token, "").await.status, 200);
    emulator.control().clock_offset(3601);
    refused(&web(&emulator, "reports", &token, "").await, 400, "ExpiredTokenException");
}

#[tokio::test]
async fn the_provider_knows_its_audiences_and_subjects() {
    let emulator = Fixture::start().await;
    let basic = partner(&emulator, "partner-forever", "forever-secret-0123456789").await;
    let answer = web(&emulator, "reports", &basic, "").await;
    refused(&answer, 400, "InvalidIdentityToken");
    assert_eq!(answer.element("Message"), "Incorrect token audience");
    let revoked = partner(&emulator, "revoked-client", "revoked-secret-0123456789").await;
    refused(&web(&emulator, "reports", &revoked, "").await, 403, "IDPRejectedClaim");
    let forged = format!("{}.AAAA", reports(&emulator).await.rsplit_once('.').unwrap().0);
    refused(&web(&emulator, "reports", &forged, "").await, 400, "InvalidIdentityToken");
    emulator.control().fault(Fault::once(
        "AssumeRoleWithWebIdentity",
        FaultKind::Error { code: "IDPCommunicationError".into(), status: 400, message: "try again".into() },
    ));
    let token = reports(&emulator).await;
    refused(&web(&emulator, "reports", &token, "").await, 400, "IDPCommunicationError");
    assert_eq!(web(&emulator, "reports", &token, "").await.status, 200);
}

#[tokio::test]
async fn the_authorized_party_stands_in_for_the_audience() {
    let far = jiff::Timestamp::now().as_second() + 1000;
    for (claims, code) in [
        (json!({ "azp": "sts.amazonaws.com", "aud": ["a", "b"] }), None),
        (json!({ "aud": ["sts.amazonaws.com"] }), None),
        (json!({ "azp": "another" }), Some("InvalidIdentityToken")),
        (json!({ "aud": ["sts.amazonaws.com", "b"] }), Some("InvalidIdentityToken")),
        (json!({ "aud": null }), Some("InvalidIdentityToken")),
        (json!({ "sub": null }), Some("InvalidIdentityToken")),
        (json!({ "iat": null }), Some("InvalidIdentityToken")),
        (json!({ "nbf": far }), Some("InvalidIdentityToken")),
        (json!({ "iss": "https://elsewhere.example" }), Some("InvalidIdentityToken")),
        (json!({ "sub": "somebody else" }), Some("AccessDenied")),
    ] {
        let emulator = with_claims(claims.clone()).await;
        let answer = web(&emulator, "reports", &reports(&emulator).await, "").await;
        let found = (answer.status != 200).then(|| answer.element("Code").to_owned());
        assert_eq!(found.as_deref(), code, "{claims}: {}", answer.body);
    }
}

#[tokio::test]
async fn tags_and_a_source_identity_come_with_the_token() {
    let tags = json!({ "principal_tags": { "team": ["a"], "cost": ["7"] }, "transitive_tag_keys": ["team"] });
    let claims = json!({ "https://aws.amazon.com/tags": tags, "https://aws.amazon.com/source_identity": "me-1" });
    let refusing = with_claims(claims.clone()).await;
    refused(&web(&refusing, "reports", &reports(&refusing).await, "").await, 403, "AccessDenied");

    let emulator = Fixture::with(|world| {
        let server = world.authorization_servers.get_mut("partner").unwrap();
        server.clients.get_mut("reports-client").unwrap().claims = claims.as_object().unwrap().clone();
        reports_role(world).trust[0].tag_session = true;
        reports_role(world).allow = vec!["sts:AssumeRole".into(), "sts:TagSession".into()];
        let hub = &mut world.iam.roles.get_mut("hub").unwrap().trust;
        hub[0].aws = Some("arn:aws:iam::111122223333:role/reports".into());
    })
    .await;
    let answer = web(&emulator, "reports", &reports(&emulator).await, "").await;
    assert_eq!(answer.element("SourceIdentity"), "me-1");
    let keys = Keys::of(&answer);
    let set = "&Tags.member.1.Key=more&Tags.member.1.Value=b";
    let hub = keys.sts(&emulator, &assume("hub", set)).await;
    assert_eq!(hub.element("SourceIdentity"), "me-1");
    let tags: Vec<serde_json::Value> =
        emulator.control().journal().iter().filter_map(|a| a.parameters.get("session_tags").cloned()).collect();
    assert_eq!(tags, [json!({ "cost": "7", "team": "a" }), json!({ "more": "b", "team": "a" })]);
    let again = "&Tags.member.1.Key=Team&Tags.member.1.Value=b";
    refused(&keys.sts(&emulator, &assume("hub", again)).await, 400, "InvalidParameterValue");
    refused(&keys.sts(&emulator, &assume("hub", "&SourceIdentity=me-2")).await, 403, "AccessDenied");
}

#[tokio::test]
async fn a_user_pool_is_a_provider_like_any_other() {
    let emulator = Fixture::start().await;
    let tokens = sign_in(&emulator).await;
    let answer = web(&emulator, "reports", tokens["IdToken"].as_str().unwrap(), "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.element("Provider"), format!("cognito-idp.eu-west-1.amazonaws.com/{POOL}"));
    let access = web(&emulator, "reports", tokens["AccessToken"].as_str().unwrap(), "").await;
    refused(&access, 400, "InvalidIdentityToken");

    let strangers = Fixture::with(|world| {
        world.iam.oidc_providers.clear();
        reports_role(world).trust.clear();
    })
    .await;
    let token = sign_in(&strangers).await["IdToken"].as_str().unwrap().to_owned();
    let answer = web(&strangers, "reports", &token, "").await;
    refused(&answer, 400, "InvalidIdentityToken");
    assert!(answer.element("Message").starts_with("No OpenIDConnect provider found in your account"));
}

#[tokio::test]
async fn without_discovery_there_are_no_keys() {
    let emulator = Fixture::with(|world| {
        world.authorization_servers.get_mut("partner").unwrap().metadata = vec![Metadata::Rfc8414];
    })
    .await;
    refused(&web(&emulator, "reports", &reports(&emulator).await, "").await, 400, "InvalidIdentityToken");
}

#[tokio::test]
async fn tagging_and_naming_take_an_action_each() {
    let emulator =
        Fixture::with(|world| world.iam.users.get_mut("broker").unwrap().allow = vec!["sts:AssumeRole".into()]).await;
    for more in ["&SourceIdentity=me-1", "&Tags.member.1.Key=a&Tags.member.1.Value=b"] {
        refused(&broker().sts(&emulator, &assume("hub", more)).await, 403, "AccessDenied");
    }
    assert_eq!(broker().sts(&emulator, &assume("hub", "")).await.status, 200);
}
