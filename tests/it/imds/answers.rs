//! The answers, to the letter.

use http::Method;

use super::{ROLE, SESSION, Service, TOKEN, TTL, document, limited, own_uid};
use crate::client::{Ask, Line, raw};
use crate::site::Site;

/// Head and body of a raw answer: the headers in lower case and sorted, without the date.
fn parts(answer: &str) -> (Vec<String>, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n").map(ToOwned::to_owned);
    let mut all = vec![lines.next().unwrap()];
    let mut headers: Vec<String> = lines.filter(|line| !line.to_lowercase().starts_with("date: ")).collect();
    headers.sort();
    all.extend(headers);
    (all, body)
}

fn request(line: &str, header: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\nConnection: close\r\n\r\n")
}

/// The head of an answer of `length` bytes with more headers.
fn golden(status: &str, length: usize, more: &[&str]) -> Vec<String> {
    let length = format!("content-length: {length}");
    let mut headers = vec![
        "cache-control: no-store",
        "connection: close",
        &length,
        "content-type: text/plain",
        "content-security-policy: default-src 'none'; frame-ancestors 'none'",
        "cross-origin-resource-policy: same-origin",
        "pragma: no-cache",
        "server: EC2ws",
        "x-content-type-options: nosniff",
    ];
    headers.extend(more);
    headers.sort_unstable();
    [&[&*format!("HTTP/1.1 {status}")][..], &headers].concat().into_iter().map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn each_answer_is_that_of_ec2() {
    limited(async {
        let site = Site::open().await;
        let service = Service::open(&site).await;
        let opened = raw(service.port, &request("PUT /latest/api/token", &format!("{TTL}: 21600"))).await;
        let (head, token) = parts(&opened);
        assert_eq!(head, golden("200 OK", 43, &["x-aws-ec2-metadata-token-ttl-seconds: 21600"]));
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");

        let get = async |path: &str| {
            raw(service.port, &request(&format!("GET {path}"), &format!("{SESSION}: {token}"))).await
        };
        for path in ["/latest/meta-data/iam/security-credentials/", "/latest/meta-data/iam/security-credentials"] {
            let answer = get(path).await;
            assert_eq!(parts(&answer), (golden("200 OK", 6, &[]), "orders"), "{path}: no newline at the end");
        }
        for (path, body) in [
            ("/latest/meta-data/placement/region", "eu-west-1"),
            ("/latest/dynamic/instance-identity/document", r#"{"region":"eu-west-1"}"#),
        ] {
            assert_eq!(parts(&get(path).await), (golden("200 OK", body.len(), &[]), body));
        }
        let answer = get(ROLE).await;
        let (head, body) = parts(&answer);
        assert_eq!(head, golden("200 OK", body.len(), &["credbroker-cache: miss"]));
        let keys = ["Code", "LastUpdated", "Type", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"];
        let places: Vec<usize> = keys.iter().map(|key| body.find(&format!("\"{key}\":")).unwrap()).collect();
        assert!(places.is_sorted(), "{body}");
        let held: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(held.as_object().unwrap().len(), keys.len());
        assert_eq!((held["Code"].as_str(), held["Type"].as_str()), (Some("Success"), Some("AWS-HMAC")));
        for instant in ["LastUpdated", "Expiration"] {
            let text = held[instant].as_str().unwrap();
            let form: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            assert_eq!(form, "0000-00-00T00:00:00Z", "botocore reads no other form: {text}");
        }
        assert!(held["LastUpdated"].as_str() < held["Expiration"].as_str());
        assert_eq!(
            site.whose(&held).await,
            "arn:aws:sts::111122223333:assumed-role/orders/app",
            "session_name = {{caller}}"
        );
        assert!(get(ROLE).await.contains("\r\ncredbroker-cache: hit\r\n"));
    })
    .await;
}

#[tokio::test]
async fn what_an_instance_would_know_besides_is_not_there() {
    limited(async {
        let site = Site::open().await;
        let service = Service::open(&site).await;
        for path in [
            "/latest/meta-data/placement/availability-zone",
            "/latest/meta-data/placement/availability-zone/",
            "/latest/meta-data/iam/security-credentials/reports",
            "/latest/meta-data/iam/security-credentials/orders/",
            "/latest/meta-data/iam/security-credentials-extended/",
            "/latest/meta-data/iam/info",
            "/latest/meta-data/",
            "/latest/meta-data/placement/region/",
            "/latest/user-data",
            "/2009-04-04/meta-data/iam/security-credentials/orders",
            "/v1/credentials/orders",
            "/healthz",
            "/",
        ] {
            let answer = service.get(path).await;
            assert_eq!((answer.status, &*answer.text), (404, "there is nothing at this path"), "{path}");
        }
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_region_that_nobody_named_is_not_invented() {
    limited(async {
        let site = Site::open().await;
        let text = document("127.0.0.1:0", own_uid());
        let service = Service::launch(site.launch(&text).without("AWS_REGION")).await;
        let paths = ["/latest/meta-data/placement/region", "/latest/dynamic/instance-identity/document"];
        for path in paths {
            assert_eq!(service.get(path).await.status, 404);
        }
        drop(service);
        let configured = format!("[aws]\nregion = \"ap-southeast-2\"\n{text}");
        let service = Service::launch(site.launch(&configured)).await;
        assert_eq!(service.get(paths[0]).await.text, "ap-southeast-2", "[aws] goes before the environment");
        drop(service);
        let other = site.launch(&text).without("AWS_REGION").env("AWS_DEFAULT_REGION", "sa-east-1");
        assert_eq!(Service::launch(other).await.get(paths[1]).await.json()["region"], "sa-east-1");
    })
    .await;
}

#[tokio::test]
async fn methods_are_those_of_ec2_and_a_connection_is_kept() {
    limited(async {
        let site = Site::open().await;
        let service = Service::open(&site).await;
        let mut line = Line::open(&service.way()).await.unwrap();
        let token = line.ask(&Ask::of(Method::PUT, TOKEN).header(TTL, "60")).await.unwrap().text;
        let ask = |method: Method, path: &str| Ask::of(method, path).header(SESSION, &token).header(TTL, "60");
        let full = line.ask(&ask(Method::GET, ROLE)).await.unwrap();
        let head = line.ask(&ask(Method::HEAD, ROLE)).await.unwrap();
        assert_eq!((full.status, head.status, &*head.text), (200, 200, ""));
        assert_eq!(head.header("content-length"), full.header("content-length"));
        for (method, path, allow) in [
            (Method::GET, TOKEN, "PUT"),
            (Method::HEAD, TOKEN, "PUT"),
            (Method::POST, TOKEN, "PUT"),
            (Method::PUT, ROLE, "GET, HEAD"),
            (Method::POST, ROLE, "GET, HEAD"),
            (Method::DELETE, "/latest/user-data", "GET, HEAD"),
            (Method::OPTIONS, ROLE, "GET, HEAD"),
        ] {
            let answer = line.ask(&ask(method.clone(), path)).await.unwrap();
            assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
        }
        assert!(full.header("connection").is_none(), "it was one connection");
    })
    .await;
}
