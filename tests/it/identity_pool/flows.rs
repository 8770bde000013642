//! Both flows and every kind of login.

use credbroker_emulator::Mint;
use serde_json::{Value, json};

use super::{CLASSIC, ENHANCED, GET_CREDENTIALS, GET_ID, each, exchange, for_users, of_pool};
use crate::asking::seconds_of;
use crate::client::Ask;
use crate::documents::{ORDERS, POOLS, REPORTS, ROBOT, caller};
use crate::site::Site;
use crate::users::{USERS, id_token, login_of, mint, order};
use crate::waiting::{limited, wall};

const ASSUME: &str = "AssumeRoleWithWebIdentity";
const OPEN_ID: &str = "GetOpenIdToken";
const VOUCH: &str = "GetOpenIdTokenForDeveloperIdentity";
const CLASSIC_ROLE: &str = "arn:aws:iam::111122223333:role/classic";
/// Who robot is to the user pool.
const ROBOT_SUB: &str = "0f9e8d7c-0000-4000-8000-000000000001";

/// The basic flow with this login.
fn basic(more: &str) -> String {
    format!(
        "flow = \"basic\"\nrole_arn = \"{CLASSIC_ROLE}\"\nduration = \"2h\"\nsession_name = \"for-{{caller}}\"\n{more}"
    )
}

fn left_of(expiration: &Value) -> f64 {
    f64::from(i32::try_from(seconds_of(expiration.as_str().unwrap())).unwrap()) - wall()
}

#[tokio::test]
async fn the_enhanced_flow_takes_a_machine_users_token() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&format!("{ROBOT}{POOLS}{}", caller("orders", &["credentials.uploads"]))).await;
        let answer = daemon.get("/v1/credentials/uploads", ORDERS).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let members = ["AccessKeyId", "Expiration", "SecretAccessKey", "Token"];
        assert_eq!(answer.members(), members, "the pool names neither account nor role");
        let left = left_of(&answer.json()["Expiration"]);
        assert!((3_580.0..=3_601.0).contains(&left), "{left} s are left of an hour");
        assert_eq!(daemon.get("/v1/credentials/uploads", ORDERS).await.cache(), "hit");
        assert_eq!(site.operations(), ["InitiateAuth", GET_ID, GET_CREDENTIALS]);
        assert_eq!(each(&site, GET_CREDENTIALS, "users"), [json!([login_of(ROBOT_SUB)])]);
        let who = site.whose(&answer.json()).await;
        assert_eq!(who, "arn:aws:sts::111122223333:assumed-role/uploads/CognitoIdentityCredentials");
    })
    .await;
}

#[tokio::test]
async fn the_basic_flow_assumes_its_role_for_as_long_as_it_likes() {
    limited(async {
        let site = Site::open().await;
        let entry = of_pool("uploads", CLASSIC, &basic("login = \"tokens.robot\""));
        let daemon = site.daemon(&format!("{ROBOT}{entry}{}", caller("orders", &["credentials.uploads"]))).await;
        let body = daemon.served("/v1/credentials/uploads", ORDERS).await.json();
        assert_eq!((&body["RoleArn"], &body["AccountId"]), (&json!(CLASSIC_ROLE), &json!("111122223333")));
        let left = left_of(&body["Expiration"]);
        assert!((7_180.0..=7_201.0).contains(&left), "{left} s are left of two hours");
        assert_eq!(site.operations(), ["InitiateAuth", GET_ID, OPEN_ID, ASSUME]);
        assert_eq!(each(&site, ASSUME, "duration_seconds"), [7_200]);
        assert_eq!(each(&site, OPEN_ID, "identity_id"), each(&site, ASSUME, "subject"));
        assert_eq!(site.whose(&body).await, "arn:aws:sts::111122223333:assumed-role/classic/for-orders");
        let unsigned = |operation| site.asked(operation).iter().all(|asked| asked.principal.is_none());
        assert!([GET_ID, OPEN_ID, ASSUME].into_iter().all(unsigned), "none of the three is signed");
    })
    .await;
}

#[tokio::test]
async fn the_basic_flow_serves_the_user_of_a_subject_token() {
    limited(async {
        let site = Site::open().await;
        let entry = of_pool("users", CLASSIC, &basic("login = \"caller\"\nissuer = \"issuers.users\""));
        let daemon = site.daemon(&format!("{USERS}{entry}{}", caller("orders", &["credentials.users"]))).await;
        for name in ["ann", "bob"] {
            let token = mint(&site.control(), &Mint { lifetime: 600, ..order(name) });
            let answer = exchange(&daemon, &token).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            let left = left_of(&answer.json()["Expiration"]);
            assert!(
                (580.0..=601.0).contains(&left),
                "{left} s: no longer than the token, although STS gives two hours"
            );
        }
        assert_eq!(each(&site, OPEN_ID, "users"), [[login_of("ann")], [login_of("bob")]].map(|users| json!(users)));
        assert_eq!(each(&site, GET_ID, "identity_id"), each(&site, ASSUME, "subject"));
    })
    .await;
}

