//! A bare HTTP/1.1 client: one request a connection, every read bounded in time.

use std::time::Duration;

use credbroker_emulator::{Control, Emulator, World};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const M2M: &str = "4f3q8example1m2m";
pub(crate) const M2M_SECRET: &str = "billingsecret0123456789abcdefghijklmnop";
pub(crate) const ROBOT_CLIENT: &str = "7robotexampleclient";
pub(crate) const POOL: &str = "eu-west-1_AbCd12345";

/// A running emulator with the demo's world, changed by `change`.
pub(crate) struct Fixture {
    emulator: Emulator,
}

impl Fixture {
    pub(crate) async fn start() -> Fixture {
        Fixture::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut World)) -> Fixture {
        let mut world = World::from_toml(include_str!("../../world.toml")).unwrap();
        change(&mut world);
        let emulator = Emulator::start(world, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        Fixture { emulator }
    }

    pub(crate) fn control(&self) -> Control {
        self.emulator.control()
    }

    pub(crate) fn url(&self) -> String {
        self.emulator.url()
    }

    pub(crate) fn authorization_server(&self, name: &str) -> String {
        self.emulator.authorization_server(name)
    }

    pub(crate) fn outbound_issuer(&self) -> String {
        self.emulator.outbound_issuer()
    }

    pub(crate) fn authority(&self) -> String {
        self.url().replace("http://", "")
    }

    pub(crate) async fn shutdown(self) {
        self.emulator.shutdown().await;
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.authority()).await.unwrap()
    }

    /// Sends a request and reads to the end of the connection.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = self.connect().await;
        let own_host = [("host", self.authority())];
        let named = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
        let host = own_host.iter().filter(|_| !named).map(|(n, v)| (*n, v.as_str()));
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in host.chain(headers.iter().copied()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
        let mut raw = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut raw)).await.expect("an answer in time").unwrap();
        Answer::parse(&String::from_utf8(raw).unwrap())
    }

    /// A JSON 1.1 call, unsigned.
    pub(crate) async fn call(&self, target: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        self.send("POST", "/", &headers, &body.to_string()).await
    }

    /// A form post.
    pub(crate) async fn form(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend(headers);
        self.send("POST", path, &all, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }
}

/// A response, as far as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    fn parse(raw: &str) -> Answer {
        let (head, body) = raw.split_once("\r\n\r\n").unwrap_or((raw, ""));
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers =
            lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()));
        Answer { status: status.unwrap_or(0), headers: headers.collect(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// The text of the first XML element of this name.
    pub(crate) fn element(&self, name: &str) -> &str {
        let (_, rest) =
            self.body.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {}", self.body));
        rest.split_once('<').map_or(rest, |(text, _)| text)
    }
}

/// The claims of a token, unverified.
pub(crate) fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The names of an object's members, sorted.
pub(crate) fn names(object: &Value) -> Vec<String> {
    let mut names: Vec<String> = object.as_object().unwrap().keys().cloned().collect();
    names.sort();
    names
}
