//! The client secret: one of two, asked of Cognito itself, and replaced while the daemon runs.

use std::time::Duration;

use serde_json::json;

use super::{WAYS, machine, with_audit};
use crate::daemon::Daemon;
use crate::documents::{BROKER, M2M_CLIENT, M2M_SECRET, ORDERS};
use crate::site::Site;
use crate::waiting::{limited, until};

const OTHER: &str = "othersecret0123456789abcdefghijklmnopqr";
const NEWEST: &str = "newestsecret0123456789abcdefghijklmnopq";
const SCOPES: &str = "scopes = [\"billing/read\", \"billing/write\", \"billing/audit\"]";

/// A secret of two: each narrowing of the token is one fetch, so the tests need not wait for a renewal.
struct Two {
    site: Site,
    daemon: Daemon,
    operation: &'static str,
    refused: &'static str,
}

impl Two {
    async fn open((domain, operation): (&str, &'static str)) -> Self {
        let site = Site::open_in(with_audit).await;
        site.write("first.secret", OTHER);
        site.write("second.secret", M2M_SECRET);
        let two = "client_secret = [{ file = \"DIR/first.secret\" }, { file = \"DIR/second.secret\" }]";
        let daemon = site.daemon(&machine(domain, &format!("{SCOPES}\n{two}"))).await;
        let refused = if operation == "token" { "invalid_client" } else { "NotAuthorizedException" };
        Self { site, daemon, operation, refused }
    }

    /// Fetches a narrowing not fetched before; what came of each request made for it, and which secret is live.
    async fn fetch(&self, scope: &str) -> (Vec<String>, String) {
        self.site.control().clear_journal();
        let query = scope.replace(' ', "%20");
        self.daemon.get(&format!("/v1/tokens/machine?scope={query}"), ORDERS).await.token();
        let live = self.daemon.row("tokens.machine", scope).await["secret"].as_str().unwrap().to_owned();
        (self.site.outcomes(self.operation), live)
    }
}

#[tokio::test]
async fn of_two_secrets_the_live_one_is_found_and_kept_to() {
    limited(async {
        for way in WAYS {
            let two = Two::open(way).await;
            let (first, second) = ("first of two, file ", "second of two, file ");
            let live = |which: &str| {
                let name = which.split(' ').next().unwrap();
                format!("{which}{}", two.site.dir.path().join(format!("{name}.secret")).display())
            };
            let (refused, ok) = (two.refused.to_owned(), "ok".to_owned());
            let (wrong_then_right, right) = (vec![refused, ok.clone()], vec![ok]);

            assert_eq!(two.fetch("billing/read").await, (wrong_then_right.clone(), live(second)));
            assert_eq!(two.fetch("billing/write").await, (right.clone(), live(second)), "the first is not tried again");

            two.site.control().set_client_secret(M2M_CLIENT, OTHER);
            assert_eq!(two.fetch("billing/audit").await, (wrong_then_right.clone(), live(first)), "swapped at Cognito");
            assert_eq!(two.fetch("billing/read billing/write").await, (right.clone(), live(first)));

            two.site.control().set_client_secret(M2M_CLIENT, M2M_SECRET);
            assert_eq!(two.fetch("billing/audit billing/read").await, (wrong_then_right, live(second)));
            two.site.write("first.secret", NEWEST);
            two.site.control().set_client_secret(M2M_CLIENT, NEWEST);
            assert_eq!(two.fetch("billing/audit billing/write").await, (right, live(first)), "it was replaced");
        }
    })
    .await;
}

#[tokio::test]
async fn a_missing_file_is_no_reason_not_to_use_the_other_one_and_two_wrong_ones_are_refused() {
    limited(async {
        for way in WAYS {
            let two = Two::open(way).await;
            std::fs::remove_file(two.site.dir.path().join("first.secret")).unwrap();
            let (outcomes, live) = two.fetch("billing/read").await;
            assert_eq!(outcomes, ["ok"]);
            assert!(live.starts_with("second of two"), "{live}");
            two.site.write("first.secret", OTHER);
            two.site.control().set_client_secret(M2M_CLIENT, NEWEST);
            let answer = two.daemon.get("/v1/tokens/machine", ORDERS).await;
            assert_eq!((answer.status, &answer.json()["error"]), (502, &json!("upstream_denied")), "{}", answer.text);
            assert_eq!(two.site.outcomes(two.operation), ["ok", two.refused, two.refused], "each is tried once");
            assert!(!answer.text.contains(OTHER) && !answer.text.contains(M2M_SECRET));
        }
    })
    .await;
}

#[tokio::test]
async fn cognito_is_asked_for_the_secret_once_and_again_when_it_is_refused() {
    limited(async {
        let site = Site::open_in(with_audit).await;
        let document = machine(WAYS[0].0, &format!("{SCOPES}\nclient_secret = {{ cognito = true }}"));
        let daemon = site.daemon(&document).await;
        let get = |query: &'static str| daemon.get(query, ORDERS);
        let (whole, read, write) = tokio::join!(
            get("/v1/tokens/machine"),
            get("/v1/tokens/machine?scope=billing/read"),
            get("/v1/tokens/machine?scope=billing/write")
        );
        [whole, read, write].iter().for_each(|answer| drop(answer.token()));
        let described = site.asked("DescribeUserPoolClient");
        assert_eq!((described.len(), site.asked("token").len()), (1, 3), "once for three fetches");
        assert_eq!(described[0].principal.as_deref(), Some(BROKER));
        assert_eq!(described[0].parameters["described_client"], M2M_CLIENT);

        site.control().set_client_secret(M2M_CLIENT, NEWEST);
        // Cognito is not asked again within ten seconds, and a refusal is remembered for up to eight.
        until("the new secret is found", Duration::from_secs(20), async || {
            (get("/v1/tokens/machine?scope=billing/audit").await.status == 200).then_some(())
        })
        .await;
        let journal = site.control().journal();
        let last: Vec<_> = journal[journal.len() - 3..].iter().map(|a| (&*a.operation, &*a.outcome)).collect();
        let expected = [("token", "invalid_client"), ("DescribeUserPoolClient", "ok"), ("token", "ok")];
        assert_eq!(last, expected, "found in the fetch that was refused");
        assert_eq!(site.asked("DescribeUserPoolClient").len(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_cognito_says_no_to_is_said_in_words() {
    limited(async {
        let site = Site::open_in(|world| {
            let allow = &mut world.iam.users.get_mut("broker").unwrap().allow;
            allow.retain(|action| action != "cognito-idp:DescribeUserPoolClient");
        })
        .await;
        let daemon = site.daemon(&machine("", "client_secret = { cognito = true }")).await;
        let answer = daemon.get("/v1/tokens/machine", ORDERS).await;
        assert_eq!(
            (answer.status, site.operations()),
            (502, vec!["DescribeUserPoolClient".to_owned()]),
            "{}",
            answer.text
        );
        for word in [
            "tokens.machine",
            M2M_CLIENT,
            "DescribeUserPoolClient",
            "AccessDenied",
            "allow cognito-idp:DescribeUserPoolClient",
        ] {
            assert!(answer.complaint().contains(word), "{word}: {}", answer.complaint());
        }
    })
    .await;
}

#[tokio::test]
async fn a_secret_replaced_on_disk_is_used_at_the_next_refresh() {
    limited(async {
        for (domain, operation) in WAYS {
            let site = Site::open().await;
            site.control().set_lifetime(operation, 1);
            let daemon = site.daemon(&machine(domain, "client_secret = { file = \"DIR/billing.secret\" }")).await;
            let first = daemon.served("/v1/tokens/machine", ORDERS).await.token();
            until("a refresh with the old secret", Duration::from_secs(10), async || {
                (daemon.served("/v1/tokens/machine", ORDERS).await.token() != first).then_some(())
            })
            .await;
            site.control().set_client_secret(M2M_CLIENT, OTHER);
            site.write("billing.secret", OTHER);
            site.control().clear_journal();
            until("a refresh with the new secret", Duration::from_secs(10), async || {
                daemon.get("/v1/tokens/machine", ORDERS).await;
                site.outcomes(operation).contains(&"ok".to_owned()).then_some(())
            })
            .await;
            daemon.served("/v1/tokens/machine", ORDERS).await;
        }
    })
    .await;
}
