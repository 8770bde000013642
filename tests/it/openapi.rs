//! The API description: who gets it, and that it is the whole truth. What daemons answer is held against it by every other test, see
//! [`crate::described`].

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use crate::client::{Ask, Way, raw};
use crate::daemon::{Daemon, free_port};
use crate::documents::{ORDERS, billing_for_orders};
use crate::site::{Site, credbroker};
use crate::waiting::limited;

const PATH: &str = "/openapi.json";
/// The methods that OpenAPI knows.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

#[tokio::test]
async fn anybody_may_read_it_and_it_names_nobody() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders().replace("billing", "zebra")).await;
        for way in [daemon.v4(), daemon.v6(), daemon.unix()] {
            let answer = daemon.ask_over(&way, Ask::get(PATH)).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
            assert_eq!(answer.json()["openapi"], "3.1.0");
            assert!(!answer.text.contains("zebra"), "nothing of the configuration");
            let head = daemon.ask_over(&way, Ask::of(Method::HEAD, PATH)).await;
            assert_eq!((head.status, &*head.text), (200, ""));
            assert_eq!(head.header("content-length"), Some(&*answer.text.len().to_string()));
        }
        let posted = daemon.ask(Ask::form(PATH, &[("a", "b")])).await;
        assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")));
        let foreign = Ask::get(PATH).header("host", "evil.example");
        assert_eq!(daemon.ask(foreign).await.status, 403);
    })
    .await;
}

#[tokio::test]
async fn the_admin_listener_does_not_have_it() {
    limited(async {
        let site = Site::open().await;
        let port = free_port();
        let listen = format!("[server]\nlisten = [\"loopback:PORT\"]\nadmin_listen = \"127.0.0.1:{port}\"\n");
        let daemon = site.daemon(&format!("{listen}{}", billing_for_orders())).await;
        assert_eq!(daemon.ask_over(&Way::V4(port), Ask::get("/healthz")).await.status, 200);
        assert_eq!(daemon.ask_over(&Way::V4(port), Ask::get(PATH)).await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn what_is_served_printed_and_kept_in_the_documentation_is_one() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let printed = credbroker(site.dir.path(), &["schema", "--openapi"], &[]).await.stdout;
        let served = daemon.ask(Ask::get(PATH)).await.json();
        assert!(served == serde_json::from_str::<Value>(&printed).unwrap());
        let kept = fs::read_to_string(root().join("docs/openapi.json")).unwrap();
        assert!(kept == printed, "run `credbroker schema --openapi > docs/openapi.json`");
    })
    .await;
}

#[tokio::test]
async fn each_operation_is_there_and_no_other_method() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let mut asked = 0;
        for (template, item) in daemon.ask(Ask::get(PATH)).await.json()["paths"].as_object().unwrap() {
            let path = template.replace("{name}", "nothing").replace("{issuer}", "nothing");
            for method in METHODS {
                let is_described = item.get(method.to_ascii_lowercase()).is_some();
                let status = status_of(&daemon, method, &path).await;
                assert_eq!(status == 405, !is_described, "{method} {path}: {status}");
                asked += 1;
            }
        }
        assert!(asked >= 11 * METHODS.len());
    })
    .await;
}

async fn status_of(daemon: &Daemon, method: &str, path: &str) -> u16 {
    daemon.ask(Ask::of(method.parse().unwrap(), path).bearer(ORDERS)).await.status
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_without_a_body() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let more = |fields: usize, length: usize| {
            let field = format!("x: {}\r\n", "a".repeat(length));
            format!("GET {PATH} HTTP/1.1\r\nhost: localhost\r\n{}\r\n", field.repeat(fields))
        };
        for head in [more(65, 1), more(3, 8000)] {
            let answer = raw(daemon.port, &head).await;
            assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
            assert!(answer.ends_with("\r\n\r\n"), "{answer}");
        }
        let answer = raw(daemon.port, "GET / HTTP/9\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_not_described_is_noticed() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let token = daemon.served("/v1/tokens/billing", ORDERS).await;
        let tokens = Ask::get("/v1/tokens/billing");
        crate::described::holds_for(&tokens, &token).unwrap();
        let complaint =
            |ask: &Ask, answer: &crate::client::Answer| crate::described::holds_for(ask, answer).unwrap_err();

        let changed = |change: &dyn Fn(&mut Value)| {
            let mut body = token.json();
            change(&mut body);
            let mut answer = token.clone();
            answer.text = body.to_string();
            complaint(&tokens, &answer)
        };
        assert!(changed(&|body| body["more"] = json!(1)).contains("more is not described"));
        assert!(changed(&|body| body["expires_in"] = json!("60")).contains("integer"));
        assert!(changed(&|body| drop(body.as_object_mut().unwrap().remove("expires_at"))).contains("required"));
        let mut odd = token.clone();
        odd.status = 418;
        assert!(complaint(&tokens, &odd).contains("no such status"));
        odd.status = 404;
        assert!(complaint(&tokens, &odd).contains("credbroker-cache is not described"));
        assert!(complaint(&Ask::get("/v2"), &token).contains("nothing is described there"));
    })
    .await;
}

