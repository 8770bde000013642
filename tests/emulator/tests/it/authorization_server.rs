//! `/as/NAME`: an OAuth 2.0 server by the letter of its RFCs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use credbroker_emulator::{AuthorizationServer, Fault, FaultKind, Metadata, SigningAlgorithm};
use serde_json::json;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::wire::{Answer, Fixture, claims, names};

pub(crate) const TOKEN: &str = "/as/partner/token";
pub(crate) const GRANT: (&str, &str) = ("grant_type", "client_credentials");
const BASIC_SECRET: &str = "basic+secret: 100% / odd & long";
const POST: [(&str, &str); 2] = [("client_id", "partner-post"), ("client_secret", "post+secret: 100% / odd & long")];
pub(crate) const ASSERTION: (&str, &str) =
    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");

pub(crate) fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// The `Authorization` value, id and secret form-encoded first.
fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))))
}

pub(crate) async fn post(emulator: &Fixture, authorization: Option<&str>, parameters: &[(&str, &str)]) -> Answer {
    let body = Serializer::new(String::new()).extend_pairs(parameters).finish();
    let headers: Vec<(&str, &str)> = authorization.iter().map(|value| ("authorization", *value)).collect();
    emulator.form(TOKEN, &headers, &body).await
}

/// A token request of `partner-basic`.
async fn as_basic(emulator: &Fixture, more: &[(&str, &str)]) -> Answer {
    post(emulator, Some(&basic("partner-basic", BASIC_SECRET)), &[&[GRANT], more].concat()).await
}

pub(crate) fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(code)), "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let description = answer.json()["error_description"].as_str().unwrap_or_default().to_owned();
    assert!(!description.contains(['"', '\\']), "{description}");
}

#[tokio::test]
async fn metadata_says_where_everything_is() {
    let emulator = Fixture::start().await;
    let issuer = emulator.authorization_server("partner");
    assert_eq!(issuer, format!("{}/as/partner", emulator.url()));
    for path in ["/.well-known/oauth-authorization-server/as/partner", "/as/partner/.well-known/openid-configuration"] {
        let document = emulator.get(path).await.json();
        assert_eq!(document["issuer"], issuer);
        assert_eq!(document["token_endpoint"], format!("{issuer}/token"));
        let methods = json!(["client_secret_basic", "client_secret_post", "private_key_jwt"]);
        assert_eq!(document["token_endpoint_auth_methods_supported"], methods);
        let algorithms = json!(["RS256", "PS256", "ES256", "EdDSA"]);
        assert_eq!(document["token_endpoint_auth_signing_alg_values_supported"], algorithms);
        let keys = document["jwks_uri"].as_str().unwrap().replace(&emulator.url(), "");
        assert_eq!(emulator.get(&keys).await.json()["keys"][0]["alg"], "RS256");
    }
    let operations: Vec<String> = emulator.control().journal().into_iter().map(|asked| asked.operation).collect();
    assert_eq!(operations[..2], ["as/partner/oauth-authorization-server", "as/partner/jwks"]);
    assert_eq!(emulator.get("/as/nobody/jwks").await.status, 404);
}

#[tokio::test]
async fn documents_the_world_does_not_want_are_not_there() {
    let emulator = Fixture::with(|world| {
        let server = world.authorization_servers.get_mut("partner").unwrap();
        server.metadata = vec![Metadata::Rfc8414];
        let second: AuthorizationServer = AuthorizationServer {
            metadata: vec![Metadata::Oidc],
            signing_algorithm: SigningAlgorithm::Es256,
            clients: Default::default(),
        };
        world.authorization_servers.insert("second".into(), second);
    })
    .await;
    let status = async |path: &str| emulator.get(path).await.status;
    assert_eq!(status("/.well-known/oauth-authorization-server/as/partner").await, 200);
    assert_eq!(status("/as/partner/.well-known/openid-configuration").await, 404);
    assert_eq!(status("/.well-known/oauth-authorization-server/as/second").await, 404);
    assert_eq!(status("/as/second/.well-known/openid-configuration").await, 200);
    let key = emulator.get("/as/second/jwks").await.json()["keys"][0].clone();
    assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&json!("EC"), &json!("P-256"), &json!("ES256")));
    assert_eq!(["x", "y"].map(|name| key[name].as_str().unwrap().len()), [43, 43]);
}

