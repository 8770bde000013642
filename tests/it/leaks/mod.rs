//! Nothing secret in anything the daemon prints, at its most talkative, through success and failure.

mod files;
mod metadata;
mod sources;

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use credbroker_emulator::{Fault, FaultKind};
use serde_json::Value;

use crate::client::Ask;
use crate::daemon::Daemon;
use crate::documents::{
    BILLING, BROKER_SECRET, LEDGER, M2M_CLIENT, M2M_SECRET, ORDERS, POOLS, REPORTS, ROBOT, ROBOT_PASSWORD, ROLES,
    caller, token_called,
};
use crate::site::{Site, credbroker};
use crate::waiting::limited;

/// Any piece of a secret that is this long is a leak of it.
const WINDOW: usize = 12;
const WRONG: &str = "wrongsecretQm4Tz8Lc2Vx6Nb0Kj5Hf9Dd3";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");
const GUESSED: &str = "guessed-Wp6Ry2Ts8Ug4Vh0Xi7Zj3";

/// The secrets of a run.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn add(&mut self, secret: &str) {
        assert!(secret.len() > WINDOW, "too short to hunt for");
        self.0.push(secret.to_owned());
        self.0.push(STANDARD.encode(secret).trim_end_matches('=').to_owned());
    }

    /// A JWT: its claims and its signature. The header is the same in all, and says nothing.
    fn add_jwt(&mut self, token: &str) {
        token.split('.').skip(1).for_each(|part| self.add(part));
    }

    fn add_credentials(&mut self, body: &Value) {
        ["SecretAccessKey", "Token"].iter().for_each(|key| self.add(body[key].as_str().unwrap()));
    }

    /// A private key in PEM, line by line.
    fn add_pem(&mut self, pem: &str) {
        pem.lines().filter(|line| line.len() > WINDOW && !line.starts_with("-----")).for_each(|line| self.add(line));
    }

    /// Nothing of them stands in `said`, and the search would find it.
    fn are_not_in(&self, said: &str) {
        for secret in &self.0 {
            let planted = format!("{said}{}", &secret[1..=WINDOW]);
            assert!(self.found_in(&planted).contains(&secret[1..=WINDOW].to_owned()), "the search is blind");
        }
        assert_eq!(self.found_in(said), [""; 0]);
    }

    /// Every piece of a secret that stands in `text`.
    fn found_in(&self, text: &str) -> Vec<String> {
        let pieces: HashSet<&[u8]> = text.as_bytes().windows(WINDOW).collect();
        let pieces_of = |secret: &String| {
            secret
                .as_bytes()
                .windows(WINDOW)
                .filter(|piece| pieces.contains(piece))
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        };
        self.0.iter().flat_map(pieces_of).map(|piece| String::from_utf8_lossy(&piece).into_owned()).collect()
    }
}

fn document() -> String {
    let broken = token_called("broken", "").replace("billing.secret", "wrong.secret");
    let orders = [
        "tokens.billing",
        "tokens.ledger",
        "tokens.robot",
        "tokens.broken",
        "credentials.own",
        "credentials.hub",
        "credentials.orders",
        "credentials.uploads",
        "credentials.tenant",
    ];
    let callers = [caller("orders", &orders), caller("reports", &[])].concat();
    format!("{BILLING}{LEDGER}{ROBOT}{broken}{ROLES}{POOLS}{callers}")
}

fn known_beforehand() -> Secrets {
    let mut secrets = Secrets::default();
    for secret in [M2M_SECRET, ROBOT_PASSWORD, BROKER_SECRET, ORDERS, REPORTS, WRONG, GUESSED] {
        secrets.add(secret);
    }
    // As HTTP Basic sends them; the client id alone is no secret, so only the end of it is hunted for.
    let basic = STANDARD.encode(format!("{M2M_CLIENT}:{M2M_SECRET}"));
    secrets.0.push(basic[basic.len() - M2M_SECRET.len()..].trim_end_matches('=').to_owned());
    secrets
}