/// A route that warp knows and the description does not, or the other way round.
#[test]
fn the_paths_are_those_of_the_routes() {
    let http = fs::read_to_string(root().join("src/http/mod.rs")).unwrap();
    let surfaces: BTreeSet<&str> = http.split("::route(").map(last_word).filter(|word| !word.is_empty()).collect();
    assert!(surfaces.len() >= 9, "{surfaces:?}");
    let routed: BTreeSet<String> = surfaces.iter().flat_map(|surface| routes_of(surface)).collect();
    let described = credbroker::http::openapi::description();
    let described: BTreeSet<String> =
        described["paths"].as_object().unwrap().keys().map(|path| blanked(path)).collect();
    assert_eq!(routed, described);
}

/// A refusal that no operation says it may have.
#[test]
fn every_trouble_is_described() {
    let reply = fs::read_to_string(root().join("src/http/reply.rs")).unwrap();
    let (_, variants) = reply.split_once("pub enum Trouble {").unwrap();
    let (variants, _) = variants.split_once("\n}").unwrap();
    let variants: BTreeSet<String> = variants.lines().filter_map(variant).collect();
    assert!(variants.len() > 20 && variants.contains("Failed"), "{variants:?}");

    let description = credbroker::http::openapi::description();
    let mut described = BTreeSet::new();
    named_examples(&description, &mut described);
    // What is answered where nothing is described, and by the metadata service and the forward addresses, which are no part of it.
    let metadata_service = ["NotTheCaller", "NoSession", "SessionOver", "OtherVersion"];
    let egress = ["NotForwardable", "BodyTooLarge", "NotForwarded"];
    let elsewhere = ["NoSuchPath"].into_iter().chain(metadata_service).chain(egress);
    let elsewhere: BTreeSet<String> = elsewhere.map(ToOwned::to_owned).collect();
    assert_eq!(variants.difference(&elsewhere).collect::<Vec<_>>(), described.iter().collect::<Vec<_>>());
}

/// The variant that a line of an enum declares.
fn variant(line: &str) -> Option<String> {
    let name: String = line.strip_prefix("    ")?.chars().take_while(char::is_ascii_alphanumeric).collect();
    (!name.is_empty()).then_some(name)
}

/// The variants that the examples of refusals are called by.
fn named_examples(value: &Value, names: &mut BTreeSet<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        if key == "examples" {
            names.extend(
                value.as_object().into_iter().flatten().map(|(name, _)| name.split('-').next().unwrap().to_owned()),
            );
        }
        named_examples(value, names);
    }
}

/// The paths of the routes in a surface's file.
fn routes_of(surface: &str) -> Vec<String> {
    let folder = root().join("src/http");
    let file = [folder.join(format!("{surface}.rs")), folder.join(surface).join("mod.rs")];
    let text = fs::read_to_string(file.iter().find(|file| file.exists()).unwrap()).unwrap();
    let segment = |part: &str| match part.trim() {
        "String" => "/{}".to_owned(),
        part => format!("/{}", part.trim_matches('"')),
    };
    let macros = text.split("warp::path!(").skip(1).map(|rest| rest.split(')').next().unwrap());
    let mut paths: Vec<String> = macros.map(|parts| parts.split(" / ").map(segment).collect()).collect();
    paths.extend(text.contains("warp::path::end()").then(|| "/".to_owned()));
    assert!(!paths.is_empty(), "{surface} has no route");
    paths
}

/// A path without the names of its parameters.
fn blanked(template: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    template.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn last_word(text: &str) -> &str {
    text.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
