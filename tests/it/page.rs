//! The page at `/`: who may see it, what a browser may do with it, and what it says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use credbroker_emulator::{Fault, FaultKind};
use http::Method;
use ring::digest::{SHA256, digest};

use crate::client::{Answer, Ask};
use crate::daemon::Daemon;
use crate::documents::{BILLING, LEDGER, ORDERS, POOLS, ROBOT, ROLES, billing_for_orders, caller};
use crate::site::{Site, credbroker};
use crate::waiting::limited;

/// What a browser sends that asks for a page because somebody typed its address.
const TYPED: [(&str, &str); 4] = [
    ("sec-fetch-site", "none"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-user", "?1"),
];

fn by_a_browser(mut ask: Ask) -> Ask {
    for (name, value) in TYPED {
        ask = ask.header(name, value);
    }
    ask
}

fn is_page(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("text/html; charset=utf-8")),
        "{}",
        answer.text
    );
    assert!(
        answer.text.starts_with("<!DOCTYPE html>") && answer.text.trim_end().ends_with("</html>"),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn it_is_for_callers_and_over_tcp_not_for_browsers() {
    limited(async {
        let site = Site::open().await;
        let me = format!("[callers.me]\nallow = []\nuid = {}\n", nix::unistd::getuid());
        let daemon = site.daemon(&format!("{}{me}", billing_for_orders())).await;

        let by_chance = daemon.ask(Ask::get("/")).await;
        assert_eq!(by_chance.status, 403, "a uid alone is not enough over TCP: {}", by_chance.text);
        is_page(&daemon.ask(Ask::get("/").header("credbroker-request", "true")).await);
        is_page(&daemon.get("/", ORDERS).await);
        is_page(&daemon.ask_over(&daemon.unix(), Ask::get("/")).await);

        let typed = daemon.ask(by_a_browser(Ask::get("/").bearer(ORDERS))).await;
        assert_eq!(typed.status, 403, "a tab must not make a browser ask: {}", typed.text);
        let proxied =
            by_a_browser(Ask::get("/")).header("x-forwarded-for", "192.0.2.1").header("host", "status.example");
        is_page(&daemon.ask_over(&daemon.unix(), proxied).await);
        assert_eq!(site.operations(), [""; 0], "looking asks nothing upstream");
    })
    .await;
}

#[tokio::test]
async fn it_takes_get_and_head_and_a_pace() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let unknown = daemon.ask(Ask::get("/")).await;
        assert_eq!((unknown.status, unknown.members().join(" ")), (401, "error error_description".to_owned()));
        let head = daemon.ask(Ask::of(Method::HEAD, "/").bearer(ORDERS)).await;
        assert_eq!((head.status, &*head.text), (200, ""));
        assert!(head.header("content-security-policy").is_some());
        let posted = daemon.ask(Ask::of(Method::POST, "/").bearer(ORDERS)).await;
        assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")), "{}", posted.text);

        assert_eq!(daemon.get("/", ORDERS).await.header("refresh"), None);
        let paced = daemon.get("/?refresh=5", ORDERS).await;
        is_page(&paced);
        assert_eq!(paced.header("refresh"), Some("5"));
        assert!(!paced.text.contains("http-equiv=\"refresh\""), "a saved copy does not reload itself");
        assert_eq!(daemon.get("/?refresh=0", ORDERS).await.status, 400);
    })
    .await;
}

/// The digest of the one style sheet stands in the policy, and nothing on the page asks for anything.
#[tokio::test]
async fn it_is_whole_and_the_browser_is_told_so() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&whole_house()).await;
        let answer = daemon.get("/", ORDERS).await;
        is_page(&answer);
        let html = &answer.text;
        let sheet = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let sheet = STANDARD.encode(digest(&SHA256, sheet.as_bytes()));
        let policy = format!("default-src 'none'; style-src 'sha256-{sheet}'; base-uri 'none'; form-action 'none'");
        let expected = format!("{policy}; frame-ancestors 'none'");
        assert_eq!(answer.header("content-security-policy"), Some(&*expected));
        let quoted = policy.replace('\'', "&#39;");
        assert!(html.contains(&format!("http-equiv=\"Content-Security-Policy\" content=\"{quoted}\"")), "{html}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        for word in
            ["<script", " src=", " style=", "<link", "<form", "<iframe", "<img", "@import", "url(", "javascript:"]
        {
            assert!(!html.contains(word), "{word}");
        }
        for link in html.split(" href=\"").skip(1) {
            assert!(link.starts_with('#'), "only to places on the page: {link:.40}");
        }
        let attributes = html.split('<').filter_map(|tag| tag.split_once('>')).flat_map(|(tag, _)| tag.split(' '));
        assert!(!attributes.into_iter().any(|attribute| attribute.starts_with("on")), "no handler");
    })
    .await;
}

