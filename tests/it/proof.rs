//! `GET /v1/proof` and those who ask for it: a client checks the daemon before it shows its token.

use std::net::SocketAddr;
use std::path::Path;

use ring::hmac;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

use crate::client::{Answer, Ask};
use crate::daemon::Daemon;
use crate::documents::{BILLING, ORDERS, billing_for_orders};
use crate::process::Ended;
use crate::site::{Site, credbroker};
use crate::waiting::limited;

const NONCE: &str = "a-nonce_0123456789";
/// Long enough to be proved to anybody.
const LONG: &str = "ledger-Vb7kQ2xW9pLm4Zt6Hs1DfGc8Vb7kQ2xW";

fn by(token: &str, message: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes());
    hmac::sign(&key, message.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `callers.ledger` with a long token, `callers.orders` with a short one, and `callers.digest`.
fn document() -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, LONG.to_uppercase().as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}[callers.ledger]\nallow = [\"tokens.billing\"]\ntoken = {{ file = \"DIR/ledger.token\" }}\n\
         [callers.digest]\nallow = []\ntoken = {{ sha256 = \"{hex}\" }}\n",
        billing_for_orders()
    )
}

async fn site() -> (Site, Daemon) {
    let site = Site::open().await;
    site.write("ledger.token", LONG);
    let daemon = site.daemon(&document()).await;
    (site, daemon)
}

async fn asked(daemon: &Daemon, query: &str) -> Answer {
    daemon.ask(Ask::get(&format!("/v1/proof?{query}"))).await
}

