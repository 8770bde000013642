//! What is sent and what is granted.

use credbroker_emulator::{Fault, FaultKind, Issuer};
use serde_json::json;

use super::{WAYS, client, machine};
use crate::documents::{M2M_CLIENT, ORDERS, POOL};
use crate::jwt::claims;
use crate::site::Site;
use crate::waiting::limited;

const SECRET: &str = "client_secret = { file = \"DIR/billing.secret\" }";

#[tokio::test]
async fn metadata_reaches_the_triggers_by_both_ways() {
    limited(async {
        for (domain, operation) in WAYS {
            let site = Site::open().await;
            let more = format!("{SECRET}\nmetadata = {{ team = \"a\", stage = \"b & c\" }}");
            let daemon = site.daemon(&machine(domain, &more)).await;
            daemon.get("/v1/tokens/machine", ORDERS).await.token();
            let asked = &site.asked(operation)[0];
            assert_eq!(asked.parameters["client_metadata"], json!(["stage", "team"]), "{operation}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_with_fewer_scopes_is_handed_out_and_the_status_says_which_are_missing() {
    limited(async {
        for (domain, operation) in WAYS {
            let drop = |world: &mut _| client(world).drop_scopes.push("billing/write".to_owned());
            let site = Site::open_in(drop).await;
            let more = format!("{SECRET}\nscopes = [\"billing/read\", \"billing/write\"]");
            let daemon = site.daemon(&machine(domain, &more)).await;
            let answer = daemon.get("/v1/tokens/machine", ORDERS).await;
            assert_eq!((answer.status, &answer.json()["scope"]), (200, &json!("billing/read")), "{operation}");
            assert_eq!(daemon.row("tokens.machine", "").await["scopes_missing"], "billing/write");

            let whole = daemon.get("/v1/tokens/machine?scope=billing/read", ORDERS).await;
            assert_eq!((whole.status, &whole.json()["scope"]), (200, &json!("billing/read")));
            assert_eq!(daemon.row("tokens.machine", "billing/read").await.get("scopes_missing"), None);

            let none = daemon.get("/v1/tokens/machine?scope=billing/write", ORDERS).await;
            assert_eq!((none.status, &none.json()["error"]), (502, &json!("upstream_misconfigured")), "{}", none.text);
            for word in ["tokens.machine", "granted none of the scopes", "billing/write", "allow them"] {
                assert!(none.complaint().contains(word), "{word}: {}", none.complaint());
            }
        }
    })
    .await;
}

/// A server that ignores the narrowing, and says nothing of the type.
#[tokio::test]
async fn a_token_with_more_scopes_than_asked_for_is_handed_out_and_the_log_says_so_once() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&machine(WAYS[0].0, &format!("{SECRET}\nscopes = [\"billing/read\"]"))).await;
        let more = json!({ "access_token": "t", "token_type": null, "scope": "billing/read billing/write" });
        let kind = FaultKind::Garbage { body: more.to_string(), content_type: "application/json".to_owned() };
        site.control().fault(Fault::once("token", kind));
        for _ in 0..2 {
            let answer = daemon.get("/v1/tokens/machine", ORDERS).await;
            assert_eq!((answer.status, &answer.json()["scope"]), (200, &more["scope"]), "{}", answer.text);
        }
        let printed = daemon.logged().await;
        let told: Vec<_> = printed.lines().filter(|line| line.contains("more scopes than asked for")).collect();
        assert!(told.len() == 1 && told[0].contains("WARN") && told[0].contains("scopes_more=1"), "{told:?}");
    })
    .await;
}

#[tokio::test]
async fn without_scopes_everything_the_client_may_have_is_granted() {
    limited(async {
        for (domain, operation) in WAYS {
            let site = Site::open().await;
            let daemon = site.daemon(&machine(domain, SECRET)).await;
            let answer = daemon.get("/v1/tokens/machine", ORDERS).await;
            assert_eq!(answer.json()["scope"], "billing/read billing/write", "{operation}");
            assert_eq!(daemon.row("tokens.machine", "").await.get("scopes_missing"), None);
            assert_eq!(site.asked(operation)[0].parameters["scopes"], json!([]), "nothing is asked for by name");
        }
    })
    .await;
}

#[tokio::test]
async fn both_forms_of_the_issuer_and_an_audience_make_no_difference() {
    limited(async {
        for (issuer, host) in [(Issuer::Original, "cognito-idp"), (Issuer::Updated, "issuer-cognito-idp")] {
            let site = Site::open_in(|world| {
                world.pools.get_mut(POOL).unwrap().issuer = issuer;
                client(world).add_audience = true;
            })
            .await;
            for (domain, operation) in WAYS {
                let daemon = site.launch(&machine(domain, SECRET)).start().await;
                let token = daemon.get("/v1/tokens/machine", ORDERS).await.token();
                let claims = claims(&token);
                assert_eq!(claims["iss"], format!("https://{host}.eu-west-1.amazonaws.com/{POOL}"), "{operation}");
                assert_eq!((&claims["aud"], &claims["client_id"]), (&json!(M2M_CLIENT), &json!(M2M_CLIENT)));
                drop(daemon);
                std::fs::remove_file(site.dir.path().join("api.sock")).unwrap();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_domain_may_be_the_whole_endpoint() {
    limited(async {
        let site = Site::open().await;
        for (count, path) in ["/", "/oauth2/token"].iter().enumerate() {
            let daemon = site.daemon(&machine(&format!("domain = \"EMULATOR{path}\""), SECRET)).await;
            daemon.get("/v1/tokens/machine", ORDERS).await.token();
            assert_eq!(site.outcomes("token").len(), count + 1, "{path}");
            drop(daemon);
            std::fs::remove_file(site.dir.path().join("api.sock")).unwrap();
        }
    })
    .await;
}