#[tokio::test]
async fn a_custom_role_is_one_that_the_users_token_lists() {
    limited(async {
        let special = "arn:aws:iam::111122223333:role/special";
        let site = Site::with(&format!(
            "\n[iam.roles.special]\ntrust = [{{ federated = \"cognito-identity.amazonaws.com\", audience = \"{ENHANCED}\", amr = \"authenticated\" }}]\n"
        ))
        .await;
        let daemon = site.daemon(&for_users(&format!("role_arn = \"{special}\""))).await;
        let refused = exchange(&daemon, &id_token(&site, "bob")).await;
        assert_eq!((refused.status, &refused.json()["code"]), (502, &json!("UpstreamDenied")), "{}", refused.text);

        let claims = json!({ "cognito:roles": [special] }).as_object().unwrap().clone();
        let token = mint(&site.control(), &Mint { claims, ..order("ann") });
        let answer = exchange(&daemon, &token).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let body = answer.json();
        assert_eq!((&body["RoleArn"], &body["AccountId"]), (&json!(special), &json!("111122223333")));
        let who = site.whose(&body).await;
        assert_eq!(who, "arn:aws:sts::111122223333:assumed-role/special/CognitoIdentityCredentials");
        assert_eq!(each(&site, GET_CREDENTIALS, "custom_role_arn"), [special, special]);
    })
    .await;
}

#[tokio::test]
async fn a_developer_identity_of_each_caller_carries_its_tags() {
    limited(async {
        let site = Site::open().await;
        let login = "login = { provider = \"login.acme\", user = \"svc-{caller}\", tags = { team = \"a\", service = \"{caller}\" } }";
        let callers = [caller("orders", &["credentials.tenant"]), caller("reports", &["credentials.tenant"])].concat();
        let daemon = site.daemon(&format!("{}{callers}", of_pool("tenant", ENHANCED, login))).await;
        let first = daemon.get("/v1/credentials/tenant", ORDERS).await;
        let other = daemon.get("/v1/credentials/tenant", REPORTS).await;
        assert_eq!((first.status, other.status), (200, 200), "{} {}", first.text, other.text);
        assert_eq!(daemon.get("/v1/credentials/tenant", ORDERS).await.cache(), "hit");
        assert_eq!(site.operations(), [VOUCH, GET_CREDENTIALS, VOUCH, GET_CREDENTIALS]);
        let tags = ["orders", "reports"].map(|name| json!({ "service": name, "team": "a" }));
        assert_eq!(each(&site, VOUCH, "principal_tags"), tags);
        assert_eq!(each(&site, GET_CREDENTIALS, "session_tags"), tags, "the session has them");
        let identities = each(&site, GET_CREDENTIALS, "identity_id");
        assert_ne!(identities[0], identities[1], "each caller is a user of its own");
        let vouched = site.asked(VOUCH);
        assert!(vouched.iter().all(|asked| asked.principal.as_deref().is_some_and(|who| who.ends_with(":user/broker"))));
    })
    .await;
}

#[tokio::test]
async fn a_developer_identity_goes_the_basic_way_too() {
    limited(async {
        let site = Site::open().await;
        let entry = of_pool("tenant", CLASSIC, &basic("login = { provider = \"login.acme\", user = \"{caller}\" }"));
        let daemon = site.daemon(&format!("{entry}{}", caller("orders", &["credentials.tenant"]))).await;
        let body = daemon.served("/v1/credentials/tenant", ORDERS).await.json();
        assert_eq!(site.operations(), [VOUCH, ASSUME]);
        assert_eq!(site.whose(&body).await, "arn:aws:sts::111122223333:assumed-role/classic/for-orders");
    })
    .await;
}

#[tokio::test]
async fn a_guest_is_one_identity_for_all_callers() {
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime(GET_CREDENTIALS, 2);
        let callers = [caller("orders", &["credentials.guest"]), caller("reports", &["credentials.guest"])].concat();
        let daemon = site.daemon(&format!("{}{callers}", of_pool("guest", CLASSIC, ""))).await;
        let first = daemon.served("/v1/credentials/guest", ORDERS).await.json();
        daemon.served("/v1/credentials/guest", REPORTS).await;
        let who = site.whose(&first).await;
        assert_eq!(who, "arn:aws:sts::111122223333:assumed-role/guests/CognitoIdentityCredentials");
        site.asked_times(GET_CREDENTIALS, 2).await;
        assert_eq!(site.asked(GET_ID).len(), 1, "renewed as the guest it was");
    })
    .await;
}

#[tokio::test]
async fn a_pool_without_guests_says_so() {
    limited(async {
        let site = Site::open().await;
        let entry = of_pool("guest", ENHANCED, "");
        let daemon = site.daemon(&format!("{entry}{}", caller("orders", &["credentials.guest"]))).await;
        let answer = daemon.get("/v1/credentials/guest", ORDERS).await;
        assert_eq!((answer.status, &answer.json()["code"]), (502, &json!("UpstreamDenied")), "{}", answer.text);
        assert!(answer.complaint().contains("credentials.guest"), "{}", answer.complaint());
    })
    .await;
}

#[tokio::test]
async fn a_subject_token_comes_in_a_form_or_in_json() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&for_users("")).await;
        let token = id_token(&site, "ann");
        let form = exchange(&daemon, &token).await;
        assert_eq!((form.status, form.cache()), (200, "miss"), "{}", form.text);
        assert_eq!(form.members(), ["AccessKeyId", "Expiration", "SecretAccessKey", "Token"]);
        assert_eq!(form.header("cache-control"), Some("no-store"));
        let body = json!({ "subject_token": token });
        let json = daemon.ask(Ask::json("/v1/credentials/users", &body).bearer(ORDERS)).await;
        assert_eq!((json.cache(), json.json()), ("hit", form.json()));
        assert_eq!(site.operations(), ["jwks", GET_ID, GET_CREDENTIALS]);
    })
    .await;
}