fn proof(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["proof"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn whoever_knows_the_token_can_check_the_daemon_without_showing_it() {
    limited(async {
        let (_site, daemon) = site().await;
        let plain = format!("nonce={NONCE}&caller=ledger");
        for way in [daemon.v4(), daemon.v6(), daemon.unix()] {
            let answer = daemon.ask_over(&way, Ask::get(&format!("/v1/proof?{plain}"))).await;
            assert_eq!(proof(&answer), by(LONG, NONCE));
            let body: Value = answer.json();
            assert_eq!((&body["caller"], &body["nonce"]), (&"ledger".into(), &NONCE.into()));
            assert_eq!(body["algorithm"], "HMAC-SHA256");
        }
        let at = format!("127.0.0.1:{}", daemon.port);
        let bound = asked(&daemon, &format!("{plain}&address={at}")).await;
        assert_eq!(proof(&bound), by(LONG, &format!("{NONCE}@{at}")));

        // A token that is shown says whose it is, and may be short.
        let shown = daemon.get(&format!("/v1/proof?nonce={NONCE}"), ORDERS).await;
        assert_eq!((proof(&shown), &shown.json()["caller"]), (by(ORDERS, NONCE), &"orders".into()));
        assert_eq!(daemon.get(&format!("/v1/proof?nonce={NONCE}"), "nobody's").await.status, 401);
        assert_eq!(asked(&daemon, &format!("nonce={NONCE}")).await.status, 401);
        for bad in
            ["caller=ledger", "nonce=short&caller=ledger", &format!("{plain}&nonce={NONCE}"), &format!("{plain}&x=")]
        {
            assert_eq!(asked(&daemon, bad).await.status, 400, "{bad}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_address_that_is_not_that_of_the_connection_is_proved_to_nobody() {
    limited(async {
        let (_site, daemon) = site().await;
        let port = daemon.port;
        for other in [format!("[::1]:{port}"), "127.0.0.1:1".to_owned(), "localhost".to_owned()] {
            let query = format!("/v1/proof?nonce={NONCE}&caller=ledger&address={other}");
            assert_eq!(daemon.ask(Ask::get(&query)).await.status, 403, "{other}");
        }
        let here = Ask::get(&format!("/v1/proof?nonce={NONCE}&caller=ledger&address=127.0.0.1:{port}"));
        assert_eq!(daemon.ask_over(&daemon.unix(), here.clone()).await.status, 403);
        assert_eq!(daemon.ask(here).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn nobody_learns_who_is_a_caller_or_gets_a_short_token_to_try_out() {
    limited(async {
        let (_site, daemon) = site().await;
        let known = asked(&daemon, &format!("nonce={NONCE}&caller=ledger")).await;
        for name in ["nobody", "digest", "orders", "anonymous"] {
            let query = format!("nonce={NONCE}&caller={name}");
            let (once, again) = (asked(&daemon, &query).await, asked(&daemon, &query).await);
            assert_eq!((once.status, &once.text), (200, &again.text), "asking twice does not tell");
            assert_eq!((once.text.len(), once.members()), (known.text.len() - 6 + name.len(), known.members()));
            let token = if name == "orders" { ORDERS.to_owned() } else { LONG.to_uppercase() };
            assert!(!once.text.contains(&by(&token, NONCE)), "{name}");
        }
    })
    .await;
}

async fn command(dir: &Path, address: &str, caller: Option<&str>, arguments: &[&str]) -> Ended {
    let file = dir.join("ledger.token");
    let mut environment =
        vec![("CREDBROKER_URL", address), ("CREDBROKER_TOKEN_FILE", file.to_str().unwrap()), ("HOME", "/nowhere")];
    environment.extend(caller.map(|caller| ("CREDBROKER_CALLER", caller)));
    credbroker(dir, arguments, &environment).await
}

#[tokio::test]
async fn the_commands_check_the_daemon_where_they_are_told_as_whom() {
    limited(async {
        let (site, daemon) = site().await;
        let dir = site.dir.path();
        for address in
            [daemon.url(), format!("http://[::1]:{}", daemon.port), format!("unix:{}/api.sock", dir.display())]
        {
            let proven = command(dir, &address, None, &["proof", "ledger"]).await;
            assert_eq!(proven.code, Some(0), "{proven:?}");
            assert!(proven.stdout.starts_with("proven"), "{proven:?}");
        }
        let other = command(dir, &daemon.url(), None, &["proof", "orders"]).await;
        assert_eq!(other.code, Some(1));
        assert!(other.stderr.contains("does not prove that it knows the token of callers.orders"), "{other:?}");
        daemon.served("/v1/tokens/billing", LONG).await;
        let token = command(dir, &daemon.url(), Some("ledger"), &["token", "billing"]).await;
        assert_eq!(token.code, Some(0), "{token:?}");
        assert_eq!(command(dir, &daemon.url(), Some("orders"), &["token", "billing"]).await.code, Some(1));
        let nobody = credbroker(dir, &["proof", "ledger"], &[("CREDBROKER_URL", &daemon.url())]).await;
        assert_eq!(nobody.code, Some(2), "{nobody:?}");
        assert_eq!(command(dir, "http://127.0.0.1:1", None, &["proof", "ledger"]).await.code, Some(3));
    })
    .await;
}

/// Somebody who has taken an address, and passes on to the daemon all that comes.
async fn relay(daemon: &Daemon) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    #[expect(clippy::disallowed_methods, reason = "one connection at a time")]
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, port) = (listener.local_addr().unwrap(), daemon.port);
    let relaying = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    (address, relaying)
}

#[tokio::test]
async fn who_passes_the_question_on_to_the_daemon_gets_no_token() {
    limited(async {
        let (site, daemon) = site().await;
        let (address, relaying) = relay(&daemon).await;
        let address = format!("http://{address}");
        // It is a good relay: who does not check is served through it.
        let dir = site.dir.path();
        daemon.served("/v1/tokens/billing", LONG).await;
        assert_eq!(command(dir, &address, None, &["token", "billing"]).await.code, Some(0));
        for (caller, arguments) in [
            (None, &["proof", "ledger"][..]),
            (Some("ledger"), &["token", "billing"]),
            (Some("ledger"), &["exec", "--token", "A=billing", "--", "/bin/true"]),
            (Some("ledger"), &["exec", "--credentials", "orders", "--", "/bin/true"]),
        ] {
            let ended = command(dir, &address, caller, arguments).await;
            assert_eq!(ended.code, Some(1), "{ended:?}");
            assert!(ended.stderr.contains("it may not be the daemon, so it was not shown the token"), "{ended:?}");
        }
        relaying.abort();
    })
    .await;
}

#[tokio::test]
async fn a_new_caller_is_known_by_what_was_printed() {
    limited(async {
        let site = Site::open().await;
        let dir = site.dir.path();
        let printed = credbroker(dir, &["new-caller", "fresh"], &[]).await;
        let token = printed.stdout.trim_end().to_owned();
        assert_eq!((printed.code, token.len()), (Some(0), 43));
        assert!(!printed.stderr.contains(&token), "the table is for anybody to read");
        let filed = credbroker(dir, &["new-caller", "filed", "--token-file", "filed.token"], &[]).await;
        assert_eq!((filed.code, &*filed.stderr), (Some(0), ""));
        let in_file = std::fs::read_to_string(dir.join("filed.token")).unwrap();
        assert!(in_file.len() == 43 && !filed.stdout.contains(&in_file), "{filed:?}");
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&dir.join("filed.token").metadata().unwrap()) & 0o7777, 0o600);

        let again = credbroker(dir, &["new-caller", "filed", "--token-file", "filed.token"], &[]).await;
        assert_eq!((again.code, &*again.stdout), (Some(1), ""), "no file is written over");
        assert_eq!(std::fs::read_to_string(dir.join("filed.token")).unwrap(), in_file);
        for bad in ["anonymous", "a.b", ""] {
            assert_eq!(credbroker(dir, &["new-caller", bad], &[]).await.code, Some(2), "{bad}");
        }

        let allow = |table: &str| table.replace("allow = []", "allow = [\"tokens.billing\"]");
        let document = format!("{BILLING}{}\n{}\n", allow(&printed.stderr), allow(&filed.stdout));
        let daemon = site.daemon(&document).await;
        for token in [token, in_file] {
            assert_eq!(daemon.served("/v1/tokens/billing", &token).await.status, 200);
        }
    })
    .await;
}
