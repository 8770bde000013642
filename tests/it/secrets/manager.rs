//! AWS Secrets Manager: what is read there, how often, and what is said when it cannot be.

use std::time::Duration;

use serde_json::json;

use super::{all, billing, is_refused};
use crate::documents::{BROKER, M2M_CLIENT, M2M_SECRET, ORDERS, caller};
use crate::site::Site;
use crate::waiting::{limited, until};

const READING: &str = "GetSecretValue";
const KEY: &str = "secrets_manager = \"credbroker/billing\", key = \"client_secret\"";
const NEWEST: &str = "newestsecret0123456789abcdefghijklmnopq";

fn value(secret: &str) -> String {
    json!({ "client_id": M2M_CLIENT, "client_secret": secret }).to_string()
}

/// The billing secret with another value first, so that the live one is the previous.
async fn rotated() -> Site {
    let site = Site::open().await;
    site.control().put_secret_value("credbroker/billing", &value(NEWEST));
    site
}

#[tokio::test]
async fn a_key_of_the_json_is_read_by_name_by_arn_and_of_another_stage() {
    limited(async {
        let site = Site::open().await;
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:credbroker/billing";
        let by_arn = format!("secrets_manager = \"{arn}\", key = \"client_secret\"");
        let daemon = site.daemon(&all(&[KEY, &by_arn])).await;
        for index in 0..2 {
            daemon.get(&format!("/v1/tokens/t{index}"), ORDERS).await.token();
        }
        let read = site.asked(READING);
        let ids: Vec<_> = read.iter().map(|asked| asked.parameters["secret_id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["credbroker/billing", arn]);
        assert!(read.iter().all(|asked| asked.principal.as_deref() == Some(BROKER)), "{read:?}");

        let site = rotated().await;
        let previous = format!("{KEY}, stage = \"AWSPREVIOUS\"");
        let daemon = site.daemon(&all(&[&previous])).await;
        daemon.get("/v1/tokens/t0", ORDERS).await.token();
        assert_eq!(site.asked(READING)[0].parameters["version_stage"], "AWSPREVIOUS");
    })
    .await;
}

#[tokio::test]
async fn a_whole_text_and_bytes_are_secrets_too() {
    limited(async {
        let site = Site::open().await;
        let partner = |name: &str, auth: &str| {
            format!(
                "[tokens.{name}]\nfrom = \"oauth2\"\ntoken_endpoint = \"EMULATOR/as/partner/token\"\nclient_id = \"partner-{name}\"\n{auth}\n"
            )
        };
        let basic = partner("basic", "client_auth = \"basic\"\nclient_secret = { secrets_manager = \"partner-basic\" }");
        let jwt =
            partner("jwt", "client_auth = \"private-key-jwt\"\nprivate_key = { secrets_manager = \"partner-key\" }");
        let daemon = site.daemon(&format!("{basic}{jwt}{}", caller("orders", &["tokens.basic", "tokens.jwt"]))).await;
        for name in ["basic", "jwt"] {
            daemon.served(&format!("/v1/tokens/{name}"), ORDERS).await;
        }
        let asked = site.asked("as/partner/token");
        assert_eq!(asked[1].parameters["assertion_algorithm"], "EdDSA", "the key is bytes, and they are its PEM");
        assert_eq!(site.outcomes(READING), ["ok"; 2]);
    })
    .await;
}

#[tokio::test]
async fn many_fetches_read_a_secret_once() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&all(&[KEY, KEY])).await;
        let get = |path: &'static str| daemon.served(path, ORDERS);
        tokio::join!(
            get("/v1/tokens/t0"),
            get("/v1/tokens/t0?scope=billing/read"),
            get("/v1/tokens/t0?scope=billing/write"),
            get("/v1/tokens/t1"),
            get("/v1/tokens/t1?scope=billing/read"),
            get("/v1/tokens/t1?scope=billing/write"),
        );
        assert_eq!((site.asked("GetClientToken").len(), site.asked(READING).len()), (6, 1));
    })
    .await;
}

