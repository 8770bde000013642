//! `GET /metrics`: who may read it, and that it says what the status says. That Prometheus can read it is shown in tests/conformance.

use std::collections::BTreeMap;
use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};
use tokio::task::JoinSet;

use crate::client::{Ask, Way};
use crate::daemon::{Daemon, free_port};
use crate::documents::{BILLING, ORDERS, REPORTS, ROLES, billing_for_orders, caller, token_called};
use crate::reload::reload;
use crate::site::Site;
use crate::waiting::{limited, until, wall};

const PATH: &str = "/metrics";

/// What stands there, each sample by its name and labels.
async fn samples(daemon: &Daemon) -> BTreeMap<String, i64> {
    let answer = daemon.ask(Ask::get(PATH)).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    let lines = answer.text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap()));
    lines.map(|line| sample(line).unwrap()).collect()
}

#[tokio::test]
async fn anybody_on_this_machine_may_read_it_and_no_browser() {
    limited(async {
        let site = Site::open().await;
        let port = free_port();
        let listen = format!(
            "[server]\nlisten = [\"loopback:PORT\", \"unix:DIR/api.sock\"]\nadmin_listen = \"127.0.0.1:{port}\"\n"
        );
        let daemon = site.daemon(&format!("{listen}{}", billing_for_orders())).await;
        for way in [daemon.v4(), daemon.v6(), daemon.unix(), Way::V4(port)] {
            let answer = daemon.ask_over(&way, Ask::get(PATH)).await;
            assert_eq!(answer.status, 200, "{way:?}");
            assert!(answer.text.contains("credbroker_ready 1\n"), "{}", answer.text);
        }
        let elsewhere = Ask::get(PATH).header("host", "node-7:9464");
        assert_eq!(daemon.ask_over(&Way::V4(port), elsewhere).await.status, 200, "a scraper names the node");
        for (name, value) in [("origin", "http://evil.example"), ("sec-fetch-site", "none"), ("host", "evil.example")] {
            assert_eq!(daemon.ask(Ask::get(PATH).header(name, value)).await.status, 403, "{name}");
        }
        assert_eq!(daemon.ask(Ask::of(hyper::Method::POST, PATH)).await.status, 405);
        assert_eq!(site.operations(), [""; 0], "nothing is fetched to be counted");
    })
    .await;
}

