//! A server that is not the emulator: found by OpenID Connect Discovery only, its endpoint with a query, its tokens opaque.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::form_urlencoded;

use crate::documents::{M2M_CLIENT, ORDERS, caller};
use crate::site::Site;
use crate::waiting::limited;

/// An authorization server that only OpenID Connect Discovery knows, with an opaque token for each client.
pub struct Server {
    pub url: String,
    /// What it was asked: path and form.
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "a test asks it, one request at a time")]
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { url: url.clone(), asked: Arc::default() };
        let asked = Arc::clone(&server.asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, url.clone(), Arc::clone(&asked)));
            }
        });
        server
    }

    pub fn asked(&self, path: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(at, _)| at == path).map(|(_, form)| form.clone()).collect()
    }
}

async fn answer(mut stream: TcpStream, url: String, asked: Arc<Mutex<Vec<(String, String)>>>) {
    let mut request = String::new();
    let (path, form) = loop {
        let mut bytes = [0; 8192];
        let count = stream.read(&mut bytes).await.unwrap();
        if count == 0 {
            return;
        }
        request.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        let Some((head, form)) = request.split_once("\r\n\r\n") else { continue };
        let lower = head.to_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        if form.len() == length.parse::<usize>().unwrap() {
            break (head.split(' ').nth(1).unwrap().to_owned(), form.to_owned());
        }
    };
    asked.lock().unwrap().push((path.clone(), form.clone()));
    let (status, body) = match path.as_str() {
        "/.well-known/openid-configuration" => {
            (200, format!(r#"{{"issuer":"{url}","token_endpoint":"{url}/tokens?tenant=t"}}"#))
        }
        "/tokens?tenant=t" => {
            let token = format!("opaque-token-of-{}", parameter(&form, "client_id").unwrap());
            (200, format!(r#"{{"access_token":"{token}","token_type":"bearer","expires_in":"1800","scope":"a"}}"#))
        }
        _ => (404, String::new()),
    };
    let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
}

pub fn parameter(form: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(form.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn json(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_server_found_by_its_metadata_is_shown_an_assertion_and_its_token_to_the_next() {
    limited(async {
        let (site, server) = (Site::open().await, Server::open().await);
        site.write("key.pem", include_str!("../../keys/p256.sec1.pem"));
        let partner = |name: &str, rest: &str| {
            let url = &server.url;
            format!("[tokens.{name}]\nfrom = \"oauth2\"\nissuer = \"{url}\"\nclient_id = \"{name}\"\n{rest}\n")
        };
        let signed =
            "client_auth = \"private-key-jwt\"\nprivate_key = { file = \"DIR/key.pem\" }\nscopes = [\"a\", \"b\"]";
        let shown = "client_auth = \"token\"\nclient_assertion = \"tokens.signer\"\nresource = [\"urn:x\", \"urn:y\"]";
        let tokens = [partner("signer", signed), partner("bearer", shown)].concat();
        let daemon = site.daemon(&format!("{tokens}{}", caller("orders", &["tokens.signer", "tokens.bearer"]))).await;

        let bearer = daemon.served("/v1/tokens/bearer", ORDERS).await;
        assert_eq!(bearer.json()["access_token"], "opaque-token-of-bearer", "{}", bearer.text);
        let signer = daemon.get("/v1/tokens/signer", ORDERS).await;
        assert_eq!(
            (signer.cache(), signer.json()["scope"].as_str()),
            ("hit", Some("a")),
            "b was asked for and not granted"
        );
        assert!((1_700..=1_800).contains(&signer.json()["expires_in"].as_u64().unwrap()));

        assert_eq!(server.asked("/.well-known/openid-configuration").len(), 1, "one stage for both tokens");
        let forms = server.asked("/tokens?tenant=t");
        assert_eq!(forms.len(), 2, "{forms:?}");
        let assertion = parameter(&forms[0], "client_assertion").unwrap();
        let parts: Vec<&str> = assertion.split('.').collect();
        assert_eq!(json(parts[0])["alg"], "ES256");
        assert_eq!((&json(parts[1])["sub"], &json(parts[1])["aud"]), (&"signer".into(), &server.url.clone().into()));
        assert_eq!(parameter(&forms[0], "scope").as_deref(), Some("a b"));
        assert_eq!(parameter(&forms[1], "client_assertion").as_deref(), Some("opaque-token-of-signer"));
        assert!(forms[1].contains("resource=urn%3Ax&resource=urn%3Ay"), "{}", forms[1]);
        let printed = daemon.logged().await;
        assert_eq!(printed.matches("not every scope asked for was granted").count(), 1, "{printed}");
        assert!(!printed.contains("opaque-token") && !printed.contains(parts[2]), "{printed}");
    })
    .await;
}

#[tokio::test]
async fn a_server_at_a_url_is_shown_the_secret_in_the_header_or_in_the_form() {
    limited(async {
        let site = Site::open().await;
        let token = |method: &str| {
            format!(
                "[tokens.{method}]\nfrom = \"oauth2\"\ntoken_endpoint = \"EMULATOR/oauth2/token\"\nclient_id = \"{M2M_CLIENT}\"\n\
                 client_auth = \"{method}\"\nclient_secret = {{ file = \"DIR/billing.secret\" }}\nscopes = [\"billing/read\"]\n"
            )
        };
        let tokens = [token("basic"), token("post")].concat();
        let daemon = site.daemon(&format!("{tokens}{}", caller("orders", &["tokens.basic", "tokens.post"]))).await;
        for method in ["basic", "post"] {
            let answer = daemon.served(&format!("/v1/tokens/{method}"), ORDERS).await;
            assert_eq!((answer.status, answer.json()["scope"].as_str()), (200, Some("billing/read")), "{}", answer.text);
        }
        let shown: Vec<Value> = site.asked("token").into_iter().map(|a| a.parameters["client_auth"].clone()).collect();
        assert_eq!(shown, ["client_secret_basic", "client_secret_post"]);
    })
    .await;
}