async fn succeed(daemon: &Daemon, secrets: &mut Secrets) {
    for path in ["/v1/tokens/billing", "/v1/tokens/ledger", "/v1/tokens/robot", "/v1/tokens/billing?scope=billing/read"]
    {
        secrets.add_jwt(&daemon.served(path, ORDERS).await.token());
    }
    for name in ["hub", "orders", "uploads", "tenant"] {
        secrets.add_credentials(&daemon.served(&format!("/v1/credentials/{name}"), ORDERS).await.json());
    }
}

/// Asks in every wrong way; what the daemon answered.
async fn be_refused(daemon: &Daemon) -> String {
    let mut said = String::new();
    for ask in [
        Ask::get("/v1/tokens/broken").bearer(ORDERS),
        Ask::get("/v1/tokens/broken").bearer(ORDERS),
        Ask::get("/v1/tokens/nothing").bearer(ORDERS),
        Ask::get("/v1/tokens/billing").bearer(REPORTS),
        Ask::get("/v1/tokens/billing").bearer(GUESSED),
        Ask::get("/v1/tokens/billing").bearer(ORDERS).header("x-forwarded-for", GUESSED),
        Ask::get("/v1/tokens/billing").bearer(ORDERS).header("host", GUESSED),
        Ask::get(&format!("/v1/tokens/billing?scope={GUESSED}")).bearer(ORDERS),
        Ask::get(&format!("/v1/tokens/billing?{GUESSED}=1")).bearer(ORDERS),
        Ask::of(http::Method::POST, "/v1/tokens/billing").bearer(ORDERS),
        Ask::form("/oauth2/token", &[GRANT, ("client_id", "broken"), ("client_secret", ORDERS)]),
        Ask::form("/oauth2/token", &[GRANT, ("client_id", ORDERS), ("client_secret", ORDERS), ("scope", GUESSED)]),
        Ask::form("/oauth2/token", &[GRANT, ("client_id", "billing"), ("client_secret", GUESSED)]),
        Ask::form("/oauth2/token", &[("grant_type", GUESSED), ("client_secret", ORDERS)]),
        Ask::form("/oauth2/introspect", &[("token", GUESSED), ("client_secret", ORDERS)]),
        Ask::get("/v1/status").bearer(ORDERS),
        Ask::get("/").bearer(ORDERS),
        Ask::get(&format!("/?refresh={GUESSED}")).bearer(ORDERS),
        Ask::get("/readyz"),
    ] {
        let answer = daemon.ask(ask).await;
        said += &answer.text;
    }
    said
}

/// A source that says our secrets back to us, and breaks.
async fn meet_a_broken_source(site: &Site, secrets: &mut Secrets) -> String {
    let echo = |status| FaultKind::Status {
        status,
        body: format!("{M2M_SECRET} {BROKER_SECRET} {ROBOT_PASSWORD}"),
        headers: [].into(),
    };
    let mut said = String::new();
    for kind in [echo(500), echo(400), echo(200), FaultKind::Cut { after_bytes: 200 }] {
        let daemon = site.launch(&document()).env("CREDBROKER_LOG", "trace").start().await;
        site.control().clear_faults();
        site.control().fault(Fault::always("*", kind));
        for path in [
            "/v1/tokens/billing",
            "/v1/tokens/ledger",
            "/v1/tokens/robot",
            "/v1/credentials/orders",
            "/v1/credentials/tenant",
        ] {
            let answer = daemon.get(path, ORDERS).await;
            assert!(matches!(answer.status, 502..=504), "{path}: {}", answer.text);
            said += &answer.text;
        }
        site.control().clear_faults();
        let own = daemon.get("/v1/credentials/own", ORDERS).await;
        assert_eq!(own.status, 200, "{}", own.text);
        said += &daemon.said().await;
        drop(daemon);
        std::fs::remove_file(site.dir.path().join("api.sock")).unwrap();
    }
    secrets.add(BROKER_SECRET);
    said
}