#[tokio::test]
async fn it_says_what_happened_and_names_no_secret() {
    limited(async {
        let site = Site::open().await;
        let broken = token_called("broken", "").replace("billing.secret", "wrong.secret");
        site.write("wrong.secret", "wrongsecretQm4Tz8Lc2Vx6Nb0Kj5Hf9Dd3");
        let allow = ["tokens.billing", "tokens.broken", "credentials.orders"];
        let document = format!("{BILLING}{broken}{ROLES}{}{}", caller("orders", &allow), caller("reports", &allow));
        let daemon = site.daemon(&document).await;
        let token = daemon.served("/v1/tokens/billing", ORDERS).await.token();
        for _ in 0..3 {
            daemon.get("/v1/tokens/billing", ORDERS).await;
        }
        daemon.served("/v1/tokens/billing?scope=billing/read", ORDERS).await;
        assert_eq!(daemon.get("/v1/tokens/broken", ORDERS).await.status, 502);
        daemon.served("/v1/credentials/orders", ORDERS).await;
        daemon.served("/v1/credentials/orders", REPORTS).await;
        let kind = FaultKind::Status { status: 429, body: String::new(), headers: [].into() };
        site.control().fault(Fault::always("token", kind));
        daemon.get("/v1/tokens/billing?scope=billing/write", ORDERS).await;

        let row = daemon.row("tokens.billing", "").await;
        let samples = samples(&daemon).await;
        let of = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("{name} is missing: {samples:#?}"));
        let billing = |name: &str| of(&format!("credbroker_entry_{name}{{entry=\"tokens.billing\"}}"));
        assert_eq!((billing("held"), billing("fetching"), billing("failures_in_a_row")), (1, 0, 0));
        assert!((3_500..=3_600).contains(&billing("expires_in_seconds")), "{}", billing("expires_in_seconds"));
        assert!(billing("refresh_due_in_seconds") < billing("expires_in_seconds"));
        assert!(billing("hits_total") >= 3 && billing("upstream_requests_total") == 3, "with its narrowings");
        assert!(row["hits"].as_i64().unwrap() <= billing("hits_total"));
        let failures = |entry: &str, kind: &str| {
            of(&format!("credbroker_entry_upstream_failures_total{{entry=\"{entry}\",kind=\"{kind}\"}}"))
        };
        assert_eq!((failures("tokens.billing", "throttled"), failures("tokens.billing", "denied")), (1, 0));
        assert_eq!((failures("tokens.broken", "denied"), failures("tokens.broken", "throttled")), (1, 0));
        assert_eq!(of("credbroker_entry_held{entry=\"tokens.broken\"}"), 0);
        for caller in ["orders", "reports"] {
            assert_eq!(of(&format!("credbroker_entry_held{{entry=\"credentials.orders\",caller=\"{caller}\"}}")), 1);
            assert!(of(&format!("credbroker_caller_requests_total{{caller=\"{caller}\"}}")) >= 1);
        }
        assert_eq!(of("credbroker_clock_offset_seconds{source=\"AWS\"}"), 0);
        assert_eq!((of("credbroker_clock_steps_total"), of("credbroker_clock_resumes_total")), (0, 0));
        for secret in [&*token, ORDERS, REPORTS, "wrongsecret", "billing/read"] {
            assert!(!samples.keys().any(|name| name.contains(secret)), "{secret}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_answered_is_counted_by_door_and_class() {
    limited(async {
        let site = Site::open().await;
        let broken = token_called("broken", "").replace("billing.secret", "wrong.secret");
        site.write("wrong.secret", "wrongsecretQm4Tz8Lc2Vx6Nb0Kj5Hf9Dd3");
        let document = format!("{BILLING}{broken}{}", caller("orders", &["tokens.billing", "tokens.broken"]));
        let daemon = site.daemon(&document).await;
        daemon.served("/v1/tokens/billing", ORDERS).await;
        daemon.get("/v1/tokens/broken", ORDERS).await;
        let before = samples(&daemon).await;
        let asked = [
            ("token", "2xx", "/v1/tokens/billing", ORDERS),
            ("token", "4xx", "/v1/tokens/billing", "nobody's"),
            ("token", "4xx", "/v1/tokens/tokenMistakenForAName", ORDERS),
            ("token", "5xx", "/v1/tokens/broken", ORDERS),
            ("credentials", "4xx", "/v1/credentials/orders", ORDERS),
            ("status", "2xx", "/v1/status", ORDERS),
            ("page", "2xx", "/", ORDERS),
            ("health", "2xx", "/readyz", ORDERS),
            ("nowhere", "4xx", "/v1/tokenMistakenForAPath", ORDERS),
        ];
        for (_, _, path, token) in asked {
            daemon.get(path, token).await;
        }
        let after = samples(&daemon).await;
        let answers =
            |door: &str, class: &str| format!("credbroker_answers_total{{door=\"{door}\",class=\"{class}\"}}");
        for (door, class, _, _) in asked {
            let name = answers(door, class);
            let times = asked.iter().filter(|other| (other.0, other.1) == (door, class)).count();
            assert_eq!(after[&name] - before[&name], i64::try_from(times).unwrap(), "{name}");
        }
        assert_eq!(after[&answers("oauth2", "5xx")], 0, "what has not happened yet is counted too");
        let counted = |samples: &BTreeMap<String, i64>| {
            let answers = samples.iter().filter(|(name, _)| name.starts_with("credbroker_answers_total"));
            (answers.clone().count(), answers.map(|(_, count)| count).sum::<i64>())
        };
        assert_eq!(counted(&after).1, after["credbroker_requests_total"], "nobody hung up");
        assert_eq!(counted(&after).0, counted(&before).0, "whoever asks makes no label");
        assert!(!after.keys().any(|name| name.contains("Mistaken")), "{after:#?}");
    })
    .await;
}

#[tokio::test]
async fn what_came_of_reloads_is_seen() {
    limited(async {
        let site = Site::open().await;
        let good = billing_for_orders();
        let daemon = site.daemon(&good).await;
        let seen = async || {
            let found = samples(&daemon).await;
            let of = |name: &str| found[&format!("credbroker_configuration_{name}")];
            let age = wall() - f64::from(u32::try_from(of("loaded_timestamp_seconds")).unwrap());
            assert!((0.0..60.0).contains(&age), "{age}");
            let reloads = [of("reloads_applied_total"), of("reloads_refused_total")];
            (of("generation"), reloads, of("reload_refused"))
        };
        assert_eq!(seen().await, (1, [0, 0], 0));
        assert!(samples(&daemon).await["credbroker_tasks"] > 0);
        reload(&site, &daemon, "nonsense = 1").await;
        reload(&site, &daemon, &good.replace("billing", "")).await;
        assert_eq!(seen().await, (1, [0, 2], 1));
        reload(&site, &daemon, &good).await;
        assert_eq!(seen().await, (2, [1, 2], 0));
    })
    .await;
}

/// More entries than the limit of a server lets ask at once. Nobody is there: what counts is that they ask.
#[tokio::test]
async fn who_waits_for_a_quota_is_seen_by_its_name() {
    limited(async {
        const MANY: usize = 60;
        let site = Site::open().await;
        let name = |number| format!("tokens.t{number}");
        let elsewhere = |number| {
            format!(
                "[tokens.t{number}]\nfrom = \"oauth2\"\ntoken_endpoint = \"https://0.0.0.0:1/token\"\nclient_id = \"c\"\n\
                 client_auth = \"basic\"\nclient_secret = {{ file = \"DIR/billing.secret\" }}\n"
            )
        };
        let names: Vec<String> = (0..MANY).map(name).collect();
        let allow: Vec<&str> = names.iter().map(String::as_str).collect();
        let tables: String = (0..MANY).map(elsewhere).collect();
        let daemon = site.daemon(&format!("{BILLING}{tables}{}", caller("orders", &allow))).await;
        let waiting = "credbroker_quota_requests_waiting{quota=\"the server 0.0.0.0\"}";
        let waited = "credbroker_quota_requests_waited_total{quota=\"the server 0.0.0.0\"}";
        let before = samples(&daemon).await;
        assert_eq!((before[waiting], before[waited]), (0, 0));

        let asks = (0..MANY).map(|number| {
            let way = daemon.v4();
            async move { Ask::get(&format!("/v1/tokens/t{number}")).bearer(ORDERS).over(&way).await.unwrap() }
        });
        asks.collect::<JoinSet<_>>().join_all().await;
        let status = daemon.get("/v1/status", ORDERS).await.json();
        let row = daemon.row("tokens.t0", "").await;
        assert!(row["quota"] == "the server 0.0.0.0" && row["waiting_for_quota"].is_u64(), "{row}");
        assert!(daemon.row("tokens.billing", "").await.get("quota").is_none(), "one on this machine has none");
        assert_eq!(status["quotas"]["shared"].as_array().unwrap().len(), 1, "{status}");
        let seen = until("nobody to wait any more", Duration::from_secs(30), async || {
            Some(samples(&daemon).await).filter(|samples| samples[waiting] == 0)
        })
        .await;
        assert!((1..=40).contains(&seen[waited]), "{}", seen[waited]);
    })
    .await;
}

#[tokio::test]
async fn a_source_that_is_down_is_seen_before_anything_expires() {
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime("token", 20);
        let daemon =
            site.daemon(&format!("{}\n[refresh]\nahead = 0.1\nkeep = \"always\"\n", billing_for_orders())).await;
        daemon.served("/v1/tokens/billing", ORDERS).await;
        let kind = FaultKind::Status { status: 503, body: String::new(), headers: [].into() };
        site.control().fault(Fault::always("token", kind));
        let of = |samples: &BTreeMap<String, i64>, name: &str| {
            samples[&format!("credbroker_entry_{name}{{entry=\"tokens.billing\"}}")]
        };
        let seen = until("two failures in a row", Duration::from_secs(15), async || {
            Some(samples(&daemon).await).filter(|samples| of(samples, "failures_in_a_row") >= 2)
        })
        .await;
        assert_eq!((of(&seen, "held"), of(&seen, "refresh_due_in_seconds")), (1, 0));
        assert!(of(&seen, "expires_in_seconds") > 0 && seen["credbroker_ready"] == 1);
    })
    .await;
}
