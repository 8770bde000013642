//! Tokens of GetWebIdentityToken: an AWS principal proves itself to somebody else, with no secret at all.

use std::sync::Arc;
use std::time::Duration;

use credbroker::clock::Clock;
use credbroker::environment::Environment;
use credbroker::refresh::schedule::{Freshness, Keep};
use credbroker::refresh::{Entry, Inputs};
use credbroker::source::key_set::{Place, Publication};
use credbroker::source::upstream::Upstream;
use credbroker::verify::{Config, Issuer, Kind, Refused};
use serde_json::{Value, json};

use crate::documents::{BROKER, ORDERS, ROLES, caller};
use crate::jwt::claims;
use crate::site::Site;
use crate::waiting::{limited, until};

const AUDIENCE: &str = "https://login.partner.example";
const HUB: &str = "arn:aws:iam::111122223333:role/hub";

/// `tokens.proof` with these keys and a caller that may have it.
fn proof(more: &str) -> String {
    format!("{ROLES}[tokens.proof]\nfrom = \"sts\"\n{more}\n{}", caller("orders", &["tokens.proof"]))
}

/// The account as an issuer, with the keys it publishes.
fn account(site: &Site) -> Issuer {
    let clock = Clock::system();
    let place = Place::At(format!("{}/outbound/.well-known/jwks.json", site.emulator.url()).parse().unwrap());
    let iss = site.emulator.outbound_issuer();
    let source = Publication::new(iss.clone(), place, Upstream::new(&Environment::default()).unwrap(), clock.clone());
    let freshness = Freshness { ahead: 0.5, keep: Keep::Used, outage_cover: None, life_left: Duration::ZERO };
    let keys =
        Entry::new("issuers.aws", "aws".to_owned(), Arc::new(source), Inputs::default(), freshness, clock.clone());
    let config = Config {
        issuers: vec![iss],
        kind: Kind::Generic,
        clients: Vec::new(),
        audience: vec![AUDIENCE.to_owned()],
        scopes: Vec::new(),
        leeway: Duration::ZERO,
    };
    Issuer::new(config, Arc::new(keys), clock)
}

fn algorithm(token: &str) -> Value {
    // The header is read as the claims are.
    claims(&format!(".{token}"))["alg"].clone()
}

#[tokio::test]
async fn a_token_proves_who_asked_by_the_published_keys() {
    limited(async {
        for name in ["ES384", "RS256"] {
            let site = Site::open().await;
            let more = format!("audience = [\"{AUDIENCE}\"]\nalgorithm = \"{name}\"");
            let daemon = site.daemon(&proof(&more)).await;
            // The emulator takes its time to make an RSA key.
            let answer = daemon.served("/v1/tokens/proof", ORDERS).await;
            let token = answer.token();
            assert_eq!((&answer.json()["token_type"], algorithm(&token)), (&json!("Bearer"), json!(name)));
            let left = answer.json()["expires_in"].as_u64().unwrap();
            assert!((290..=300).contains(&left), "{left} s are left of five minutes");

            let account = account(&site);
            let verified =
                until("the published keys", Duration::from_secs(15), async || match account.verify(&token).await {
                    Err(Refused::KeysUnavailable(_)) => None,
                    outcome => Some(outcome.unwrap()),
                })
                .await;
            assert_eq!((verified.subject.as_deref(), verified.issuer), (Some(BROKER), site.emulator.outbound_issuer()));
            let asked = &site.asked("GetWebIdentityToken")[0];
            assert_eq!(
                (asked.principal.as_deref(), &asked.parameters["duration_seconds"]),
                (Some(BROKER), &json!(300))
            );
            assert_eq!(daemon.get("/v1/tokens/proof", ORDERS).await.cache(), "hit");
        }
    })
    .await;
}

#[tokio::test]
async fn audiences_lifetime_and_a_role_are_as_configured() {
    limited(async {
        let site = Site::open().await;
        let more = format!(
            "audience = [\"{AUDIENCE}\", \"urn:stock\"]\nalgorithm = \"ES384\"\nlifetime = \"15m\"\nas = \"credentials.hub\""
        );
        let daemon = site.daemon(&proof(&more)).await;
        let answer = daemon.get("/v1/tokens/proof", ORDERS).await;
        let claims = claims(&answer.token());
        assert_eq!((&claims["aud"], &claims["sub"]), (&json!([AUDIENCE, "urn:stock"]), &json!(HUB)));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
        let left = answer.json()["expires_in"].as_u64().unwrap();
        assert!((890..=900).contains(&left), "{left} s are left of 15 minutes");

        let signed: Vec<_> = site.control().journal().into_iter().map(|a| (a.operation, a.principal.unwrap())).collect();
        let session = "arn:aws:sts::111122223333:assumed-role/hub/credbroker";
        let expected = [("AssumeRole", BROKER), ("GetWebIdentityToken", session)];
        assert_eq!(signed, expected.map(|(operation, by)| (operation.to_owned(), by.to_owned())));
        let asked = &site.asked("GetWebIdentityToken")[0].parameters;
        assert_eq!((&asked["audience"], &asked["duration_seconds"]), (&json!([AUDIENCE, "urn:stock"]), &json!(900)));
    })
    .await;
}