/// What the commands complain about; what they print as a result is what was asked for.
async fn commands(daemon: &Daemon) -> String {
    let file = daemon.dir.join("credbroker.toml");
    let mut said = String::new();
    for (arguments, token) in [
        (&["token", "broken"][..], ORDERS),
        (&["token", "billing"], GUESSED),
        (&["token", "nothing"], ORDERS),
        (&["wait", "tokens.broken", "--timeout", "1s"], ORDERS),
        (&["status"], ORDERS),
        (&["status", "--json"], ORDERS),
        (&["status", "--page"], ORDERS),
        (&["status"], "a token\nthat no header can carry"),
        (&["check", "--config", file.to_str().unwrap()], ORDERS),
    ] {
        let environment =
            [("CREDBROKER_URL", &*daemon.url()), ("CREDBROKER_TOKEN", token), ("CREDBROKER_LOG", "trace")];
        let ended = credbroker(&daemon.dir, arguments, &environment).await;
        said += &format!("{}{}", ended.stdout, ended.stderr);
    }
    said
}

#[tokio::test]
async fn nothing_printed_holds_a_piece_of_a_secret() {
    limited(async {
        let site = Site::open().await;
        site.write("wrong.secret", WRONG);
        let mut secrets = known_beforehand();
        let daemon = site.launch(&document()).env("CREDBROKER_LOG", "trace").start().await;
        succeed(&daemon, &mut secrets).await;
        let mut said = be_refused(&daemon).await;
        said += &commands(&daemon).await;
        said += &daemon.said().await;
        drop(daemon);
        std::fs::remove_file(site.dir.path().join("api.sock")).unwrap();
        said += &meet_a_broken_source(&site, &mut secrets).await;

        // The log was on, and the search finds what is there.
        for word in [
            "<!DOCTYPE html>",
            "DEBUG",
            "asking the source",
            "issued",
            "not issued",
            "refused",
            "tokens.broken",
            M2M_CLIENT,
            "\"event\":\"oauth2\",\"outcome\":\"refused\"",
            "\"name\":\"tokens.broken\"",
        ] {
            assert!(said.contains(word), "{word} is not in what was printed");
        }
        secrets.are_not_in(&said);
    })
    .await;
}

/// The SDK's own providers put the answers they cannot use, whole, into its warnings.
#[tokio::test]
async fn what_the_sdk_is_told_while_it_looks_for_an_identity_is_not_printed() {
    limited(async {
        let site = Site::open().await;
        let token_file = site.write("web.token", GUESSED);
        let body = format!("<html>{BROKER_SECRET} {M2M_SECRET}</html>");
        let mut secrets = Secrets::default();
        [GUESSED, BROKER_SECRET, M2M_SECRET].iter().for_each(|secret| secrets.add(secret));
        for status in [400, 200] {
            site.control()
                .fault(Fault::always("*", FaultKind::Status { status, body: body.clone(), headers: [].into() }));
            let launch = site.launch(&document()).without("AWS_ACCESS_KEY_ID").without("AWS_SECRET_ACCESS_KEY");
            let launch = launch.env("AWS_WEB_IDENTITY_TOKEN_FILE", token_file.to_str().unwrap());
            let launch =
                launch.env("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/hub").env("CREDBROKER_LOG", "trace");
            let daemon = launch.start().await;
            let answer = daemon.get("/v1/credentials/own", ORDERS).await;
            assert!(matches!(answer.status, 502..=504), "{}", answer.text);
            assert_eq!(secrets.found_in(&answer.text), [""; 0]);
            assert_eq!(secrets.found_in(&daemon.said().await), [""; 0]);
            drop(daemon);
            std::fs::remove_file(site.dir.path().join("api.sock")).unwrap();
            site.control().clear_faults();
        }
        assert!(!site.asked("AssumeRoleWithWebIdentity").is_empty(), "the identity was looked for there");
    })
    .await;
}

/// A confused client writes its token where a name belongs.
#[tokio::test]
async fn a_token_in_a_path_is_not_printed_either() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.launch(&document()).env("CREDBROKER_LOG", "trace").start().await;
        let mut secrets = Secrets::default();
        secrets.add(GUESSED);
        daemon.ask(Ask::get(&format!("/v1/tokens/{GUESSED}")).bearer(ORDERS)).await;
        daemon.ask(Ask::get(&format!("/v1/{GUESSED}")).bearer(ORDERS)).await;
        daemon.ask(Ask::get(&format!("/{GUESSED}"))).await;
        assert_eq!(secrets.found_in(&daemon.said().await), [""; 0]);
    })
    .await;
}