fn whole_house() -> String {
    let allow = ["tokens.billing", "tokens.ledger", "tokens.robot", "credentials.orders", "credentials.uploads"];
    let users = "[issuers.users]\nuser_pool = \"eu-west-1_AbCd12345\"\n";
    format!("{BILLING}{LEDGER}{ROBOT}{ROLES}{POOLS}{users}{}", caller("orders", &allow))
}

#[tokio::test]
async fn every_entry_is_on_it_with_its_chain_and_its_trouble() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&whole_house()).await;
        daemon.served("/v1/tokens/billing", ORDERS).await;
        daemon.served("/v1/credentials/orders", ORDERS).await;
        site.control().fault(Fault::always(
            "InitiateAuth",
            FaultKind::Status { status: 503, body: String::new(), headers: [].into() },
        ));
        daemon.get("/v1/tokens/robot", ORDERS).await;
        let html = daemon.get("/", ORDERS).await.text;
        for words in [
            "tokens.billing",
            "tokens.ledger",
            "credentials.tenant",
            "issuers.users",
            "127.0.0.1:",
            "api.sock",
            "<li><a href=\"#e2-2\">credentials.own</a></li><li><a href=\"#e2-0\">credentials.hub</a></li><li>credentials.orders</li>",
            "<title>credbroker: 1 entry needs attention</title>",
            "The source cannot be reached",
            "Nothing valid is held, so callers are refused.",
            "refresh in ",
            "Cognito token fees saved",
        ] {
            assert!(html.contains(words), "{words} is not in {html}");
        }
        assert!(!html.contains("Own identity"), "it is credentials.own, and stands there");
    })
    .await;
}

/// Tokens for machines cost a fee, a user's do not; what is saved counts from the second request on.
#[tokio::test]
async fn the_fees_saved_are_those_of_tokens_for_machines() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&format!("{}\n[status]\ncognito_fee_per_1000 = 10\n", whole_house())).await;
        for path in ["/v1/tokens/billing", "/v1/tokens/ledger", "/v1/tokens/robot"] {
            daemon.served(path, ORDERS).await;
        }
        let before = fees(&daemon).await;
        for path in ["/v1/tokens/billing", "/v1/tokens/billing", "/v1/tokens/ledger", "/v1/tokens/robot"] {
            assert_eq!(daemon.get(path, ORDERS).await.cache(), "hit");
        }
        let after = fees(&daemon).await;
        assert_eq!((after.0, after.1), (2, before.1 + 3), "bought and avoided");
        assert!((after.2 - before.2 - 0.03).abs() < 1e-9, "{before:?} {after:?}");
        assert_eq!(daemon.row("tokens.robot", "").await.get("fees_saved"), None);
    })
    .await;
}

async fn fees(daemon: &Daemon) -> (u64, u64, f64) {
    let fees = &daemon.get("/v1/status", ORDERS).await.json()["cognito_fees"];
    assert_eq!((fees["estimate"].as_bool(), fees["currency"].as_str()), (Some(true), Some("USD")));
    (fees["bought"].as_u64().unwrap(), fees["avoided"].as_u64().unwrap(), fees["saved"].as_f64().unwrap())
}

#[tokio::test]
async fn where_tokens_are_free_nothing_is_said_of_fees() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&format!("{}\n[status]\ncognito_fee_per_1000 = 0\n", billing_for_orders())).await;
        daemon.served("/v1/tokens/billing", ORDERS).await;
        let status = daemon.get("/v1/status", ORDERS).await.text;
        let page = daemon.get("/", ORDERS).await.text;
        assert!(!status.contains("fees") && !page.contains("fees") && !page.contains('$'), "{status}\n{page}");
    })
    .await;
}

#[tokio::test]
async fn the_command_prints_it_or_saves_it_for_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;

    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let url = daemon.url();
        let known = [("CREDBROKER_URL", &*url), ("CREDBROKER_TOKEN", ORDERS)];
        let printed = credbroker(&daemon.dir, &["status", "--page"], &known).await;
        assert_eq!((printed.code, &*printed.stderr), (Some(0), ""));
        assert!(printed.stdout.starts_with("<!DOCTYPE html>"), "{}", printed.stdout);

        let saved = credbroker(&daemon.dir, &["status", "--page=status.html"], &known).await;
        assert_eq!((saved.code, &*saved.stdout, &*saved.stderr), (Some(0), "", ""));
        let file = daemon.dir.join("status.html");
        assert!(std::fs::read_to_string(&file).unwrap().contains("tokens.billing"));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

        for (arguments, token, code) in [
            (&["status", "--page"][..], "nobody", 4),
            (&["status", "--page=/nowhere/status.html"], ORDERS, 1),
            (&["status", "--page", "--json"], ORDERS, 2),
            (&["status", "--page", "--watch"], ORDERS, 2),
        ] {
            let ended = credbroker(&daemon.dir, arguments, &[known[0], ("CREDBROKER_TOKEN", token)]).await;
            assert_eq!((ended.code, &*ended.stdout), (Some(code), ""), "{arguments:?}: {}", ended.stderr);
            assert!(!ended.stderr.is_empty());
        }
    })
    .await;
}
