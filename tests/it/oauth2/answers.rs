//! What is asked for, and what servers answer.

use credbroker_emulator::{Fault, FaultKind, TokenFormat};
use serde_json::json;

use super::{BASIC, TOKEN, basic, partner, site, site_in};
use crate::documents::{ORDERS, caller};
use crate::jwt::claims;
use crate::waiting::limited;

const API: &str = "https://api.partner.example";
const TARGETS: [&str; 2] = ["https://orders.partner.example/v1", "https://stock.partner.example/"];

#[tokio::test]
async fn audience_and_resources_are_asked_for_and_in_the_token() {
    limited(async {
        let site = site().await;
        let targets = format!("audience = \"{API}\"\nresource = {TARGETS:?}\nscopes = [\"orders.read\"]");
        let daemon = site.daemon(&basic(&targets)).await;
        let answer = daemon.served("/v1/tokens/partner", ORDERS).await;
        assert_eq!(claims(&answer.token())["aud"], json!([API, TARGETS[0], TARGETS[1]]));
        assert_eq!(answer.json()["scope"], "orders.read");
        let asked = &site.asked(TOKEN)[0].parameters;
        assert_eq!((&asked["target_audience"], &asked["resources"]), (&json!(API), &json!(TARGETS)));
    })
    .await;
}

#[tokio::test]
async fn what_a_server_wants_besides_is_sent_and_missed_where_it_is_not() {
    limited(async {
        let site = site().await;
        let auth = "client_auth = \"post\"\nclient_secret = { file = \"DIR/acme.secret\" }\n";
        let sent = partner("sent", "partner-acme", &format!("{auth}parameters = {{ organization = \"acme\" }}"));
        let missing = partner("missing", "partner-acme", auth);
        let elsewhere = partner("elsewhere", "partner-basic", &format!("{BASIC}audience = \"urn:elsewhere\""));
        let allow = ["tokens.sent", "tokens.missing", "tokens.elsewhere"];
        let daemon = site.daemon(&format!("{sent}{missing}{elsewhere}{}", caller("orders", &allow))).await;
        daemon.served("/v1/tokens/sent", ORDERS).await;
        assert_eq!(site.asked(TOKEN)[0].parameters["required_parameters"], json!(["organization"]));
        for (name, code, word) in [
            ("missing", "invalid_request", "parameters"),
            ("elsewhere", "invalid_target", "check resource and audience"),
        ] {
            let answer = daemon.get(&format!("/v1/tokens/{name}"), ORDERS).await;
            assert_eq!(
                (answer.status, &answer.json()["error"]),
                (502, &json!("upstream_misconfigured")),
                "{}",
                answer.text
            );
            let complaint = answer.complaint();
            assert!(complaint.contains(code) && complaint.contains(word), "{complaint}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_lifetime_may_be_a_text_or_left_out() {
    limited(async {
        let site = site_in(|partner| {
            let mut silent = partner.clients["partner-forever"].clone();
            silent.token_format = TokenFormat::Opaque;
            partner.clients.insert("partner-silent".to_owned(), silent);
        })
        .await;
        let post = "client_auth = \"post\"\nclient_secret = { file = \"DIR/post.secret\" }";
        let forever = "client_auth = \"basic\"\nclient_secret = { file = \"DIR/forever.secret\" }";
        let tokens = [
            partner("text", "partner-post", post),
            partner("claim", "partner-forever", forever),
            partner("silent", "partner-silent", forever),
        ];
        let allow = ["tokens.text", "tokens.claim", "tokens.silent"];
        let daemon = site.daemon(&format!("{}{}", tokens.concat(), caller("orders", &allow))).await;
        for (name, life) in [("text", 600), ("claim", 3_600), ("silent", 300)] {
            let answer = daemon.served(&format!("/v1/tokens/{name}"), ORDERS).await;
            let left = answer.json()["expires_in"].as_u64().unwrap();
            assert!((life - 10..=life).contains(&left), "{name}: {left} s are left of {life} s");
            assert_eq!(answer.json()["token_type"], "Bearer", "however the server spells it");
        }
    })
    .await;
}

/// RFC 6749 section 5.2, RFC 8707 section 2, and what servers say besides.
#[tokio::test]
async fn every_error_code_has_its_status_and_its_words() {
    limited(async {
        let site = site().await;
        let cases = [
            ("invalid_client", 401, 502, "upstream_denied", "check client_id"),
            ("unauthorized_client", 400, 502, "upstream_denied", "enable that flow"),
            ("access_denied", 400, 502, "upstream_denied", "allow it on the client"),
            ("invalid_grant", 400, 502, "upstream_denied", "check the client"),
            ("invalid_scope", 400, 502, "upstream_misconfigured", "orders.read"),
            ("invalid_target", 400, 502, "upstream_misconfigured", "resource"),
            ("invalid_request", 400, 502, "upstream_misconfigured", "issuer, client_auth, scopes"),
            ("unsupported_grant_type", 400, 502, "upstream_misconfigured", "check issuer"),
            ("server_error", 500, 503, "temporarily_unavailable", "it is asked again"),
            ("temporarily_unavailable", 400, 503, "temporarily_unavailable", "it is asked again"),
            ("slow_down", 400, 503, "temporarily_unavailable", "fewer requests"),
            ("made_up", 400, 503, "temporarily_unavailable", "status 400"),
        ];
        let names: Vec<String> = (0..cases.len()).map(|index| format!("t{index}")).collect();
        let more = format!("{BASIC}scopes = [\"orders.read\"]");
        let tokens: String = names.iter().map(|name| partner(name, "partner-basic", &more)).collect();
        let allow: Vec<String> = names.iter().map(|name| format!("tokens.{name}")).collect();
        let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
        let daemon = site.daemon(&format!("{tokens}{}", caller("orders", &allow))).await;
        for (name, (code, sent, status, error, word)) in names.iter().zip(cases) {
            let message = "upstream-marker-5k2v".to_owned();
            site.control().fault(Fault::once(TOKEN, FaultKind::Error { code: code.into(), status: sent, message }));
            let answer = daemon.get(&format!("/v1/tokens/{name}"), ORDERS).await;
            assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(error)), "{code}: {}", answer.text);
            let complaint = answer.complaint();
            assert!(complaint.contains(&format!("tokens.{name}")) && complaint.contains(word), "{code}: {complaint}");
            assert!(!complaint.contains("marker") && !complaint.contains("made_up"), "{code}: {complaint}");
        }
    })
    .await;
}
