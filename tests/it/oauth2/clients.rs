//! How the client proves itself, and that what it does so with may be replaced while the daemon runs.

use std::time::Duration;

use serde_json::{Value, json};

use super::{BASIC_SECRET, TOKEN, basic, partner, site};
use crate::documents::{ORDERS, caller};
use crate::jwt::claims;
use crate::waiting::{limited, until};

/// The private key in `DIR/NAME.pem`, with more keys.
fn signed(name: &str, more: &str) -> String {
    format!("client_auth = \"private-key-jwt\"\nprivate_key = {{ file = \"DIR/{name}.pem\" }}\n{more}")
}

/// Whose clock is wrong is all the same: the refusal tells what time it is at the server.
#[tokio::test]
async fn an_assertion_refused_for_its_time_is_made_once_more_at_the_right_one() {
    limited(async {
        let site = site().await;
        site.control().clock_offset(-600);
        let token = partner("partner", "partner-jwt", &signed("ec", ""));
        let daemon = site.daemon(&format!("{token}{}", caller("orders", &["tokens.partner"]))).await;
        let answer = daemon.get("/v1/tokens/partner", ORDERS).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let outcomes = site.outcomes(TOKEN);
        assert!(outcomes.len() == 2 && outcomes[0] != outcomes[1], "{outcomes:?}");
        let left = answer.json()["expires_in"].as_u64().unwrap();
        assert!((3_580..=3_600).contains(&left), "{left} s");
    })
    .await;
}

#[tokio::test]
async fn a_client_proves_itself_in_every_way_and_with_every_key() {
    limited(async {
        let site = site().await;
        let post = "client_auth = \"post\"\nclient_secret = { file = \"DIR/post.secret\" }".to_owned();
        let at = "token_endpoint = \"EMULATOR/as/partner/token\"";
        let fixed = partner("t6", "partner-jwt", &signed("ec", "")).replace("issuer = \"EMULATOR/as/partner\"", at);
        let issuer = site.emulator.authorization_server("partner");
        let endpoint = format!("{issuer}/token");
        let tokens = [
            partner("t0", "partner-basic", super::BASIC),
            partner("t1", "partner-post", &post),
            partner("t2", "partner-jwt", &signed("rsa", "key_id = \"partner-rsa\"")),
            partner("t3", "partner-jwt", &signed("rsa", "algorithm = \"PS256\"")),
            partner("t4", "partner-jwt", &signed("ec", "key_id = \"partner-ec\"")),
            partner("t5", "partner-jwt", &signed("ed25519", &format!("assertion_audience = \"{endpoint}\""))),
            fixed,
        ];
        let allow: Vec<String> = (0..tokens.len()).map(|index| format!("tokens.t{index}")).collect();
        let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
        let daemon = site.daemon(&format!("{}{}", tokens.concat(), caller("orders", &allow))).await;
        for name in &allow {
            daemon.served(&format!("/v1/{}", name.replace('.', "/")), ORDERS).await;
        }
        let asked = site.asked(TOKEN);
        let noted =
            |name: &str| asked.iter().map(|a| a.parameters.get(name).cloned().unwrap_or_default()).collect::<Vec<_>>();
        let (none, assertion) = (Value::Null, json!("client_assertion"));
        let mut ways = vec![json!("client_secret_basic"), json!("client_secret_post")];
        ways.extend(std::iter::repeat_n(assertion, 5));
        assert_eq!(noted("client_auth"), ways);
        let algorithms = ["RS256", "PS256", "ES256", "EdDSA", "ES256"].map(|name| json!(name));
        assert_eq!(noted("assertion_algorithm")[2..], algorithms);
        assert_eq!(
            noted("assertion_key")[2..],
            [json!("partner-rsa"), none.clone(), json!("partner-ec"), none.clone(), none]
        );
        let audiences = [&issuer, &issuer, &issuer, &endpoint, &endpoint].map(|audience| json!([audience]));
        assert_eq!(noted("assertion_audience")[2..], audiences);
    })
    .await;
}

#[tokio::test]
async fn every_request_has_an_assertion_of_its_own() {
    limited(async {
        let site = site().await;
        site.control().set_lifetime(TOKEN, 1);
        let token = partner("partner", "partner-jwt", &signed("ec", "keep = \"always\""));
        let _daemon = site.daemon(&format!("{token}{}", caller("orders", &["tokens.partner"]))).await;
        site.asked_times(TOKEN, 3).await;
        assert_eq!(site.outcomes(TOKEN)[..3], ["ok"; 3], "an assertion that was used before is refused");
    })
    .await;
}