#[tokio::test]
async fn a_new_value_is_read_in_the_fetch_that_was_refused_with_the_old_one() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&all(&[KEY])).await;
        daemon.get("/v1/tokens/t0", ORDERS).await.token();
        site.control().put_secret_value("credbroker/billing", &value(NEWEST));
        site.control().set_client_secret(M2M_CLIENT, NEWEST);
        // It is not read again within ten seconds, and a refusal is remembered for up to eight.
        until("the new value is found", Duration::from_secs(20), async || {
            (daemon.get("/v1/tokens/t0?scope=billing/read", ORDERS).await.status == 200).then_some(())
        })
        .await;
        let journal = site.control().journal();
        let last: Vec<_> = journal[journal.len() - 3..].iter().map(|a| (&*a.operation, &*a.outcome)).collect();
        let expected = [("GetClientToken", "NotAuthorizedException"), (READING, "ok"), ("GetClientToken", "ok")];
        assert_eq!(last, expected);
        assert_eq!(site.asked(READING).len(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_is_named_with_the_remedy_and_nothing_is_sent() {
    limited(async {
        let site = Site::open_in(|world| {
            world.secrets.get_mut("partner-basic").unwrap().deleted = true;
            let text = world.secrets["credbroker/billing"].clone();
            for (name, current) in [("text", "no JSON at all"), ("empty", "\n"), ("list", r#"{"client_secret":["a"]}"#)]
            {
                world
                    .secrets
                    .insert(name.to_owned(), credbroker_emulator::Secret { current: current.into(), ..text.clone() });
            }
        })
        .await;
        let places = [
            "secrets_manager = \"nowhere\"",
            "secrets_manager = \"credbroker/billing\", key = \"password\"",
            "secrets_manager = \"text\", key = \"client_secret\"",
            "secrets_manager = \"list\", key = \"client_secret\"",
            "secrets_manager = \"empty\"",
            "secrets_manager = \"partner-basic\"",
            "secrets_manager = \"credbroker/billing\", key = \"client_secret\", stage = \"AWSPENDING\"",
        ];
        let daemon = site.daemon(&all(&places)).await;
        for (index, words) in [
            &["Secrets Manager", "ResourceNotFoundException", "no such secret"][..],
            &["credbroker/billing, key password", "holds no text under that key"],
            &["text, key client_secret", "not JSON"],
            &["list, key client_secret", "holds no text under that key"],
            &["Secrets Manager empty", "is empty"],
            &["InvalidRequestException", "marked for deletion"],
            &["stage AWSPENDING", "ResourceNotFoundException"],
        ]
        .iter()
        .enumerate()
        {
            is_refused(&daemon, index, words).await;
        }
        assert_eq!(site.asked("GetClientToken").len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_may_not_read_it_is_told_so() {
    limited(async {
        let site = Site::open_in(|world| world.iam.users.get_mut("broker").unwrap().allow.clear()).await;
        let daemon = site.daemon(&format!("{}{}", billing("t0", KEY), caller("orders", &["tokens.t0"]))).await;
        is_refused(
            &daemon,
            0,
            &["credbroker/billing", READING, "AccessDeniedException", "allow secretsmanager:GetSecretValue"],
        )
        .await;
    })
    .await;
}

/// The second of two is where a rotation puts the old one.
#[tokio::test]
async fn the_current_and_the_previous_value_are_a_list_of_two() {
    limited(async {
        let site = rotated().await;
        let two = format!("client_secret = [{{ {KEY} }}, {{ {KEY}, stage = \"AWSPREVIOUS\" }}]");
        let document = all(&["PLACE"]).replace("client_secret = { PLACE }", &two);
        let daemon = site.daemon(&document).await;
        daemon.get("/v1/tokens/t0", ORDERS).await.token();
        let live = daemon.row("tokens.t0", "").await["secret"].clone();
        assert_eq!(live, "second of two, Secrets Manager credbroker/billing, key client_secret, stage AWSPREVIOUS");
        assert!(![M2M_SECRET, NEWEST].iter().any(|secret| live.as_str().unwrap().contains(secret)));
    })
    .await;
}
