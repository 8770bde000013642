//! Token exchange: AWS credentials for the user of a subject token, in the form of RFC 8693.

use serde_json::Value;

use super::{TOKEN, basic, refused, unknown};
use crate::client::Ask;
use crate::daemon::Daemon;
use crate::documents::{ORDERS, ROLES, caller};
use crate::site::Site;
use crate::users::{USERS, id_token};
use crate::waiting::limited;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const AWS: &str = "urn:credbroker:params:oauth:token-type:aws-credentials";
const UPLOADS: &str = r#"
[credentials.uploads]
from          = "identity-pool"
identity_pool = "eu-west-1:11112222-3333-4444-5555-666677778888"
login         = "caller"
issuer        = "issuers.users"

[credentials.others]
from          = "identity-pool"
identity_pool = "eu-west-1:11112222-3333-4444-5555-666677778888"
login         = "caller"
issuer        = "issuers.users"
"#;

async fn daemon(site: &Site) -> Daemon {
    let orders = caller("orders", &["credentials.uploads", "credentials.hub"]);
    site.daemon(&format!("{USERS}{UPLOADS}{ROLES}{orders}")).await
}

/// An exchange of `token` by a known client, in which `changed` replaces fields; an empty one counts as left out.
fn exchange(token: &str, changed: &[(&str, &str)]) -> Ask {
    let usual =
        [("grant_type", EXCHANGE), ("subject_token", token), ("subject_token_type", ID_TOKEN), ("audience", "uploads")];
    let kept = usual.into_iter().filter(|(name, _)| !changed.iter().any(|(other, _)| other == name));
    let fields: Vec<_> = kept.chain(changed.iter().copied()).collect();
    basic(Ask::form(TOKEN, &fields), "uploads", ORDERS)
}

#[tokio::test]
async fn a_users_token_becomes_the_users_credentials() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        let (ann, bob) = (id_token(&site, "ann"), id_token(&site, "bob"));
        let held = |token: &str| Ask::form("/v1/credentials/uploads", &[("subject_token", token)]).bearer(ORDERS);
        let direct = daemon.ask(held(&ann)).await.json();

        let answer = daemon.ask(exchange(&ann, &[])).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.members(), ["access_token", "expires_in", "issued_token_type", "token_type"]);
        let body = answer.json();
        assert_eq!((&body["issued_token_type"], &body["token_type"]), (&AWS.into(), &"N_A".into()));
        assert!((1..=3_600).contains(&body["expires_in"].as_u64().unwrap()), "{body}");
        assert_eq!((answer.header("cache-control"), answer.cache()), (Some("no-store"), "hit"));
        let issued: Value = serde_json::from_str(body["access_token"].as_str().unwrap()).unwrap();
        assert_eq!(issued, direct, "the same credentials in the same form");

        for changed in [
            vec![("audience", "credentials.uploads"), ("requested_token_type", AWS)],
            vec![("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"), ("actor_token", "")],
            vec![("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"), ("client_id", "uploads")],
        ] {
            let again = daemon.ask(exchange(&ann, &changed)).await;
            assert_eq!(again.json()["access_token"], body["access_token"], "{changed:?}: {}", again.text);
        }
        let bobs = daemon.ask(exchange(&bob, &[])).await;
        assert_ne!(bobs.json()["access_token"], body["access_token"]);
        assert_eq!(site.asked("GetCredentialsForIdentity").len(), 2, "one request for each user");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_exchanged_is_refused_before_aws_is_asked() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        let ann = id_token(&site, "ann");
        let forged = format!("{}x", &ann[..ann.len() - 1]);
        for bad in [forged.as_str(), "opaque", ""] {
            refused(&daemon.ask(exchange(bad, &[])).await, 400, "invalid_request");
        }
        for (changed, error) in [
            (vec![("subject_token_type", "")], "invalid_request"),
            (vec![("subject_token_type", "urn:ietf:params:oauth:token-type:saml2")], "invalid_request"),
            (vec![("requested_token_type", ID_TOKEN)], "invalid_request"),
            (vec![("actor_token", &*ann), ("actor_token_type", ID_TOKEN)], "invalid_request"),
            (vec![("actor_token_type", ID_TOKEN)], "invalid_request"),
            (vec![("audience", "")], "invalid_request"),
            (vec![("subject_token", &*ann), ("subject_token", &*ann)], "invalid_request"),
            (vec![("client_id", "another")], "invalid_request"),
            (vec![("audience", "others")], "invalid_target"),
            (vec![("audience", "nothing")], "invalid_target"),
            (vec![("audience", "hub")], "invalid_target"),
            (vec![("audience", "uploads"), ("audience", "hub")], "invalid_target"),
            (vec![("resource", "https://api.example")], "invalid_target"),
            (vec![("scope", "s3")], "invalid_scope"),
        ] {
            let answer = daemon.ask(exchange(&ann, &changed)).await;
            refused(&answer, 400, error);
            assert!(!answer.text.contains(&ann), "{}", answer.text);
        }
        let of = async |audience| daemon.ask(exchange(&ann, &[("audience", audience)])).await.text;
        assert_eq!(of("others").await, of("nothing").await, "what there is, is nobody's business");
        let stranger = Ask::form(TOKEN, &[("grant_type", EXCHANGE), ("subject_token", &ann), ("audience", "uploads")]);
        unknown(&daemon.ask(basic(stranger, "uploads", "guess")).await, Some("Basic"));
        assert!(site.asked("GetId").is_empty() && site.asked("AssumeRole").is_empty());
    })
    .await;
}