#[tokio::test]
async fn a_private_key_replaced_on_disk_signs_the_next_assertion() {
    limited(async {
        let site = site().await;
        site.control().set_lifetime(TOKEN, 1);
        let key = |name: &str| std::fs::copy(site.dir.path().join(name), site.dir.path().join("key.pem")).unwrap();
        key("ec.pem");
        let token = partner("partner", "partner-jwt", &signed("key", ""));
        let daemon = site.daemon(&format!("{token}{}", caller("orders", &["tokens.partner"]))).await;
        daemon.served("/v1/tokens/partner", ORDERS).await;
        key("ed25519.pem");
        until("the new key signs", Duration::from_secs(10), async || {
            daemon.get("/v1/tokens/partner", ORDERS).await;
            let asked = site.asked(TOKEN);
            asked.iter().any(|a| a.parameters["assertion_algorithm"] == "EdDSA" && a.outcome == "ok").then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_not_the_clients_or_no_key_is_said_in_words() {
    limited(async {
        let site = site().await;
        site.write("other.pem", include_str!("../../keys/p256.pkcs8.pem"));
        site.write("encrypted.pem", include_str!("../../keys/encrypted.pem"));
        let names = ["other", "encrypted", "missing"];
        let tokens: String = names.iter().map(|name| partner(name, "partner-jwt", &signed(name, ""))).collect();
        let allow = ["tokens.other", "tokens.encrypted", "tokens.missing"];
        let daemon = site.daemon(&format!("{tokens}{}", caller("orders", &allow))).await;
        for (name, code, words) in [
            ("other", "upstream_denied", ["invalid_client", "partner-jwt", "public half of private_key"]),
            ("encrypted", "upstream_misconfigured", ["encrypted.pem", "encrypted", "file"]),
            ("missing", "upstream_misconfigured", ["missing.pem", "check that it exists", "file"]),
        ] {
            let answer = daemon.get(&format!("/v1/tokens/{name}"), ORDERS).await;
            assert_eq!((answer.status, &answer.json()["error"]), (502, &json!(code)), "{}", answer.text);
            for word in words {
                assert!(answer.complaint().contains(word), "{name}, {word}: {}", answer.complaint());
            }
        }
        assert_eq!(site.outcomes(TOKEN), ["invalid_client"], "nothing is sent without a key");
    })
    .await;
}

/// RFC 6749 says 401 where Cognito says 400.
#[tokio::test]
async fn of_two_secrets_the_live_one_is_found_here_too() {
    limited(async {
        let site = site().await;
        site.write("old.secret", "an old secret: 100% wrong");
        let two = "client_secret = [{ file = \"DIR/old.secret\" }, { file = \"DIR/basic.secret\" }]";
        let document = basic("").replace("client_secret = { file = \"DIR/basic.secret\" }", two);
        let daemon = site.daemon(&document).await;
        let token = daemon.served("/v1/tokens/partner", ORDERS).await.token();
        assert_eq!(claims(&token)["client_id"], "partner-basic");
        assert_eq!(site.outcomes(TOKEN), ["invalid_client", "ok"]);
        let live = daemon.row("tokens.partner", "").await["secret"].clone();
        assert!(live.as_str().unwrap().starts_with("second of two, file"), "{live}");
    })
    .await;
}

#[tokio::test]
async fn a_secret_replaced_on_disk_is_used_at_the_next_request() {
    limited(async {
        let site = site().await;
        let daemon = site.daemon(&basic("scopes = [\"orders.read\", \"orders.write\"]")).await;
        daemon.served("/v1/tokens/partner", ORDERS).await.token();
        site.write("basic.secret", "the newest: 100% & odd");
        site.control().set_client_secret("partner-basic", "the newest: 100% & odd");
        daemon.served("/v1/tokens/partner?scope=orders.read", ORDERS).await;
        assert_eq!(site.outcomes(TOKEN), ["ok", "ok"]);

        site.control().set_client_secret("partner-basic", BASIC_SECRET);
        let answer = daemon.get("/v1/tokens/partner?scope=orders.write", ORDERS).await;
        assert_eq!((answer.status, &answer.json()["error"]), (502, &json!("upstream_denied")), "{}", answer.text);
        assert!(answer.complaint().contains("put the current client secret in its place"), "{}", answer.complaint());
        assert!(!answer.text.contains("newest"), "{}", answer.text);
    })
    .await;
}
