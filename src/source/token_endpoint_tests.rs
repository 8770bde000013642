use super::*;

fn config() -> Config {
    Config {
        endpoint: "https://acme.auth.eu-west-1.amazoncognito.com/oauth2/token".parse().unwrap(),
        client_id: "client".into(),
        client_secret: vec![Place::Local(crate::secret::Secret::Env("S".into()))],
        scopes: vec!["billing/read".into(), "billing/write".into()],
        metadata: BTreeMap::from([("team".into(), "a".into())]),
    }
}

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, retry_after: None, body: Zeroizing::new(body.as_bytes().to_vec()) }
}

#[test]
fn each_error_of_the_token_endpoint_has_its_kind() {
    use FailureKind::{Denied, Malformed, Misconfigured, Throttled, Unavailable};
    for (status, body, kind) in [
        (400, r#"{"error":"invalid_request"}"#, Misconfigured),
        (400, r#"{"error":"invalid_client"}"#, Denied),
        (401, r#"{"error":"invalid_client","error_description":"x"}"#, Denied),
        (400, r#"{"error":"invalid_grant"}"#, Denied),
        (400, r#"{"error":"unauthorized_client"}"#, Denied),
        (400, r#"{"error":"unsupported_grant_type"}"#, Misconfigured),
        (400, r#"{"error":"invalid_scope"}"#, Misconfigured),
        (429, "", Throttled),
        (400, r#"{"__type":"TooManyRequestsException","message":"Rate exceeded"}"#, Throttled),
        (403, "Too many requests", Throttled),
        (403, "<html>Request blocked</html>", Denied),
        (302, "", Misconfigured),
        (404, "<html>", Misconfigured),
        (418, "teapot", Malformed),
        (204, "", Malformed),
        (500, "<html>", Unavailable),
        (503, "", Unavailable),
    ] {
        let failure = refused("the endpoint", &config(), &reply(status, body));
        assert_eq!(failure.kind, kind, "{status} {body}: {failure}");
        assert!(
            !failure.message.contains("<html>") && !failure.message.contains("teapot"),
            "a body is never repeated: {failure}"
        );
    }
}

#[test]
fn only_a_whole_grant_is_read() {
    for body in [
        "",
        "<html>",
        r#"{"access_token":"t","token_type":"Bearer"}"#,
        r#"{"access_token":"t","token_type":"Bearer","expires_in":null}"#,
        r#"{"access_token":"t","token_type":"Bearer","expires_in":"3600"}"#,
        r#"{"access_token":"t","token_type":"Bearer","expires_in":-1}"#,
        r#"{"access_token":"t","token_type":"Bearer","expires_in":1.5}"#,
        r#"{"access_token":"t","token_type":"Bearer","expires_in":18446744073709551616}"#,
        r#"{"access_token":"t","access_token":"u","token_type":"Bearer","expires_in":1}"#,
        r#"{"access_token":"t","token_type":"Bearer","expires_in":1} trailing"#,
        r#"{"token_type":"Bearer","expires_in":1}"#,
    ] {
        let failure = granted("the endpoint", body.as_bytes()).err().unwrap_or_else(|| panic!("{body} was read"));
        assert_eq!(failure.kind, FailureKind::Malformed);
    }
}

#[test]
fn the_request_is_what_rfc_6749_asks_for() {
    let source = TokenEndpoint::new(
        config(),
        Upstream::new(&crate::environment::Environment::default()).unwrap(),
        Clock::system(),
        Keyring::default(),
    );
    let whole = source.form(&Ask::default());
    assert_eq!(
        whole,
        "grant_type=client_credentials&scope=billing%2Fread+billing%2Fwrite&aws_client_metadata=%7B%22team%22%3A%22a%22%7D"
    );
    let narrowed = source.form(&Ask { scopes: Some(vec!["billing/read".into()]), ..Ask::default() });
    assert!(narrowed.contains("scope=billing%2Fread&"), "{narrowed}");
    let header = basic("id", &SecretString::from("se+cret"));
    assert_eq!(STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap(), b"id:se%2Bcret");
}
