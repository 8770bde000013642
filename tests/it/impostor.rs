//! Somebody else answers where the daemon is looked for: what a command prints cannot steer a terminal, no answer brings it down, and
//! what is no answer of the daemon's is no success.

use std::net::SocketAddr;
use std::sync::Arc;

use http::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::process::Ended;
use crate::site::credbroker;
use crate::waiting::limited;

/// The title of the window, the whole screen, a sequence in one character, and the direction of writing.
const STEERING: &str = "\u{1b}]0;x\u{7}\u{1b}[2J\u{9b}31m\u{202e}said";

/// Answers every request with `status` and `body`.
async fn impostor(status: StatusCode, body: &[u8]) -> SocketAddr {
    let body: Arc<[u8]> = body.into();
    #[expect(clippy::disallowed_methods, reason = "one connection at a time")]
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let body = Arc::clone(&body);
            tokio::spawn(async move {
                let mut head = [0; 8192];
                let _ = stream.read(&mut head).await;
                let start = format!("HTTP/1.1 {} x\r\nContent-Length: {}\r\n\r\n", status.as_u16(), body.len());
                let _ = stream.write_all(start.as_bytes()).await;
                let _ = stream.write_all(&body).await;
            });
        }
    });
    address
}

async fn asked(address: SocketAddr, arguments: &[&str]) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    let environment = [("CREDBROKER_URL", &*format!("http://{address}")), ("HOME", dir.path().to_str().unwrap())];
    credbroker(dir.path(), arguments, &environment).await
}

fn steers(text: &str) -> bool {
    text.chars().any(|c| (c.is_control() && !matches!(c, '\n' | '\t')) || c == '\u{202e}')
}

#[tokio::test]
async fn a_refusal_in_any_words_steers_no_terminal() {
    limited(async {
        let words = json!({ "error_description": STEERING, "message": STEERING }).to_string();
        let address = impostor(StatusCode::BAD_REQUEST, words.as_bytes()).await;
        for arguments in [
            &["token", "x"][..],
            &["credentials", "x"],
            &["status"],
            &["status", "--watch"],
            &["wait", "tokens.x"],
            &["exec", "--token", "A=x", "--", "/bin/true"],
            &["doctor"],
        ] {
            let ended = asked(address, arguments).await;
            assert!(ended.stdout.contains("said") || ended.stderr.contains("said"), "{arguments:?}: {ended:?}");
            assert!(!steers(&ended.stdout) && !steers(&ended.stderr), "{arguments:?}: {ended:?}");
            assert_ne!(ended.code, Some(0), "{arguments:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_in_any_words_steers_no_terminal() {
    limited(async {
        let row =
            json!({ "name": STEERING, "state": STEERING, "source": STEERING, "last_error": { "message": STEERING } });
        let said = json!({ "version": STEERING, "access_token": STEERING, "tokens": [row] }).to_string();
        let address = impostor(StatusCode::OK, said.as_bytes()).await;
        for arguments in
            [&["token", "x"][..], &["token", "x", "--json"], &["status"], &["status", "--json"], &["doctor"]]
        {
            let ended = asked(address, arguments).await;
            // Directions of writing are text, which JSON leaves as it is.
            let printed = format!("{}{}", ended.stdout, ended.stderr);
            let printed = if arguments.contains(&"--json") { printed.replace('\u{202e}', "") } else { printed };
            assert!(!steers(&printed), "{arguments:?}: {ended:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn credentials_in_any_words_are_none() {
    limited(async {
        let said = json!({ "AccessKeyId": "A", "SecretAccessKey": "S", "Token": STEERING, "Expiration": "E" });
        let address = impostor(StatusCode::OK, said.to_string().as_bytes()).await;
        for format in ["process", "env", "json"] {
            let ended = asked(address, &["credentials", "x", "--format", format]).await;
            assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{format}: {ended:?}");
            assert!(!steers(&ended.stderr), "{format}: {ended:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn numbers_and_names_of_any_size_are_shown() {
    limited(async {
        let most = u64::MAX;
        let long = "n".repeat(70_000);
        let words = "a ".repeat(200_000);
        for row in [
            json!({ "lifetime": most, "expires_in": most, "refresh_due_in": most, "hits": most, "stale": most }),
            json!({ "lifetime": most, "expires_in": 0, "refresh_due_in": most, "fees_saved": 1e308 }),
            json!({ "lifetime": -1, "expires_in": -1, "hits": -1, "fees_saved": -1e308 }),
            json!({ "name": long, "state": long, "last_error": { "message": words, "retry_in": most } }),
        ] {
            let said = json!({ "version": "1", "uptime_seconds": most, "requests": most, "tokens": [row] }).to_string();
            let ended = asked(impostor(StatusCode::OK, said.as_bytes()).await, &["status"]).await;
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_answer_of_the_daemon_is_no_success() {
    limited(async {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for body in ["<html>hello", "", "null", "{}", "[]", "\u{1b}[2J", "{\"version\":NaN}", &deep] {
            let address = impostor(StatusCode::OK, body.as_bytes()).await;
            for arguments in [
                &["status"][..],
                &["token", "x"],
                &["credentials", "x"],
                &["credentials", "x", "--format", "env"],
                &["exec", "--token", "A=x", "--", "/bin/true"],
                &["doctor"],
            ] {
                let ended = asked(address, arguments).await;
                assert_eq!(ended.code, Some(1), "{arguments:?} with {:.20}: {ended:?}", body);
                assert!(!steers(&ended.stdout) && !steers(&ended.stderr), "{arguments:?} with {:.20}", body);
            }
        }
    })
    .await;
}
