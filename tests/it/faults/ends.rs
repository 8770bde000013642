//! Ends of AWS credentials as they should not be, in the words of STS and of an identity pool.

use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::client::Answer;
use crate::documents::{ORDERS, ROLES, caller};
use crate::site::Site;
use crate::waiting::{limited, limited_to, until, wall};

/// An end as STS writes it, and what is made of it: seconds of life at most, or nothing.
const ENDS: [(&str, Option<f64>); 14] = [
    ("1999-12-31T23:59:59Z", None),
    ("1969-07-20T20:17:40Z", None),
    ("0000-01-01T00:00:00Z", None),
    ("9999-12-31T23:59:59Z", Some(HOUR)),
    ("9999-12-31T23:59:59.999999999Z", Some(HOUR)),
    ("10000-01-01T00:00:00Z", None),
    ("99999999999999999999-01-01T00:00:00Z", None),
    ("2099-01-01T02:00:00+02:00", Some(HOUR)),
    ("2099-02-30T00:00:00Z", None),
    ("2099-01-01 00:00:00", None),
    ("tomorrow", None),
    ("", None),
    ("-1", None),
    ("9223372036854775807", None),
];

const HOUR: f64 = 3_600.0;
/// Stands in what an upstream says.
const MARK: &str = "upstream-marker-5k2v";
/// An identity pool that says the caller's name.
const TENANT: &str = r#"
[credentials.NAME]
from          = "identity-pool"
identity_pool = "eu-west-1:11112222-3333-4444-5555-666677778888"
login         = { provider = "login.acme", user = "{caller}" }
"#;

/// How many seconds the credentials of an answer have left.
fn left(answer: &Answer) -> f64 {
    let end = answer.json()["Expiration"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    end.as_duration().as_secs_f64() - wall()
}

fn ends(end: &Value) -> FaultKind {
    FaultKind::Replace(json!({ "Credentials": { "Expiration": end } }).as_object().unwrap().clone())
}

#[tokio::test]
async fn an_odd_end_is_refused_or_cut_and_displaces_nothing() {
    limited(async {
        let site = Site::open().await;
        let roles: String = (0..ENDS.len())
            .map(|number| {
                format!(
                    "[credentials.e{number}]\nfrom = \"assume-role\"\nrole_arn = \"arn:aws:iam::111122223333:role/hub\"\n"
                )
            })
            .collect();
        let allow: Vec<String> = (0..ENDS.len()).map(|number| format!("credentials.e{number}")).collect();
        let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
        let daemon = site.daemon(&format!("{roles}{}", caller("orders", &allow))).await;
        for (number, (end, life)) in ENDS.into_iter().enumerate() {
            site.control().fault(Fault::once("AssumeRole", ends(&json!(end))));
            let answer = daemon.get(&format!("/v1/credentials/e{number}"), ORDERS).await;
            let Some(life) = life else {
                assert_eq!(answer.status, 503, "{end:?}: {}", answer.text);
                let code = answer.json()["Code"].as_str().unwrap().to_owned();
                assert!(matches!(&*code, "UpstreamMalformed" | "UpstreamUnavailable"), "{end:?}: {}", answer.text);
                assert!(answer.retry_after() >= 1, "{end:?}");
                continue;
            };
            assert_eq!(answer.status, 200, "{end:?}: {}", answer.text);
            assert!((0.0..=life).contains(&left(&answer)), "{end:?}: {}", answer.text);
        }
        assert!(!daemon.logged().await.contains("panic"));
    })
    .await;
}

/// The same as an identity pool writes it, in seconds.
#[tokio::test]
async fn an_odd_number_for_an_end_is_refused_or_cut() {
    limited(async {
        let ends = [
            (json!(-1), false),
            (json!(0), false),
            (json!(1.5e9), false),
            (json!(9_223_372_036_854_775_807_i64), true),
            (json!(1e300), true),
            (json!("soon"), false),
            (json!(true), false),
            (json!(null), false),
        ];
        let site = Site::open().await;
        let names: Vec<String> = (0..ends.len()).map(|number| format!("tenant{number}")).collect();
        let pools: String = names.iter().map(|name| TENANT.replace("NAME", name)).collect();
        let allow: Vec<String> = names.iter().map(|name| format!("credentials.{name}")).collect();
        let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
        let daemon = site.daemon(&format!("{pools}{}", caller("orders", &allow))).await;
        for (name, (end, may_be_cut)) in names.iter().zip(ends) {
            site.control().fault(Fault::once("GetCredentialsForIdentity", self::ends(&end)));
            let answer = daemon.get(&format!("/v1/credentials/{name}"), ORDERS).await;
            if answer.status == 200 && may_be_cut {
                assert!((0.0..=HOUR).contains(&left(&answer)), "{end}: {}", answer.text);
            } else {
                assert_eq!(answer.status, 503, "{end}: {}", answer.text);
                assert!(answer.complaint().contains(&format!("credentials.{name}")), "{end}: {}", answer.text);
            }
        }
        assert!(!daemon.logged().await.contains("panic"));
    })
    .await;
}

/// Held credentials are served through these failures of their renewal, one after the other, and each is told by its word.
async fn survive(failures: Vec<(FaultKind, &str)>) {
    let site = Site::open().await;
    // Renewals come after 3 to 9 seconds of the minute, and then again after a few.
    site.control().set_lifetime("AssumeRole", 60);
    let document = format!("[refresh]\nahead = 0.1\n{ROLES}{}", caller("orders", &["credentials.hub"]));
    let daemon = site.daemon(&document).await;
    let first = daemon.served("/v1/credentials/hub", ORDERS).await.json();
    for (kind, word) in failures {
        site.control().clear_faults();
        site.control().fault(Fault::always("AssumeRole", kind));
        until(word, Duration::from_secs(20), async || {
            let row = daemon.row("credentials.hub", "").await;
            row["last_error"]["message"].as_str().is_some_and(|said| said.contains(word)).then_some(())
        })
        .await;
        let answer = daemon.get("/v1/credentials/hub", ORDERS).await;
        assert_eq!(answer.json()["AccessKeyId"], first["AccessKeyId"], "{word}: {}", answer.text);
    }
    assert!(!daemon.said().await.contains(MARK));
}

#[tokio::test]
async fn credentials_are_served_through_every_failure_of_their_renewal() {
    limited_to(Duration::from_secs(50), async {
        let denied = FaultKind::Error { code: "AccessDenied".to_owned(), status: 403, message: MARK.to_owned() };
        let page = FaultKind::Status { status: 500, body: format!("<html>{MARK}</html>"), headers: [].into() };
        // A refusal, or a value of no use, is not asked for again within the minute, so it comes last.
        tokio::join!(
            survive(vec![
                (FaultKind::Throttle { retry_after: None }, "too many requests"),
                (page, "500"),
                (ends(&json!("1999-12-31T23:59:59Z")), "already expired"),
            ]),
            survive(vec![(denied, "AccessDenied")]),
        );
    })
    .await;
}
