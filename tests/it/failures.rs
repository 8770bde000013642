//! What callers are told when a source fails, and what they are not.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};

use crate::daemon::holds;
use crate::documents::{M2M_SECRET, ORDERS, ROLES, billing_for_orders, caller, token_called};
use crate::site::Site;
use crate::waiting::{limited, until};

/// Stands in every body that a fault sends.
const MARK: &str = "upstream-marker-5k2v";
const WRONG: &str = "wrongsecret9876543210zyxwvutsrqponm";

fn status(status: u16) -> FaultKind {
    FaultKind::Status { status, body: format!("<html>{MARK}</html>"), headers: [].into() }
}

fn garbage(body: String) -> FaultKind {
    FaultKind::Garbage { body, content_type: "application/json".to_owned() }
}

/// What goes wrong, and what a caller sees: status, and a word that names the fault.
fn faults(elsewhere: &str) -> Vec<(FaultKind, u16, &'static str)> {
    let numbers = format!(r#"{{"access_token":"{MARK}","token_type":"Bearer","expires_in":"soon"}}"#);
    let other = format!(r#"{{"access_token":"{MARK}","token_type":"mac","expires_in":60}}"#);
    let expired = format!(r#"{{"access_token":"{MARK}","token_type":"Bearer","expires_in":0}}"#);
    let split = format!(r#"{{"access_token":"{MARK}\r\nX: y","token_type":"Bearer","expires_in":60}}"#);
    vec![
        (garbage(format!("<html>{MARK}</html>")), 503, "access_token"),
        (garbage(numbers), 503, "expires_in"),
        (garbage(other), 503, "bearer"),
        (garbage(expired), 503, "expired"),
        (garbage(split), 503, "header"),
        (garbage(MARK.repeat(10_000)), 503, "64 KiB"),
        (FaultKind::Cut { after_bytes: 30 }, 503, "breaks off"),
        (FaultKind::Redirect { location: format!("http://{elsewhere}/{MARK}") }, 502, "redirects"),
        (status(503), 503, "status 503"),
        (status(500), 503, "status 500"),
        (status(404), 502, "domain"),
        (status(403), 502, "firewall"),
        (
            FaultKind::Error { code: "unauthorized_client".into(), status: 400, message: MARK.into() },
            502,
            "client_credentials",
        ),
        (FaultKind::Error { code: "invalid_scope".into(), status: 400, message: MARK.into() }, 502, "scopes"),
        (FaultKind::Throttle { retry_after: None }, 503, "fewer requests"),
    ]
}

#[tokio::test]
async fn each_way_to_fail_has_its_status_and_its_words() {
    limited(async {
        let site = Site::open().await;
        let elsewhere = holds("127.0.0.1", 0).unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let faults = faults(&elsewhere.local_addr().unwrap().to_string());
        let names: Vec<String> = (0..faults.len()).map(|index| format!("t{index}")).collect();
        let tokens: String = names.iter().map(|name| token_called(name, "")).collect();
        let allow: Vec<String> = names.iter().map(|name| format!("tokens.{name}")).collect();
        let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
        let daemon = site.daemon(&format!("{tokens}{}", caller("orders", &allow))).await;

        for (name, (kind, status, word)) in names.iter().zip(faults) {
            site.control().fault(Fault::once("token", kind.clone()));
            let answer = daemon.get(&format!("/v1/tokens/{name}"), ORDERS).await;
            assert_eq!(answer.status, status, "{kind:?}: {}", answer.text);
            let said = answer.complaint();
            assert!(said.contains(&format!("tokens.{name}")) && said.contains(word), "{kind:?}: {said}");
            assert!(!answer.text.contains(MARK) && !answer.text.contains("<html>"), "{kind:?}: {said}");
            assert!(!answer.text.contains(M2M_SECRET), "{kind:?}: {said}");
            assert!(answer.retry_after() >= 1, "{kind:?}");
            assert_eq!((answer.header("cache-control"), answer.header("credbroker-cache")), (Some("no-store"), None));
        }
        assert!(elsewhere.accept().is_err(), "the redirect was not followed");
    })
    .await;
}

#[tokio::test]
async fn a_wrong_secret_is_named_remembered_and_mended_without_a_restart() {
    limited(async {
        let site = Site::open().await;
        site.write("billing.secret", WRONG);
        let daemon = site.daemon(&billing_for_orders()).await;
        let first = daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!((first.status, first.json()["error"].as_str()), (502, Some("upstream_denied")), "{}", first.text);
        for word in ["tokens.billing", "invalid_client", "client secret"] {
            assert!(first.complaint().contains(word), "{word}: {}", first.complaint());
        }
        assert!(!first.text.contains(WRONG), "{}", first.text);
        let second = daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!(second.status, 502);
        assert_eq!(site.operations(), ["token"], "the refusal is remembered");

        site.write("billing.secret", M2M_SECRET);
        // What Retry-After says is enough; two seconds of slack for the fetch and for a busy machine.
        let patience = Duration::from_secs(second.retry_after() + 2);
        until("the replaced secret takes effect", patience, async || {
            (daemon.get("/v1/tokens/billing", ORDERS).await.status == 200).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_throttled_source_is_left_alone_as_long_as_it_asks() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        site.control().fault(Fault::once("token", FaultKind::Throttle { retry_after: Some(7) }));
        let first = daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!(first.status, 503, "{}", first.text);
        assert!((6..=7).contains(&first.retry_after()), "Retry-After: {}", first.retry_after());
        // The fault was for one request: whoever asked now would be served.
        let again = daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!((again.status, site.operations().len()), (503, 1));
    })
    .await;
}

#[tokio::test]
async fn a_role_that_does_not_trust_us_is_denied_in_the_words_of_sdks() {
    limited(async {
        let site = Site::open().await;
        let unknown =
            "[credentials.direct]\nfrom = \"assume-role\"\nrole_arn = \"arn:aws:iam::111122223333:role/orders\"\n";
        let document = format!("{ROLES}{unknown}{}", caller("orders", &["credentials.direct", "credentials.orders"]));
        let daemon = site.daemon(&document).await;
        let direct = daemon.get("/v1/credentials/direct", ORDERS).await;
        assert_eq!((direct.status, direct.json()["Code"].as_str()), (502, Some("UpstreamDenied")), "{}", direct.text);
        for word in ["credentials.direct", "AccessDenied", "trust policy"] {
            assert!(direct.complaint().contains(word), "{word}: {}", direct.complaint());
        }

        let throttled = FaultKind::Throttle { retry_after: None };
        site.control().fault(Fault::once("AssumeRole", throttled));
        let chained = daemon.get("/v1/credentials/orders", ORDERS).await;
        assert_eq!(
            (chained.status, chained.json()["Code"].as_str()),
            (503, Some("UpstreamThrottled")),
            "{}",
            chained.text
        );
        assert!(chained.complaint().contains("credentials.hub is needed first"), "{}", chained.complaint());
        assert!(chained.retry_after() >= 1);
    })
    .await;
}

#[tokio::test]
async fn a_missing_secret_is_the_daemons_trouble_and_no_request() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        std::fs::remove_file(site.dir.path().join("billing.secret")).unwrap();
        let answer = daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (502, Some("upstream_misconfigured")),
            "{}",
            answer.text
        );
        assert!(answer.complaint().contains("billing.secret"), "{}", answer.complaint());
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}
