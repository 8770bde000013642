//! The service with a source that issues credentials of an hour, on tokio's paused clock: hours pass in no time.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use super::*;
use crate::clock::Clock;
use crate::http::intake::Transport;
use crate::http::load::Load;
use crate::http::reloads::Reloads;
use crate::http::serve::places::Places;
use crate::http::{Life, Refusals};
use crate::lease::Issued;
use crate::ops::audit::Audit;
use crate::policy::directory::{Entry as Known, Id};
use crate::policy::{Directory, Process};
use crate::refresh::schedule::{Freshness, Keep};
use crate::refresh::{Credentials, Entry, Inputs, OnBehalfOf, Store};
use crate::source::{Ask, AwsCredentials, Failure, Source};

const HOUR: u64 = 3_600;
const ROLE: &str = "/latest/meta-data/iam/security-credentials/orders";
/// The uid of the caller `app`, and that of the caller `other`, who may have the same credentials.
const APP: u32 = 7;
const OTHER: u32 = 8;

struct Hourly(Clock);

#[async_trait]
impl Source<AwsCredentials> for Hourly {
    async fn fetch(&self, _: &Ask) -> Result<Issued<AwsCredentials>, Failure> {
        let credentials = AwsCredentials {
            access_key_id: "ASIAEXAMPLE".into(),
            secret_access_key: "secret".to_owned().into(),
            session_token: Some("session".to_owned().into()),
            account_id: None,
            role_arn: None,
        };
        let now = self.0.now();
        Ok(Issued::new(credentials, now, now.plus(Duration::from_secs(HOUR))))
    }
}

async fn service() -> Imds {
    let clock = Clock::tokio(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let freshness =
        Freshness { ahead: 0.75, keep: Keep::Used, outage_cover: None, life_left: Duration::from_secs(1_800) };
    let source = Arc::new(Hourly(clock.clone()));
    let entry = Entry::new("credentials.orders", "a test", source, Inputs::default(), freshness.clone(), clock.clone());
    let entry = Arc::new(entry);
    let held = Credentials { entry: Arc::clone(&entry), on_behalf_of: OnBehalfOf::Itself, freshness };
    let known = |name: &str, uid| Known {
        name: name.into(),
        allow: vec![Grant::Credentials("orders".into())],
        token: None,
        uid: Some(Id::Number(uid)),
        gid: None,
        unit: None,
        requests_per_second: None,
    };
    let entries = vec![known("app", APP), known("other", OTHER)];
    let load = Load::new(8, &entries, clock.clone(), None);
    let callers = Directory::new(entries);
    callers.look(clock.now()).await;
    let surface = Arc::new(Surface {
        store: Store::new(BTreeMap::new(), BTreeMap::from([("orders".into(), held)]), entry),
        kept: Vec::new(),
        files: crate::files::Files::default(),
        issuers: Arc::default(),
        callers: Arc::new(callers),
        clock: clock.clone(),
        fees: None,
        listeners: Vec::new(),
        egress: Vec::new(),
        audit: Audit::default(),
        log: crate::ops::log::Losses::default(),
        refusals: Arc::new(Refusals::new(clock.clone())),
        reloads: Arc::new(Reloads::new("c.toml".to_owned(), clock.clone())),
        life: Arc::new(Life::new(clock.now())),
        load,
        places: Places::new(8, 8, clock.clone()),
    });
    let listen = "127.0.0.1:2779".parse().unwrap();
    Imds::new(&surface, &Config { listen, credentials: "orders".into(), caller: "app".into() }, None)
}

async fn ask(service: &Imds, uid: Option<u32>, request: http::request::Builder) -> Result<(u16, String), Trouble> {
    let request = request.header("host", "127.0.0.1:2779").body(()).unwrap();
    let response = service
        .admit(
            request,
            &Peer { transport: Transport::Tcp, process: Process { uid, ..Process::default() }, at: None },
            Notes::default(),
        )
        .await?;
    let status = response.status().as_u16();
    #[expect(clippy::disallowed_methods, reason = "the body is short")]
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Ok((status, String::from_utf8(body.to_vec()).unwrap()))
}

fn put(ttl: u64) -> http::request::Builder {
    Request::builder().method(Method::PUT).uri("/latest/api/token").header(TTL, ttl)
}

fn get(session: &str) -> http::request::Builder {
    Request::builder().uri(ROLE).header(SESSION, session)
}

#[tokio::test(start_paused = true)]
async fn whenever_it_is_asked_there_are_26_minutes_left() {
    let service = service().await;
    for pause in [0, 1, 2_050, 2_050, 2_100, 3_000, 3_599, 60, 1_700, 2_200, 4_000, 2_050, 2_050] {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        let session = ask(&service, Some(APP), put(60)).await.unwrap().1;
        let (status, body) = ask(&service, Some(APP), get(&session)).await.unwrap();
        let held: serde_json::Value = serde_json::from_str(&body).unwrap();
        let end = held["Expiration"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let now = service.surface.clock.wall().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let left = end.as_second() - i64::try_from(now).unwrap();
        assert!(status == 200 && left >= 26 * 60, "{left} s after a pause of {pause} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_good_for_as_long_as_was_asked() {
    let service = service().await;
    let session = ask(&service, Some(APP), put(300)).await.unwrap().1;
    tokio::time::sleep(Duration::from_secs(299)).await;
    assert_eq!(ask(&service, Some(APP), get(&session)).await.unwrap().0, 200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(matches!(ask(&service, Some(APP), get(&session)).await, Err(Trouble::SessionOver)));
}

#[tokio::test(start_paused = true)]
async fn only_the_caller_is_served_also_with_the_callers_session() {
    let service = service().await;
    let session = ask(&service, Some(APP), put(300)).await.unwrap().1;
    // Another caller who may have the same credentials elsewhere, a stranger, and somebody the kernel says nothing about.
    for uid in [Some(OTHER), Some(0), None] {
        for request in [put(300), get(&session)] {
            assert!(matches!(ask(&service, uid, request).await, Err(Trouble::NotTheCaller)), "{uid:?}");
        }
    }
    assert_eq!(ask(&service, Some(APP), get(&session)).await.unwrap().0, 200);
}

#[test]
fn a_session_lasts_for_a_number_of_seconds_up_to_six_hours() {
    let ttl_of = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TTL, value.parse().unwrap());
        }
        ttl(&headers)
    };
    assert_eq!(ttl_of(&["1"]), Some(1));
    assert_eq!(ttl_of(&["21600"]), Some(21_600));
    for wrong in [
        &[][..],
        &["0"],
        &["21601"],
        &["-1"],
        &["+60"],
        &["60.0"],
        &["60s"],
        &[""],
        &["18446744073709551617"],
        &["60", "60"],
    ] {
        assert_eq!(ttl_of(wrong), None, "{wrong:?}");
    }
}
