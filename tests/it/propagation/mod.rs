//! Identity propagation: a user's ID token reaches service A; A hands it to its broker and gets that user's own credentials;
//! A calls B with the token; B's broker says whose it is. Neither service holds a secret of the user pool, and B need not
//! trust A's word.

use credbroker_emulator::{Mint, TokenUse};
use serde_json::{Value, json};

use crate::client::Ask;
use crate::daemon::Daemon;
use crate::documents::{ORDERS, REPORTS, caller};
use crate::site::Site;
use crate::waiting::limited;

const USERS: &str = r#"
[issuers.users]
user_pool = "eu-west-1_AbCd12345"
token_use = "id"
clients   = ["7robotexampleclient"]
"#;
const UPLOADS: &str = r#"
[credentials.uploads]
from          = "identity-pool"
identity_pool = "eu-west-1:11112222-3333-4444-5555-666677778888"
login         = "caller"
issuer        = "issuers.users"
"#;

/// Two services with a broker each.
struct Street {
    site: Site,
    a: Daemon,
    b: Daemon,
}

impl Street {
    async fn open() -> Self {
        let site = Site::open().await;
        let a = site.daemon(&format!("{USERS}{UPLOADS}{}", caller("orders", &["credentials.uploads"]))).await;
        let elsewhere = "[server]\nlisten = [\"loopback:PORT\"]\n";
        let b = site.daemon(&format!("{elsewhere}{USERS}{}", caller("reports", &["issuers.users"]))).await;
        Self { site, a, b }
    }

    /// What the user's own program got when the user signed in.
    fn id_token_of(&self, user: &str) -> String {
        self.site.control().mint_token(&order(user, 3_600)).unwrap()
    }

    /// Service A is called by a user.
    async fn a_gets_credentials(&self, id_token: &str) -> Value {
        let ask = Ask::form("/v1/credentials/uploads", &[("subject_token", id_token)]).header("authorization", ORDERS);
        let answer = self.a.ask(ask).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{}", answer.text);
        answer.json()
    }

    /// Service B is called with a token, and asks its broker about it.
    async fn b_asks_whose(&self, token: &str) -> Value {
        let answer =
            self.b.ask(Ask::form("/oauth2/introspect", &[("token", token)]).header("authorization", REPORTS)).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{}", answer.text);
        answer.json()
    }
}

#[tokio::test]
async fn a_users_identity_reaches_aws_and_the_next_service_and_is_nobody_elses() {
    limited(async {
        let street = Street::open().await;
        let (ann, bob) = (street.id_token_of("ann"), street.id_token_of("bob"));

        let [anns, bobs, again] = [
            street.a_gets_credentials(&ann).await,
            street.a_gets_credentials(&bob).await,
            street.a_gets_credentials(&ann).await,
        ];
        assert_ne!(anns["Token"], bobs["Token"]);
        assert_eq!(anns["Token"], again["Token"]);
        let logins: Vec<_> = street.site.asked("GetCredentialsForIdentity");
        assert_eq!(logins.len(), 2, "one request for each user");

        let whose = street.b_asks_whose(&ann).await;
        assert_eq!((&whose["active"], &whose["sub"]), (&json!(true), &json!("sub-of-ann")), "{whose}");
        assert_eq!(whose["client_id"], "7robotexampleclient");
        assert_eq!(street.b_asks_whose(&bob).await["sub"], "sub-of-bob");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_token_of_the_users_opens_nothing_at_either_service() {
    limited(async {
        let street = Street::open().await;
        let token = street.id_token_of("ann");
        let forged = format!("{}x", &token[..token.len() - 1]);
        let stale = street.site.control().mint_token(&order("ann", -1)).unwrap();
        for bad in [&forged, &stale, "opaque", "e30.e30.", ""] {
            let ask = Ask::form("/v1/credentials/uploads", &[("subject_token", bad)]).header("authorization", ORDERS);
            let refused = street.a.ask(ask).await;
            assert_eq!((refused.status, refused.json()["Code"].as_str()), (400, Some("InvalidSubjectToken")), "{bad}");
            assert_eq!(street.b_asks_whose(bad).await, json!({ "active": false }), "{bad}: and nothing else");
        }
        assert!(street.site.asked("GetId").is_empty() && street.site.asked("GetCredentialsForIdentity").is_empty());
    })
    .await;
}

#[tokio::test]
async fn nobody_verifies_or_exchanges_without_being_allowed_to() {
    limited(async {
        let street = Street::open().await;
        let token = street.id_token_of("ann");
        let a_asks = Ask::form("/oauth2/introspect", &[("token", &token)]).header("authorization", ORDERS);
        assert_eq!(street.a.ask(a_asks).await.status, 403, "A may not introspect");
        let named = Ask::form("/oauth2/introspect", &[("token", &token), ("issuer", "others")]);
        assert_eq!(street.b.ask(named.header("authorization", REPORTS)).await.status, 403);
        let unknown = Ask::form("/oauth2/introspect", &[("token", &token)]).header("authorization", "nobody");
        assert_eq!(street.b.ask(unknown).await.status, 401);
        let without = Ask::form("/oauth2/introspect", &[]).header("authorization", REPORTS);
        assert_eq!(street.b.ask(without).await.status, 400);
        let twice =
            Ask::form("/oauth2/introspect", &[("token", &token), ("token", "x")]).header("authorization", REPORTS);
        assert_eq!(street.b.ask(twice).await.status, 400);
        assert_eq!(street.b.get("/oauth2/introspect", REPORTS).await.status, 405);
    })
    .await;
}

#[tokio::test]
async fn b_goes_on_verifying_when_the_issuer_cannot_be_reached() {
    limited(async {
        let street = Street::open().await;
        let (ann, bob) = (street.id_token_of("ann"), street.id_token_of("bob"));
        assert_eq!(street.b_asks_whose(&ann).await["active"], true);
        let Street { site, b, a: _ } = street;
        drop(site.emulator);
        let ask = Ask::form("/oauth2/introspect", &[("token", &bob)]).header("authorization", REPORTS);
        assert_eq!(b.ask(ask).await.json()["sub"], "sub-of-bob");
    })
    .await;
}

/// An ID token of `user`, for so many seconds.
fn order(user: &str, lifetime: i64) -> Mint {
    Mint {
        pool: "eu-west-1_AbCd12345".to_owned(),
        client_id: "7robotexampleclient".to_owned(),
        username: user.to_owned(),
        sub: format!("sub-of-{user}"),
        token_use: TokenUse::Id,
        lifetime,
        claims: serde_json::Map::new(),
    }
}
