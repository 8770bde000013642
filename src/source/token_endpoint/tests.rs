#![expect(clippy::disallowed_methods, reason = "tests look at what is sent")]

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use zeroize::Zeroizing;

use super::refusal::{Words, failure};
use super::*;
use crate::environment::Environment;
use crate::lease::Lease;
use crate::secret::Secret;
use crate::source::keyring::Place;
use crate::source::signing_key::Algorithm;
use crate::source::upstream::Reply;

fn config() -> Config {
    Config {
        client_id: "client".into(),
        scopes: vec!["billing/read".into(), "billing/write".into()],
        audience: None,
        resource: Vec::new(),
        parameters: BTreeMap::new(),
    }
}

fn fixed() -> Endpoint {
    Endpoint::Fixed("https://login.example/token".parse().unwrap())
}

fn source(config: Config, endpoint: Endpoint, auth: ClientAuth) -> TokenEndpoint {
    let upstream = Upstream::new(&Environment::default()).unwrap();
    TokenEndpoint::new(config, endpoint, auth, upstream, Clock::system(), Keyring::default())
}

fn places() -> Vec<Place> {
    vec![Place::Local(Secret::Env("S".into()))]
}

fn signed(audience: Option<&str>) -> ClientAuth {
    let key = Place::Local(Secret::Env("KEY".into()));
    let audience = audience.map(ToOwned::to_owned);
    ClientAuth::PrivateKeyJwt(PrivateKeyJwt {
        key,
        key_id: Some("k1".into()),
        algorithm: Some(Algorithm::Ps256),
        audience,
    })
}

/// The metadata of a server, or its failure.
struct Known(Option<&'static str>);

#[async_trait]
impl Stage<Metadata> for Known {
    async fn held(&self, _: &Ask) -> Result<Arc<Lease<Metadata>>, Failure> {
        let token_endpoint = self.0.map(|url| url.parse().unwrap());
        let metadata = Metadata { issuer: "https://login.example".into(), token_endpoint, jwks_uri: None };
        let now = Clock::system().now();
        Ok(Arc::new(Lease::new(Issued::new(metadata, now, now), now)))
    }

    async fn newer(&self, _: &Ask, _: &Lease<Metadata>) -> Option<Arc<Lease<Metadata>>> {
        None
    }
}

fn of_issuer(token_endpoint: Option<&'static str>) -> Endpoint {
    Endpoint::OfIssuer { issuer: "https://login.example".into(), metadata: Arc::new(Known(token_endpoint)) }
}

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, retry_after: None, request_id: None, date: None, body: Zeroizing::new(body.as_bytes().to_vec()) }
}