#[tokio::test]
async fn a_jwt_access_token_is_what_rfc_9068_says() {
    let emulator = Fixture::start().await;
    let answer = as_basic(&emulator, &[("scope", "orders.read")]).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    assert_eq!(names(&answer.json()), ["access_token", "expires_in", "token_type"]);
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let header = claims(&format!("x.{}", token.split('.').next().unwrap()));
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("RS256")));
    let keys = emulator.get("/as/partner/jwks").await.json();
    assert_eq!(header["kid"], keys["keys"][0]["kid"]);
    let content = claims(&token);
    assert_eq!(names(&content), ["aud", "client_id", "exp", "iat", "iss", "jti", "scope", "sub"]);
    assert_eq!(content["iss"], emulator.authorization_server("partner"));
    assert_eq!((&content["sub"], &content["aud"]), (&json!("partner-basic"), &json!("https://api.partner.example")));

    let all = as_basic(&emulator, &[]).await.json();
    assert_eq!(all["scope"], "orders.read orders.write");
    emulator.control().rotate_keys("partner");
    let rotated = emulator.get("/as/partner/jwks").await.json();
    assert_eq!(rotated["keys"][1], keys["keys"][0]);
    assert_ne!(rotated["keys"][0], keys["keys"][0]);
}

#[tokio::test]
async fn scopes_and_targets_are_the_clients_own() {
    let emulator = Fixture::start().await;
    for scope in ["orders.delete", "orders.read  orders.write", "orders.read orders.delete", " orders.read"] {
        refused(&as_basic(&emulator, &[("scope", scope)]).await, 400, "invalid_scope");
    }
    let (orders, stock) = ("https://orders.partner.example/v1", "https://stock.partner.example/");
    for (name, value) in [
        ("audience", "https://other.example"),
        ("audience", orders),
        ("resource", "https://other.example/"),
        ("resource", "https://orders.partner.example/v1#part"),
        ("resource", "orders"),
    ] {
        refused(&as_basic(&emulator, &[(name, value)]).await, 400, "invalid_target");
    }
    let both = as_basic(&emulator, &[("resource", orders), ("resource", stock)]).await.json();
    assert_eq!(claims(both["access_token"].as_str().unwrap())["aud"], json!([orders, stock]));
    let journal = emulator.control().journal();
    assert_eq!(journal.last().unwrap().parameters["resources"], json!([orders, stock]));
}

#[tokio::test]
async fn the_token_endpoint_takes_one_form_in_one_way() {
    let emulator = Fixture::start().await;
    let authorization = basic("partner-basic", BASIC_SECRET);
    let own = [("authorization", authorization.as_str())];
    let get = emulator.send("GET", TOKEN, &own, "").await;
    refused(&get, 405, "invalid_request");
    assert_eq!(get.header("allow"), Some("POST"));
    let json = [own[0], ("content-type", "application/json")];
    refused(&emulator.send("POST", TOKEN, &json, "{}").await, 400, "invalid_request");
    refused(
        &emulator.form(&format!("{TOKEN}?a=b"), &own, "grant_type=client_credentials").await,
        400,
        "invalid_request",
    );
    for body in ["", "scope=orders.read", "grant_type=", "grant_type=client_credentials&x=%zz", "grant_type=a&b=%ff"] {
        refused(&emulator.form(TOKEN, &own, body).await, 400, "invalid_request");
    }
    for name in ["scope", "audience", "grant_type", "unknown"] {
        let twice = as_basic(&emulator, &[(name, "orders.read"), (name, "orders.read")]).await;
        refused(&twice, 400, "invalid_request");
    }
    refused(&post(&emulator, Some(&authorization), &[("grant_type", "password")]).await, 400, "unsupported_grant_type");
    assert_eq!(as_basic(&emulator, &[("unknown", "x"), ("scope", "")]).await.status, 200);
}

