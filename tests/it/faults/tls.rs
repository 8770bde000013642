//! Upstreams that cannot show who they are, and handshakes that come to nothing: the secret stays here.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

use super::upstream::{Does, Upstream, grant};
use crate::daemon::Daemon;
use crate::documents::{M2M_CLIENT, M2M_SECRET, ORDERS, caller};
use crate::egress::service::listener;
use crate::site::Site;
use crate::tls::Front;
use crate::waiting::{limited, until};

pub const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/tls/faults/authority.pem");
pub const GOOD: &[u8] = include_bytes!("../../keys/tls/faults/good.pem");
pub const KEY: &[u8] = include_bytes!("../../keys/tls/faults/leaf.key");

/// A ServerHello of TLS 1.1 with a suite of that time.
const TLS_1_1: [u8; 47] = {
    let mut hello = [0x5a; 47];
    let head = [0x16, 0x03, 0x02, 0x00, 42, 0x02, 0x00, 0x00, 38, 0x03, 0x02];
    let mut index = 0;
    while index < head.len() {
        hello[index] = head[index];
        index += 1;
    }
    (hello[43], hello[44], hello[45], hello[46]) = (0x00, 0x00, 0x2f, 0x00);
    hello
};
const ALERT: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 40];

/// Certificates with one thing wrong each, and the word for it.
const WORTHLESS: [(&str, &[u8], &str); 5] = [
    ("expired", include_bytes!("../../keys/tls/faults/expired.pem"), "certificate expired"),
    ("early", include_bytes!("../../keys/tls/faults/early.pem"), "certificate not valid yet"),
    ("elsewhere", include_bytes!("../../keys/tls/faults/elsewhere.pem"), "not valid for name"),
    ("stranger", include_bytes!("../../keys/tls/faults/stranger.pem"), "UnknownIssuer"),
    ("selfsigned", include_bytes!("../../keys/tls/faults/selfsigned.pem"), "certificate"),
];

/// Answers what comes first on a connection with bytes, and notes all that it hears.
struct Blunt {
    url: String,
    heard: Arc<Mutex<Vec<u8>>>,
    accepting: JoinHandle<()>,
}

impl Blunt {
    async fn saying(bytes: &'static [u8], stays: bool) -> Self {
        let (listener, url) = listener().await;
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let noted = Arc::clone(&heard);
        let accepting = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let noted = Arc::clone(&noted);
                tokio::spawn(async move {
                    let mut piece = [0; 4096];
                    let mut is_first = true;
                    while let Ok(count @ 1..) = stream.read(&mut piece).await {
                        noted.lock().unwrap().extend_from_slice(&piece[..count]);
                        if std::mem::take(&mut is_first) && stream.write_all(bytes).await.is_err() || !stays {
                            break;
                        }
                    }
                });
            }
        });
        Self { url: url.replace("http://127.0.0.1", "https://localhost"), heard, accepting }
    }
}