/// The pairs of a form, in its order.
fn pairs(form: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[test]
fn each_refusal_has_its_kind_its_remedy_and_says_whether_the_secret_is_at_fault() {
    use FailureKind::{Denied, Malformed, Misconfigured, Throttled, Unavailable};
    let scopes = config().scopes;
    let source = source(config(), fixed(), ClientAuth::Basic(places()));
    for (status, body, kind, secret, part) in [
        // RFC 6749 section 5.2, with Cognito's statuses and the standard's.
        (400, r#"{"error":"invalid_request"}"#, Misconfigured, false, "check token_endpoint, client_auth"),
        (400, r#"{"error":"invalid_client"}"#, Denied, true, "client secret"),
        (401, r#"{"error":"invalid_client","error_description":"teapot"}"#, Denied, true, "client secret"),
        (400, r#"{"error":"invalid_grant"}"#, Denied, false, "check the client"),
        (400, r#"{"error":"unauthorized_client"}"#, Denied, false, "enable that flow"),
        (401, r#"{"error":"unauthorized_client"}"#, Denied, true, "client secret"),
        (400, r#"{"error":"unsupported_grant_type"}"#, Misconfigured, false, "check token_endpoint"),
        (400, r#"{"error":"invalid_scope"}"#, Misconfigured, false, "billing/read billing/write"),
        // RFC 8707 section 2.
        (400, r#"{"error":"invalid_target"}"#, Misconfigured, false, "check resource and audience"),
        // Not of the token endpoint by the letter, but sent there.
        (403, r#"{"error":"access_denied"}"#, Denied, false, "allow it on the client"),
        (400, r#"{"error":"temporarily_unavailable"}"#, Unavailable, false, "asked again"),
        (500, r#"{"error":"server_error"}"#, Unavailable, false, "asked again"),
        (400, r#"{"error":"slow_down"}"#, Throttled, false, "later"),
        (400, r#"{"error":"teapot"}"#, Malformed, false, "check token_endpoint"),
        (400, r#"{"error":7}"#, Malformed, false, "check token_endpoint"),
        (401, "<html>", Denied, true, "client secret"),
        (429, "", Throttled, false, "later"),
        (429, r#"{"error":"invalid_request"}"#, Throttled, false, "later"),
        (400, r#"{"__type":"TooManyRequestsException","message":"Rate exceeded"}"#, Throttled, false, "later"),
        (400, r#"{"error":"TooManyRequests"}"#, Throttled, false, "later"),
        (403, "Too many requests", Throttled, false, "later"),
        (403, "<html>Request blocked</html>", Denied, false, "web application firewall"),
        (302, "", Misconfigured, false, "check token_endpoint"),
        (404, "<html>", Misconfigured, false, "check token_endpoint"),
        (405, "", Misconfigured, false, "check token_endpoint"),
        (418, "teapot", Malformed, false, "check token_endpoint"),
        (204, "", Malformed, false, "instead of 200"),
        (500, "<html>", Unavailable, false, "asked again"),
        (503, r#"{"error":"invalid_client"}"#, Unavailable, false, "asked again"),
    ] {
        let failure = failure("the endpoint", &source.words(&scopes), &reply(status, body));
        assert_eq!((failure.kind, failure.secret_refused), (kind, secret), "{status} {body}: {failure}");
        assert!(failure.message.contains(part), "{status} {body}: {failure}\nexpected … {part}");
        assert!(!failure.message.contains("app client"), "that is Cognito's word: {failure}");
        assert!(
            !failure.message.contains("<html>") && !failure.message.contains("teapot"),
            "a body is never repeated: {failure}"
        );
    }
}

#[test]
fn the_words_are_those_of_the_server_and_of_the_proof() {
    let words = |endpoint: Endpoint, auth: ClientAuth, code: &str| {
        let source = source(config(), endpoint, auth);
        let words: Words<'_> = source.words(&[]);
        failure("the endpoint", &words, &reply(400, &format!(r#"{{"error":"{code}"}}"#))).message
    };
    let cognito = || Endpoint::Cognito("https://acme.auth.eu-west-1.amazoncognito.com/oauth2/token".parse().unwrap());
    assert!(words(cognito(), ClientAuth::Basic(places()), "unauthorized_client").contains("on the app client"));
    assert!(words(cognito(), ClientAuth::Basic(places()), "invalid_request").contains("domain, scopes and metadata"));
    assert!(words(of_issuer(None), ClientAuth::Post(places()), "invalid_request").contains("check issuer"));
    assert!(words(fixed(), signed(None), "invalid_client").contains("public half of private_key"));
    let token = ClientAuth::Token(Arc::new(Assertions::default()));
    assert!(words(fixed(), token, "invalid_client").contains("client_assertion"));
}

#[test]
fn only_a_whole_grant_is_read() {
    for body in [
        "",
        "<html>",
        "null",
        r#"{"access_token":"t","token_type":"Bearer","expires_in":-1}"#,
        r#"{"access_token":"t","token_type":"Bearer","expires_in":""}"#,
        r#"{"access_token":"t","token_type":"Bearer","expires_in":"1h"}"#,
        r#"{"access_token":"t","token_type":"Bearer","expires_in":"-1"}"#,
        r#"{"access_token":"t","token_type":"Bearer","expires_in":[1]}"#,
        r#"{"access_token":"t","token_type":"Bearer","expires_in":true}"#,
        r#"{"access_token":"t","token_type":"Bearer","expires_in":1e999}"#,
        r#"{"access_token":"t","token_type":7,"expires_in":1}"#,
        r#"{"access_token":7,"token_type":"Bearer","expires_in":1}"#,
        r#"{"access_token":"t","access_token":"u","token_type":"Bearer","expires_in":1}"#,
        r#"{"access_token":"t","token_type":"Bearer","expires_in":1} trailing"#,
        r#"{"token_type":"Bearer","expires_in":1}"#,
    ] {
        let failure = granted("the endpoint", body.as_bytes()).err().unwrap_or_else(|| panic!("{body} was read"));
        assert_eq!(failure.kind, FailureKind::Malformed);
    }
}

#[test]
fn small_liberties_of_servers_do_no_harm() {
    for (rest, seconds) in [
        (r#","token_type":"Bearer","expires_in":3600"#, Some(3_600)),
        (r#","token_type":"bEARER","expires_in":"3600""#, Some(3_600)),
        (r#","token_type":"bearer","expires_in":3599.7"#, Some(3_599)),
        (r#","expires_in":3.6e3"#, Some(3_600)),
        (r#","token_type":"Bearer""#, None),
        (r#","scope":null,"refresh_token":"r","id_token":7"#, None),
    ] {
        let grant = granted("the endpoint", format!(r#"{{"access_token":"t"{rest}}}"#).as_bytes())
            .unwrap_or_else(|failure| panic!("{rest}: {failure}"));
        assert_eq!((grant.expires_in, grant.scope), (seconds, None), "{rest}");
        assert!(grant.token_type.eq_ignore_ascii_case("bearer"), "{rest}");
    }
}

#[test]
fn the_form_holds_what_is_configured_in_the_order_of_the_standards() {
    let config = Config {
        audience: Some("https://api.example".into()),
        resource: vec!["https://api.example/a".into(), "urn:b".into()],
        parameters: BTreeMap::from([("aws_client_metadata".into(), r#"{"team":"a"}"#.into())]),
        ..config()
    };
    let source = source(config, fixed(), ClientAuth::Basic(places()));
    let proof = source.auth.proof("client", &"s".into(), "x", SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(
        *source.form(&Ask::default(), &proof),
        "grant_type=client_credentials&scope=billing%2Fread+billing%2Fwrite&audience=https%3A%2F%2Fapi.example\
         &resource=https%3A%2F%2Fapi.example%2Fa&resource=urn%3Ab&aws_client_metadata=%7B%22team%22%3A%22a%22%7D"
    );
    let narrowed = source.form(&Ask { scopes: Some(vec!["billing/read".into()]), ..Ask::default() }, &proof);
    assert!(narrowed.contains("scope=billing%2Fread&"), "{}", *narrowed);
    let bare = self::source(Config { scopes: Vec::new(), ..self::config() }, fixed(), ClientAuth::Basic(places()));
    assert_eq!(*bare.form(&Ask::default(), &proof), "grant_type=client_credentials");
}

#[test]
fn each_method_proves_the_client_in_one_place() {
    let secret = SecretString::from("s&e+c r=et%");
    let sent = |auth: ClientAuth| {
        let source = source(config(), fixed(), auth);
        let proof = source.auth.proof("cli:ent", &secret, "x", SystemTime::UNIX_EPOCH).unwrap();
        let form = pairs(&source.form(&Ask::default(), &proof));
        (proof.authorization().map(ToOwned::to_owned), form[2..].to_vec())
    };
    let (header, form) = sent(ClientAuth::Basic(places()));
    let header = STANDARD.decode(header.unwrap().strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(String::from_utf8(header).unwrap(), "cli%3Aent:s%26e%2Bc+r%3Det%25", "RFC 6749 section 2.3.1");
    assert_eq!(form, []);
    let (header, form) = sent(ClientAuth::Post(places()));
    assert_eq!(
        (header, value(&form, "client_id"), value(&form, "client_secret")),
        (None, Some("cli:ent"), Some("s&e+c r=et%"))
    );
    assert_eq!(form.len(), 2);
    let (header, form) = sent(ClientAuth::Token(Arc::new(Assertions::default())));
    assert_eq!(
        (header, value(&form, "client_id"), value(&form, "client_assertion")),
        (None, Some("cli:ent"), Some("s&e+c r=et%"))
    );
    assert_eq!(value(&form, "client_assertion_type"), Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
    assert_eq!(form.len(), 3);
}

#[tokio::test]
async fn an_assertion_says_who_asks_whom_for_one_minute_and_never_twice_the_same() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/keys/rsa.pkcs8.pem");
    let key = SecretString::from(std::fs::read_to_string(path).unwrap());
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_900);
    let sent = async |endpoint: Endpoint, auth: ClientAuth| {
        let source = source(config(), endpoint, auth);
        let url = source.endpoint.url().await.unwrap();
        let proof = source.auth.proof("client", &key, source.endpoint.audience(&url), now).unwrap();
        assert!(proof.authorization().is_none());
        let form = pairs(&source.form(&Ask::default(), &proof));
        assert_eq!(value(&form, "client_id"), Some("client"));
        assert_eq!(
            value(&form, "client_assertion_type"),
            Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        );
        let parts: Vec<Value> = value(&form, "client_assertion")
            .unwrap()
            .split('.')
            .take(2)
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        (url.to_string(), parts[0].clone(), parts[1].clone())
    };
    let (_, header, first) = sent(fixed(), signed(None)).await;
    assert_eq!(header, serde_json::json!({ "alg": "PS256", "typ": "JWT", "kid": "k1" }));
    assert_eq!((&first["iss"], &first["sub"]), (&"client".into(), &"client".into()));
    assert_eq!((&first["iat"], &first["exp"]), (&1_700_000_000.into(), &1_700_000_060.into()));
    assert_eq!(first["aud"], "https://login.example/token");
    let (url, _, second) = sent(of_issuer(Some("https://tokens.example/t")), signed(None)).await;
    assert_eq!((url.as_str(), &second["aud"]), ("https://tokens.example/t", &"https://login.example".into()));
    let (_, _, third) = sent(of_issuer(Some("https://tokens.example/t")), signed(Some("https://aud.example/"))).await;
    assert_eq!(third["aud"], "https://aud.example/");
    let unique = |claims: &Value| URL_SAFE_NO_PAD.decode(claims["jti"].as_str().unwrap()).unwrap();
    assert!(unique(&first).len() == 16 && unique(&first) != unique(&second), "128 random bits");
}

#[tokio::test]
async fn metadata_without_a_token_endpoint_is_a_mistake_with_a_remedy() {
    let failure = of_issuer(None).url().await.unwrap_err();
    assert!(failure.kind == FailureKind::Misconfigured && failure.message.contains("give token_endpoint"), "{failure}");
}

/// A stage that holds `first` and then `second`, and remembers for whom it was asked.
#[derive(Default)]
struct Assertions(Mutex<Vec<Ask>>);

impl Assertions {
    fn lease(token: &str) -> Arc<Lease<BearerToken>> {
        let now = Clock::system().now();
        let value = BearerToken { token: token.into(), scope: None };
        Arc::new(Lease::new(Issued::new(value, now, now), now))
    }
}

#[async_trait]
impl Stage<BearerToken> for Assertions {
    async fn held(&self, ask: &Ask) -> Result<Arc<Lease<BearerToken>>, Failure> {
        self.0.lock().unwrap().push(ask.clone());
        Ok(Self::lease("first"))
    }

    async fn newer(&self, _: &Ask, than: &Lease<BearerToken>) -> Option<Arc<Lease<BearerToken>>> {
        assert_eq!(than.value.token.expose_secret(), "first");
        Some(Self::lease("second"))
    }
}

/// A token endpoint on loopback that gives `answers` in turn. The forms it was sent come out of the other end.
#[expect(clippy::disallowed_methods, reason = "one connection at a time")]
async fn served(answers: Vec<(u16, &'static str)>) -> (Url, tokio::sync::mpsc::UnboundedReceiver<String>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap()).parse().unwrap();
    let (sender, forms) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            loop {
                let mut bytes = [0; 4096];
                let count = stream.read(&mut bytes).await.unwrap();
                request.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
                let Some((head, form)) = request.split_once("\r\n\r\n") else { continue };
                let head = head.to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if form.len() == length.parse::<usize>().unwrap() {
                    sender.send(form.to_owned()).unwrap();
                    break;
                }
            }
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, forms)
}

const REFUSED: (u16, &str) = (401, r#"{"error":"invalid_client"}"#);
const ISSUED: (u16, &str) = (200, r#"{"access_token":"t","token_type":"bearer","scope":"billing/read"}"#);

#[tokio::test]
async fn the_second_secret_is_posted_when_the_first_is_refused() {
    let (url, mut forms) = served(vec![REFUSED, ISSUED]).await;
    let environment = Environment::from([("A", "one"), ("B", "two")]);
    let places = ["A", "B"].map(|name| Place::Local(Secret::Env(name.into()))).to_vec();
    let upstream = Upstream::new(&Environment::default()).unwrap();
    let keyring = Keyring::new(Arc::new(environment), BTreeMap::new());
    let (endpoint, auth, clock) = (Endpoint::Fixed(url), ClientAuth::Post(places), Clock::system());
    let source = TokenEndpoint::new(config(), endpoint, auth, upstream, clock, keyring);
    let issued = source.fetch(&Ask::default()).await.unwrap();
    assert!(issued.obtained_with.unwrap().starts_with("second of two"));
    assert_eq!(issued.scopes_missing, ["billing/write"], "what is served says what it lacks");
    for secret in ["one", "two"] {
        assert_eq!(value(&pairs(&forms.recv().await.unwrap()), "client_secret"), Some(secret));
    }
}

#[tokio::test]
async fn a_refused_assertion_is_replaced_by_a_newer_one_of_the_same_caller() {
    let (url, mut forms) = served(vec![REFUSED, ISSUED]).await;
    let stage = Arc::new(Assertions::default());
    let source = source(config(), Endpoint::Fixed(url), ClientAuth::Token(Arc::clone(&stage) as Arc<dyn Stage<_>>));
    let scopes = Some(vec!["billing/read".to_owned()]);
    let ask = Ask { caller: Some("orders".into()), scopes, subject: None };
    assert_eq!(source.fetch(&ask).await.unwrap().value.token.expose_secret(), "t");
    for token in ["first", "second"] {
        assert_eq!(value(&pairs(&forms.recv().await.unwrap()), "client_assertion"), Some(token));
    }
    let asked = stage.0.lock().unwrap();
    assert_eq!(*asked, [Ask { caller: Some("orders".into()), ..Ask::default() }], "scopes are this stage's own");
}

#[tokio::test]
async fn a_key_that_is_none_is_told_before_anybody_is_asked() {
    let (url, mut forms) = served(vec![ISSUED]).await;
    let keyring = Keyring::new(Arc::new(Environment::from([("KEY", "hunter2")])), BTreeMap::new());
    let upstream = Upstream::new(&Environment::default()).unwrap();
    let source = TokenEndpoint::new(config(), Endpoint::Fixed(url), signed(None), upstream, Clock::system(), keyring);
    let failure = source.fetch(&Ask::default()).await.unwrap_err();
    assert!(failure.message.contains("variable KEY is neither PEM nor a JWK"), "{failure}");
    assert!(forms.try_recv().is_err());
}
