//! `credbroker verify`.

use std::process::Stdio;

use credbroker_emulator::{Fault, FaultKind};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use super::{document, valid};
use crate::daemon::{Daemon, free_port};
use crate::documents::{M2M_CLIENT, ORDERS, REPORTS};
use crate::process::{self, CREDBROKER, Ended};
use crate::site::{Site, credbroker};
use crate::waiting::limited;

async fn verify(daemon: &Daemon, caller: &str, arguments: &[&str]) -> Ended {
    let environment = [("CREDBROKER_URL", &*daemon.url()), ("CREDBROKER_TOKEN", caller)];
    credbroker(&daemon.dir, &[&["verify"], arguments].concat(), &environment).await
}

/// Runs the command with `text` on its standard input.
async fn fed(daemon: &Daemon, arguments: &[&str], text: &str) -> (Option<i32>, String) {
    let environment = [("CREDBROKER_URL", daemon.url()), ("CREDBROKER_TOKEN", ORDERS.to_owned())];
    let mut command =
        process::command(CREDBROKER, &daemon.dir, &environment.map(|(name, value)| (name.to_owned(), value)));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn the_claims_of_a_valid_token_are_printed_wherever_it_comes_from() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let token = valid(&site);
        let ended = verify(&daemon, ORDERS, &["--issuer", "users", &token]).await;
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{}", ended.stdout);
        let claims: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(
            (&claims["active"], &claims["sub"], &claims["client_id"]),
            (&true.into(), &"ann-1".into(), &M2M_CLIENT.into())
        );
        assert!(!ended.stdout.contains(&token));
        for arguments in [&["verify", "--issuer", "issuers.users", "-"][..], &["verify", "--issuer", "users"]] {
            let (code, printed) = fed(&daemon, arguments, &format!("{token}\n")).await;
            assert_eq!((code, printed), (Some(0), ended.stdout.clone()), "{arguments:?}");
        }
        assert_eq!(fed(&daemon, &["verify", "--issuer", "users", "-"], "\n").await.0, Some(2), "nothing is no token");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_said_has_the_exit_codes_of_every_command() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let token = valid(&site);
        for (caller, issuer, code) in [(REPORTS, "users", 4), ("nobody", "users", 4), (ORDERS, "others", 4)] {
            let ended = verify(&daemon, caller, &["--issuer", issuer, &token]).await;
            assert_eq!((ended.code, &*ended.stdout), (Some(code), ""), "{issuer}: {}", ended.stderr);
        }
        assert_eq!(verify(&daemon, ORDERS, &[&token]).await.code, Some(2), "whose it should be has to be said");
        let down = FaultKind::Status { status: 503, body: String::new(), headers: [].into() };
        site.control().fault(Fault::always("jwks", down));
        assert_eq!(verify(&daemon, ORDERS, &["--issuer", "users", &token]).await.code, Some(5));
        let nowhere = format!("http://127.0.0.1:{}", free_port());
        let ended = verify(&daemon, ORDERS, &["--issuer", "users", &token, "--url", &nowhere]).await;
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        assert!(!ended.stderr.contains(&token));
    })
    .await;
}