impl Drop for Blunt {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The token `name`, asked for at `url` instead.
fn token_at(upstream: &Upstream, name: &str, url: &str) -> String {
    upstream.token(name).replace(&upstream.url, url)
}

/// A daemon that trusts one authority, with these tokens for `orders`.
async fn trusting(site: &Site, tokens: &str, names: &[&str]) -> Daemon {
    let allow: Vec<String> = names.iter().map(|name| format!("tokens.{name}")).collect();
    let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
    site.launch(&format!("{tokens}{}", caller("orders", &allow))).env("AWS_CA_BUNDLE", AUTHORITY).start().await
}

#[tokio::test]
async fn whoever_cannot_show_a_certificate_for_its_name_is_asked_nothing() {
    limited(async {
        let upstream = Upstream::of(|_, _| Does::Says(grant("good", 600))).await;
        let address = upstream.url.trim_start_matches("http://").to_owned();
        let good = Front::showing(GOOD, KEY, address.clone()).await;
        let (mut fronts, mut tokens, mut names) = (vec![], token_at(&upstream, "good", &good.url), vec!["good"]);
        for (name, certificate, _) in WORTHLESS {
            let front = Front::showing(certificate, KEY, address.clone()).await;
            tokens += &token_at(&upstream, name, &front.url);
            fronts.push(front);
            names.push(name);
        }
        let site = Site::open().await;
        let daemon = trusting(&site, &tokens, &names).await;
        for (name, _, word) in WORTHLESS {
            let answer = daemon.get(&format!("/v1/tokens/{name}"), ORDERS).await;
            assert_eq!(answer.status, 503, "{name}: {}", answer.text);
            assert!(answer.complaint().contains(word), "{name}: {}", answer.text);
            assert_eq!(upstream.asked(name), 0, "{name}");
        }
        assert_eq!(daemon.served("/v1/tokens/good", ORDERS).await.token(), "good", "these are good for something");
        assert_eq!(upstream.asked("good"), 1);
    })
    .await;
}

#[tokio::test]
async fn a_handshake_that_comes_to_nothing_shows_no_secret_and_holds_nobody_up() {
    limited(async {
        let cases: [(_, &[u8], _, _); 5] = [
            ("old", &TLS_1_1, true, "cannot be reached"),
            ("alert", &ALERT, true, "cannot be reached"),
            ("plain", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", true, "cannot be reached"),
            ("closes", b"", false, "cannot be reached"),
            ("stalls", b"", true, "not answer"),
        ];
        let upstream = Upstream::of(|_, _| Does::Says(grant("good", 600))).await;
        let (mut blunt, mut tokens, mut names) = (vec![], upstream.token("well"), vec!["well"]);
        for (name, bytes, stays, _) in cases {
            let server = Blunt::saying(bytes, stays).await;
            tokens += &token_at(&upstream, name, &server.url);
            blunt.push(server);
            names.push(name);
        }
        let site = Site::open().await;
        let daemon = trusting(&site, &tokens, &names).await;
        for (name, _, _, word) in cases {
            let path = format!("/v1/tokens/{name}");
            let what = format!("{name}: {word}");
            until(&what, Duration::from_secs(15), async || {
                let answer = daemon.get(&path, ORDERS).await;
                assert!(matches!(answer.status, 503 | 504), "{name}: {}", answer.text);
                answer.complaint().contains(word).then_some(())
            })
            .await;
            assert_eq!(daemon.served("/v1/tokens/well", ORDERS).await.token(), "good");
        }
        for (server, (name, ..)) in blunt.iter().zip(cases) {
            let heard = String::from_utf8_lossy(&server.heard.lock().unwrap()).into_owned();
            assert!(!heard.is_empty() && !heard.contains("POST"), "{name}: {heard}");
            assert!(!heard.contains(M2M_SECRET) && !heard.contains(M2M_CLIENT), "{name}: {heard}");
        }
    })
    .await;
}

/// Without a word that this was all, somebody on the way may have cut it.
#[tokio::test]
async fn an_answer_that_is_cut_off_inside_tls_is_none() {
    limited(async {
        let upstream = Upstream::of(|seen, _| {
            let mut whole = grant("good", 600);
            // Its end would be that of the connection.
            let length = whole.windows(15).position(|piece| piece.starts_with(b"Content-Length:")).unwrap();
            whole[length] = b'X';
            if seen.path() == "/cut" { Does::Resets(whole) } else { Does::Says(grant("good", 600)) }
        })
        .await;
        let front = Front::showing(GOOD, KEY, upstream.url.trim_start_matches("http://").to_owned()).await;
        let tokens = ["cut", "well"].map(|name| token_at(&upstream, name, &front.url)).concat();
        let site = Site::open().await;
        let daemon = trusting(&site, &tokens, &["cut", "well"]).await;
        assert_eq!(daemon.served("/v1/tokens/well", ORDERS).await.token(), "good");
        let answer = daemon.get("/v1/tokens/cut", ORDERS).await;
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(answer.complaint().contains("breaks off"), "{}", answer.text);
    })
    .await;
}