#[tokio::test]
async fn each_client_has_one_way_to_prove_itself() {
    let emulator = Fixture::start().await;
    let challenge = "Basic realm=\"token endpoint\"";
    let plain = format!("Basic {}", STANDARD.encode(format!("partner-basic:{BASIC_SECRET}")));
    let wrong = basic("partner-basic", "wrong");
    let of_post = basic(POST[0].1, POST[1].1);
    for authorization in [plain.as_str(), &wrong, &of_post, "Bearer x", "Basic !", &basic("nobody", "x")] {
        let answer = post(&emulator, Some(authorization), &[GRANT]).await;
        refused(&answer, 401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), Some(challenge), "{authorization}");
    }
    let in_body = [("client_id", "partner-basic"), ("client_secret", BASIC_SECRET)];
    let of_forever = [("client_id", "partner-jwt"), ("client_secret", "x")];
    for body in [&in_body[..], &of_forever, &POST[..1], &[]] {
        let answer = post(&emulator, None, &[&[GRANT], body].concat()).await;
        refused(&answer, 401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), None);
    }
    refused(&as_basic(&emulator, &in_body[1..]).await, 400, "invalid_request");
    refused(&as_basic(&emulator, &[ASSERTION, ("client_assertion", "x")]).await, 400, "invalid_request");
    refused(&as_basic(&emulator, &[("client_id", "partner-post")]).await, 400, "invalid_request");
    assert_eq!(as_basic(&emulator, &in_body[..1]).await.status, 200);
    let half = post(&emulator, None, &[GRANT, ("client_id", "partner-jwt"), ASSERTION]).await;
    refused(&half, 400, "invalid_request");
    emulator.control().set_client_secret("partner-basic", "another");
    refused(&as_basic(&emulator, &[]).await, 401, "invalid_client");
    assert_eq!(post(&emulator, Some(&basic("partner-basic", "another")), &[GRANT]).await.status, 200);
}

#[tokio::test]
async fn answers_differ_as_servers_do() {
    let emulator = Fixture::start().await;
    let opaque = post(&emulator, None, &[&[GRANT], &POST[..]].concat()).await.json();
    assert_eq!((&opaque["expires_in"], &opaque["token_type"]), (&json!("600"), &json!("bearer")));
    assert!(!opaque["access_token"].as_str().unwrap().contains('.'));
    let forever = post(&emulator, Some(&basic("partner-forever", "forever-secret-0123456789")), &[GRANT]).await.json();
    assert_eq!(names(&forever), ["access_token", "token_type"]);

    let acme = [GRANT, ("client_id", "partner-acme"), ("client_secret", "acme-secret-0123456789")];
    refused(&post(&emulator, None, &acme).await, 400, "invalid_request");
    refused(&post(&emulator, None, &[&acme[..], &[("organization", "x")]].concat()).await, 400, "invalid_request");
    assert_eq!(post(&emulator, None, &[&acme[..], &[("organization", "acme")]].concat()).await.status, 200);
    emulator.control().set_lifetime("as/partner/token", 7);
    assert_eq!(as_basic(&emulator, &[]).await.json()["expires_in"], 7);
    emulator.control().fault(Fault::once("as/partner/token", FaultKind::Throttle { retry_after: Some(5) }));
    let throttled = as_basic(&emulator, &[]).await;
    refused(&throttled, 429, "temporarily_unavailable");
    assert_eq!(throttled.header("retry-after"), Some("5"));
    let journal = serde_json::to_string(&emulator.control().journal()).unwrap();
    assert!(!journal.contains("secret-0123456789") && !journal.contains(opaque["access_token"].as_str().unwrap()));
}