/// A session may be shorter than the token that is wanted of it.
#[tokio::test]
async fn no_more_is_asked_for_than_the_session_has_left() {
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime("AssumeRole", 600);
        let more = "audience = [\"urn:a\"]\nalgorithm = \"ES384\"\nlifetime = \"1h\"\nas = \"credentials.hub\"";
        let daemon = site.daemon(&proof(more)).await;
        let answer = daemon.get("/v1/tokens/proof", ORDERS).await;
        let left = answer.json()["expires_in"].as_u64();
        assert!(left.is_some_and(|left| (580..600).contains(&left)), "{}", answer.text);
    })
    .await;
}

#[tokio::test]
async fn an_account_that_issues_no_tokens_and_a_principal_that_may_not_ask_are_told_what_to_do() {
    limited(async {
        let ask = "audience = [\"urn:a\"]\nalgorithm = \"ES384\"";
        let disabled = Site::open_in(|world| world.outbound_federation = false).await;
        let forbidden = Site::open_in(|world| world.iam.users.get_mut("broker").unwrap().allow.clear()).await;
        for (site, code, words) in [
            (disabled, "upstream_misconfigured", ["OutboundWebIdentityFederationDisabled", "enable", "account"]),
            (forbidden, "upstream_denied", ["AccessDenied", "allow sts:GetWebIdentityToken", "identity that asks"]),
        ] {
            let daemon = site.daemon(&proof(ask)).await;
            let answer = daemon.get("/v1/tokens/proof", ORDERS).await;
            assert_eq!((answer.status, &answer.json()["error"]), (502, &json!(code)), "{}", answer.text);
            for word in ["tokens.proof", "GetWebIdentityToken"].into_iter().chain(words) {
                assert!(answer.complaint().contains(word), "{word}: {}", answer.complaint());
            }
        }
    })
    .await;
}

/// What a partner server gives to the client `partner-aws` for the token of role hub.
fn partner(subject: &str) -> String {
    let partner = "[tokens.partner]\nfrom = \"oauth2\"\nissuer = \"EMULATOR/as/partner\"\nclient_id = \"partner-aws\"\n\
                   client_auth = \"token\"\nclient_assertion = \"tokens.proof\"\nscopes = [\"orders.read\"]\n";
    let proof = format!(
        "[tokens.proof]\nfrom = \"sts\"\naudience = [\"EMULATOR/as/partner\"]\nalgorithm = \"ES384\"\n{subject}\n"
    );
    format!("{ROLES}{proof}{partner}{}", caller("orders", &["tokens.partner"]))
}

#[tokio::test]
async fn a_partner_gives_a_token_to_an_aws_principal_without_any_secret() {
    limited(async {
        let site = Site::open().await;
        let document = partner("as = \"credentials.hub\"");
        assert!(!document.contains("secret"), "{document}");
        let daemon = site.daemon(&document).await;
        let answer = daemon.served("/v1/tokens/partner", ORDERS).await;
        assert_eq!(
            (&answer.json()["scope"], claims(&answer.token())["sub"].as_str()),
            (&json!("orders.read"), Some("partner-aws"))
        );
        let operations = site.operations();
        for operation in ["AssumeRole", "GetWebIdentityToken", "as/partner/token"] {
            assert_eq!(operations.iter().filter(|made| *made == operation).count(), 1, "{operations:?}");
        }
        let asked = &site.asked("as/partner/token")[0];
        assert_eq!(
            (&asked.parameters["client_auth"], &asked.parameters["assertion_subject"], &*asked.outcome),
            (&json!("client_assertion"), &json!(HUB), "ok")
        );
        assert_eq!(daemon.get("/v1/tokens/partner", ORDERS).await.cache(), "hit");
    })
    .await;
}

#[tokio::test]
async fn a_partner_that_trusts_another_principal_is_named_with_the_remedy() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&partner("")).await;
        let answer = daemon.get("/v1/tokens/partner", ORDERS).await;
        assert_eq!((answer.status, &answer.json()["error"]), (502, &json!("upstream_denied")), "{}", answer.text);
        for word in ["tokens.partner", "partner-aws", "invalid_client", "subject"] {
            assert!(answer.complaint().contains(word), "{word}: {}", answer.complaint());
        }
        assert_eq!(site.asked("as/partner/token").len(), 1, "the assertion is too young to be replaced");
    })
    .await;
}
