//! Where the token endpoint is: what the issuer's metadata says, and when it is not believed.

use credbroker_emulator::{Fault, FaultKind, Metadata};
use serde_json::{Value, json};

use super::{TOKEN, basic, site, site_in};
use crate::documents::ORDERS;
use crate::waiting::limited;

const RFC8414: &str = "as/partner/oauth-authorization-server";
const OIDC: &str = "as/partner/openid-configuration";

fn replace(name: &str, value: &str) -> FaultKind {
    FaultKind::Replace([(name.to_owned(), Value::from(value))].into_iter().collect())
}

#[tokio::test]
async fn either_document_is_enough() {
    limited(async {
        for (metadata, requests) in
            [(Metadata::Rfc8414, &[RFC8414, TOKEN][..]), (Metadata::Oidc, &[RFC8414, OIDC, TOKEN])]
        {
            let site = site_in(|partner| partner.metadata = vec![metadata]).await;
            let daemon = site.daemon(&basic("")).await;
            daemon.served("/v1/tokens/partner", ORDERS).await;
            assert_eq!(site.operations(), requests);
        }
    })
    .await;
}

#[tokio::test]
async fn metadata_of_another_issuer_or_an_open_endpoint_is_refused_and_nothing_is_sent_there() {
    limited(async {
        for (name, value, word) in [
            ("issuer", "https://evil.example", "names another issuer"),
            ("token_endpoint", "http://evil.example/token", "neither https nor on loopback"),
        ] {
            let site = site().await;
            site.control().fault(Fault::always(RFC8414, replace(name, value)));
            let daemon = site.daemon(&basic("")).await;
            let answer = daemon.get("/v1/tokens/partner", ORDERS).await;
            assert_eq!(answer.status, 503, "{}", answer.text);
            let complaint = answer.complaint();
            assert!(complaint.contains("tokens.partner") && complaint.contains(word), "{complaint}");
            assert!(!complaint.contains("evil"), "{complaint}");
            assert_eq!(site.operations(), [RFC8414]);
            site.control().clear_faults();
            daemon.served("/v1/tokens/partner", ORDERS).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_issuer_that_is_not_there_or_is_spelled_otherwise_is_a_matter_of_the_configuration() {
    limited(async {
        for (path, status, word) in
            [("/as/nobody", 502, "check issuer"), ("/as/partner/", 503, "as the server spells itself")]
        {
            let site = site().await;
            let daemon = site.daemon(&basic("").replace("/as/partner", path)).await;
            let answer = daemon.get("/v1/tokens/partner", ORDERS).await;
            assert_eq!(answer.status, status, "{}", answer.text);
            assert!(answer.complaint().contains(word), "{}", answer.complaint());
            assert_eq!(site.asked(TOKEN).len(), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn once_found_the_endpoint_is_known_though_the_metadata_is_gone() {
    limited(async {
        let site = site().await;
        site.control().set_lifetime(TOKEN, 1);
        let daemon = site.daemon(&basic("keep = \"always\"")).await;
        daemon.served("/v1/tokens/partner", ORDERS).await;
        for document in [RFC8414, OIDC] {
            let down = FaultKind::Status { status: 503, body: String::new(), headers: [].into() };
            site.control().fault(Fault::always(document, down));
        }
        let before = site.asked(TOKEN).len();
        site.asked_times(TOKEN, before + 2).await;
        assert!(site.outcomes(TOKEN).iter().all(|outcome| outcome == "ok"));
        assert_eq!(site.asked(RFC8414).len() + site.asked(OIDC).len(), 1);
        assert_eq!(daemon.row("tokens.partner", "").await.get("last_error"), None);
    })
    .await;
}

#[tokio::test]
async fn metadata_that_cannot_be_had_at_first_is_asked_for_again() {
    limited(async {
        let site = site().await;
        let down = FaultKind::Status { status: 503, body: String::new(), headers: [].into() };
        site.control().fault(Fault::once(RFC8414, down));
        let daemon = site.daemon(&basic("")).await;
        let answer = daemon.get("/v1/tokens/partner", ORDERS).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (503, &json!("temporarily_unavailable")),
            "{}",
            answer.text
        );
        assert!(answer.complaint().contains("the metadata of"), "{}", answer.complaint());
        daemon.served("/v1/tokens/partner", ORDERS).await;
    })
    .await;
}
