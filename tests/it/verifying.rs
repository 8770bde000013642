//! Inbound tokens against the documents and tokens of a user pool, and what operators see of it.

use std::sync::Arc;
use std::time::Duration;

use credbroker::clock::Clock;
use credbroker::environment::Environment;
use credbroker::refresh::schedule::{Freshness, Keep};
use credbroker::refresh::{Entry, Inputs};
use credbroker::source::key_set::{Place, Publication};
use credbroker::source::upstream::Upstream;
use credbroker::verify::{Config, Issuer, Kind};

use crate::documents::{BILLING, M2M_CLIENT, ORDERS, ROBOT, caller};
use crate::site::Site;
use crate::waiting::limited;

const POOL: &str = "eu-west-1_AbCd12345";
const ISS: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCd12345";

fn issuer(site: &Site, kind: Kind, clients: &[&str]) -> Issuer {
    let clock = Clock::system();
    let upstream = Upstream::new(&Environment::default()).unwrap();
    let keys = format!("{}/{POOL}/.well-known/jwks.json", site.emulator.url());
    let place = Place::At(keys.parse().unwrap());
    let source = Arc::new(Publication::new(ISS.to_owned(), place, upstream, clock.clone()));
    let freshness = Freshness { ahead: 0.5, keep: Keep::Used, outage_cover: None, life_left: Duration::ZERO };
    let keys = Entry::new("issuers.users", keys, source, Inputs::default(), freshness, clock.clone());
    let config = Config {
        issuers: vec![ISS.to_owned()],
        kind,
        clients: clients.iter().map(ToString::to_string).collect(),
        audience: Vec::new(),
        scopes: Vec::new(),
        leeway: Duration::from_secs(30),
    };
    Issuer::new(config, Arc::new(keys), clock)
}

#[tokio::test]
async fn tokens_of_a_user_pool_are_verified_with_its_published_keys() {
    limited(async {
        let site = Site::open().await;
        let document = format!("{BILLING}{ROBOT}{}", caller("orders", &["tokens.billing", "tokens.robot"]));
        let daemon = site.daemon(&document).await;
        let token = async |name: &str| {
            let answer = daemon.get(&format!("/v1/tokens/{name}"), ORDERS).await;
            answer.json()["access_token"].as_str().unwrap().to_owned()
        };
        let (access, id) = (token("billing").await, token("robot").await);

        let machines = issuer(&site, Kind::CognitoAccess, &[M2M_CLIENT]);
        let verified = machines.verify(&access).await.unwrap();
        assert_eq!((verified.issuer.as_str(), verified.client.as_deref()), (ISS, Some(M2M_CLIENT)));
        assert!(verified.scopes.contains(&"billing/read".to_owned()), "{:?}", verified.scopes);
        assert_eq!(machines.verify(&id).await.unwrap_err().as_str(), "token_use");

        let users = issuer(&site, Kind::CognitoId, &["7robotexampleclient"]);
        assert!(users.verify(&id).await.unwrap().subject.is_some());
        assert_eq!(users.verify(&access).await.unwrap_err().as_str(), "token_use");
        let others = issuer(&site, Kind::CognitoId, &["another"]);
        assert_eq!(others.verify(&id).await.unwrap_err().as_str(), "client");
        assert_eq!(site.asked("jwks").len(), 3, "one fetch for each issuer");
    })
    .await;
}

#[tokio::test]
async fn the_status_says_where_an_issuers_keys_are_and_nothing_is_fetched_for_it() {
    limited(async {
        let site = Site::open().await;
        let issuers = format!(
            "[issuers.users]\nuser_pool = \"{POOL}\"\n[issuers.partner]\nissuer = \"https://login.partner.example\"\n"
        );
        let daemon = site.daemon(&format!("{BILLING}{issuers}{}", caller("orders", &["issuers.users"]))).await;
        let status = daemon.get("/v1/status", ORDERS).await.json();
        let rows = status["issuers"].as_array().unwrap();
        let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["issuers.partner", "issuers.users"]);
        assert_eq!(rows[0]["source"], "keys where the metadata of https://login.partner.example says");
        assert_eq!(rows[1]["source"], format!("keys at {}/{POOL}/.well-known/jwks.json", site.emulator.url()));
        assert_eq!((&rows[1]["state"], &rows[1]["key_ids"]), (&"empty".into(), &serde_json::json!([])));
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}
