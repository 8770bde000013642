//! Signed requests, verified by the emulator, which computes every signature anew.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::service::listener;
use super::{Forward, caller};
use crate::client::{Answer, Ask};
use crate::site::Site;
use crate::waiting::{limited, until};

const ROLE: &str = "[credentials.orders]\nfrom = \"assume-role\"\nrole_arn = \"arn:aws:iam::111122223333:role/orders\"\nsession_name = \"{caller}\"\nexternal_id = \"optional\"\n";
const PRINCIPAL: &str = "arn:aws:sts::111122223333:assumed-role/orders/orders";
/// What a client that signs itself would send, all of it worthless.
const FORGED: &str = "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=00\r\n\
                      X-Amz-Date: 20150830T123600Z\r\nX-Amz-Security-Token: own\r\n";

/// A forward address that signs for `service`, which is at `path` of the emulator.
async fn signing(service: &str, path: &str) -> Forward {
    let site = Site::open().await;
    let upstream = format!("{}{path}", site.emulator.url());
    let keys = format!(
        "sigv4 = {{ credentials = \"credentials.orders\", service = \"{service}\", region = \"eu-west-1\" }}\n"
    );
    Forward::of(site, &upstream, &keys, &format!("{ROLE}{}", caller(&["credentials.orders"]))).await
}

fn sha256(body: &[u8]) -> String {
    ring::digest::digest(&ring::digest::SHA256, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The JSON of an answer that must be 200.
fn seen(answer: &str) -> Value {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
}

fn values(seen: &Value, name: &str) -> Vec<String> {
    let headers = seen["headers"].as_array().unwrap().iter();
    headers.filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap().to_owned()).collect()
}

impl Forward {
    async fn sent(&self, line: &str, fields: &str, body: &str) -> String {
        self.raw(&format!(
            "{line} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n{fields}\r\n{body}",
            self.port
        ))
        .await
    }
}

#[tokio::test]
async fn any_path_and_query_is_signed_as_it_is_sent() {
    limited(async {
        let forward = signing("execute-api", "/execute-api").await;
        for (target, arrives) in [
            ("/", "/"),
            ("/orders?b=2&a=1&a=0&B=&c", "/orders?b=2&a=1&a=0&B=&c"),
            ("/%C3%BC/%E2%82%AC%20x?q=%C3%BC%20%26&%E2%82%AC=1", "/%C3%BC/%E2%82%AC%20x?q=%C3%BC%20%26&%E2%82%AC=1"),
            ("/a%2Fb;v=1/(x)'*!~$@:,=?x=a/b:c@d!$'()*,;", "/a%2Fb;v=1/(x)'*!~$@:,=?x=a/b:c@d!$'()*,;"),
            ("/a//b///c/?x=%7e%41", "/a//b///c/?x=%7e%41"),
            ("/\u{fc}?\u{fc}=\u{20ac}", "/\u{fc}?\u{fc}=\u{20ac}"),
            ("/x?a=b+c&d=%2B", "/x?a=b%20c&d=%2B"),
            ("/x?&&a=1&", "/x?&&a=1&"),
            ("/x?", "/x?"),
        ] {
            let seen = seen(&forward.sent(&format!("GET {target}"), "", "").await);
            let query = seen["query"].as_str().unwrap();
            let path = seen["path"].as_str().unwrap().strip_prefix("/execute-api").unwrap();
            let whole = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
            assert_eq!((&*whole, &seen["principal"]), (arrives.trim_end_matches('?'), &json!(PRINCIPAL)), "{target}");
        }
    })
    .await;
}

#[tokio::test]
async fn headers_and_bodies_of_any_kind_are_signed() {
    limited(async {
        let forward = signing("execute-api", "/execute-api").await;
        let fields = format!(
            "{FORGED}X-Twice: b\r\nX-Twice: a\r\nX-Spaced:  a   \"b  c\"  \r\nX-Empty:\r\nX-Latin: caf\u{e9}\r\nX-Amz-Meta: m\r\n\
             Content-Type: text/plain; charset=utf-8\r\nUser-Agent: program/1\r\nAccept-Encoding: br\r\nCookie: a=b\r\nTE: trailers\r\n"
        );
        let plain = forward.sent("POST /x?a=1", &format!("{fields}Content-Length: 5\r\n"), "hello").await;
        let chunked = "2\r\nhe\r\n3;ext=1\r\nllo\r\n0\r\nX-Trailer: 1\r\n\r\n";
        let chunked = forward.sent("POST /x?a=1", &format!("{fields}Transfer-Encoding: chunked\r\n"), chunked).await;
        for answer in [plain, chunked] {
            let seen = seen(&answer);
            assert_eq!(seen["principal"], PRINCIPAL);
            assert_eq!((&seen["body_length"], &seen["body_sha256"]), (&json!(5), &json!(sha256(b"hello"))));
            assert_eq!(values(&seen, "x-twice"), ["b", "a"]);
            assert_eq!(values(&seen, "content-length"), ["5"], "what is held has a length");
            assert!(values(&seen, "x-amz-date")[0] != "20150830T123600Z" && values(&seen, "x-amz-date").len() == 1);
            assert_eq!((values(&seen, "te"), values(&seen, "transfer-encoding")), (vec![], vec![]));
        }
        let long = "0123456789abcdef".repeat(12_000);
        let chunks: String = long.as_bytes().chunks(7_000).map(|piece| {
            format!("{:x}\r\n{}\r\n", piece.len(), std::str::from_utf8(piece).unwrap())
        }).collect();
        let answer = forward.sent("PUT /long", "Transfer-Encoding: chunked\r\n", &format!("{chunks}0\r\n\r\n")).await;
        assert_eq!(seen(&answer)["body_sha256"], sha256(long.as_bytes()));
        for method in [Method::DELETE, Method::OPTIONS, Method::PATCH] {
            assert_eq!(forward.ask(Ask::of(method, "/x")).await.status, 200);
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_too_large_to_be_held_is_refused_with_what_to_do() {
    limited(async {
        let forward = signing("execute-api", "/execute-api").await;
        let announced = forward.sent("POST /", "Content-Length: 10485761\r\nExpect: 100-continue\r\n", "").await;
        assert!(announced.starts_with("HTTP/1.1 413") && !announced.contains("100 Continue"), "{announced}");
        assert!(announced.contains("credbroker-error: RequestTooLarge") && announced.contains("S3"), "{announced}");
        let mut piece = "x".repeat(1 << 20);
        piece = format!("{:x}\r\n{piece}\r\n", piece.len());
        let answer = forward.sent("POST /", "Transfer-Encoding: chunked\r\n", &piece.repeat(11)).await;
        // It may be cut off where more comes than is read.
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert_eq!(forward.site.asked("execute-api").len(), 0);
    })
    .await;
}

/// What is counted is what is held: pieces of one byte take no more room than their bytes.
#[tokio::test]
async fn a_body_in_very_small_pieces_is_held_in_its_own_size() {
    limited(async {
        const LENGTH: usize = 200_000;
        let forward = signing("execute-api", "/execute-api").await;
        let chunks = async |length: usize| {
            let pieces = "1\r\nx\r\n".repeat(length);
            forward.sent("POST /", "Transfer-Encoding: chunked\r\n", &format!("{pieces}0\r\n\r\n")).await
        };
        seen(&chunks(10).await);
        let before = forward.daemon.running.peak();
        assert_eq!(seen(&chunks(LENGTH).await)["body_length"], LENGTH);
        let growth = forward.daemon.running.peak() - before;
        assert!(growth < 3 * 1024, "{growth} KiB more for {LENGTH} bytes");
    })
    .await;
}

/// What an upstream does not take is held all the same, so it counts.
#[tokio::test]
async fn no_more_bodies_are_held_than_there_is_room_for() {
    limited(async {
        const MIB: usize = 1 << 20;
        let (listener, url) = listener().await;
        let role = format!("{ROLE}{}", caller(&["credentials.orders"]));
        let keys =
            "sigv4 = { credentials = \"credentials.orders\", service = \"execute-api\", region = \"eu-west-1\" }\n";
        let forward = Forward::of(Site::open().await, &url, keys, &role).await;
        let request = |length| format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
        let mut taken = Vec::new();
        for _ in 0..6 {
            let mut stream = TcpStream::connect(("127.0.0.1", forward.port)).await.unwrap();
            stream.write_all(request(10 * MIB).as_bytes()).await.unwrap();
            stream.write_all(&vec![b'x'; 10 * MIB]).await.unwrap();
            taken.push((stream, listener.accept().await.unwrap()));
        }
        let seventh = forward.raw(&format!("{}{}", request(10 * MIB), "x".repeat(1000))).await;
        assert!(seventh.starts_with("HTTP/1.1 503"), "{seventh}");
        drop(taken);
        let again = async || Some(forward.row().await).filter(|row| row["in_flight"] == 0);
        until("the room is free again", Duration::from_secs(10), again).await;
    })
    .await;
}

/// The signer would put another character in their place, so the signature would be of another request.
#[tokio::test]
async fn a_query_that_cannot_be_signed_is_refused() {
    limited(async {
        for (service, path) in [("execute-api", "/execute-api"), ("s3", "/s3")] {
            let forward = signing(service, path).await;
            let answer = forward.ask(Ask::get("/b/k%ff?name=%c3%28")).await;
            assert_eq!((answer.status, answer.header("credbroker-error")), (501, Some("NotImplemented")), "{service}");
            assert!(answer.complaint().contains("not UTF-8"), "{}", answer.text);
            assert_eq!(forward.site.asked(service).len(), 0);
            assert_eq!(forward.ask(Ask::get("/b/k%ff?name=%c3%bc")).await.status, 200, "{service}");
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_to_s3_are_not_hashed_and_its_paths_are_left_alone() {
    limited(async {
        let forward = signing("s3", "/s3").await;
        let put = async |target: &str, fields: &str, body: &str| {
            let answer =
                forward.sent(&format!("PUT {target}"), &format!("{FORGED}Content-Length: 5\r\n{fields}"), body).await;
            (answer, forward.site.asked("s3").pop())
        };
        for target in [
            "/bucket/a//b",
            "/bucket/key%20with%2Fslash",
            "/bucket/%C3%BC?versionId=1&partNumber=2",
            "/bucket/k+k?list-type=2&prefix=a%2Fb",
            "/bucket/a(b)$!'*,;:@=&/%24%7e%2f",
            "/bucket/\u{fc}",
        ] {
            let (answer, asked) = put(target, "X-Amz-Meta-A: 1\r\n", "hello").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{target}: {answer}");
            let asked = asked.unwrap();
            assert_eq!(
                (asked.principal.as_deref(), &asked.parameters["payload"]),
                (Some(PRINCIPAL), &json!("UNSIGNED-PAYLOAD"))
            );
            assert_eq!(asked.parameters["path"], format!("/s3{}", target.split('?').next().unwrap()));
            assert_eq!(asked.parameters["body_sha256"], sha256(b"hello"));
        }
        let hashed = format!("X-Amz-Content-Sha256: {}\r\n", sha256(b"hello"));
        let (right, asked) = put("/b/k", &hashed, "hello").await;
        assert!(right.starts_with("HTTP/1.1 200"), "{right}");
        assert_eq!(asked.unwrap().parameters["payload"], sha256(b"hello"));
        let (wrong, _) = put("/b/k", &hashed, "jello").await;
        assert!(wrong.starts_with("HTTP/1.1 403") && !wrong.contains("credbroker-error"), "{wrong}");
        let before = forward.site.asked("s3").len();
        let (refused, _) = put("/b/k", "X-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\n", "hello").await;
        assert!(refused.starts_with("HTTP/1.1 400") && refused.contains("unsigned"), "{refused}");
        assert_eq!(forward.site.asked("s3").len(), before);
    })
    .await;
}

#[tokio::test]
async fn a_program_that_signs_nothing_calls_sts() {
    limited(async {
        let forward = signing("sts", "/").await;
        let answer: Answer =
            forward.ask(Ask::form("/", &[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")])).await;
        assert!(answer.status == 200 && answer.text.contains(PRINCIPAL), "{}", answer.text);
    })
    .await;
}

#[tokio::test]
async fn what_the_service_says_of_a_signature_is_the_programs_to_read() {
    limited(async {
        let forward = signing("sns", "/execute-api").await;
        let answer = forward.ask(Ask::get("/")).await;
        assert_eq!((answer.status, answer.header("x-amzn-errortype")), (403, Some("InvalidSignatureException")));
        assert_eq!(answer.header("credbroker-error"), None);
        assert_eq!(forward.row().await["failures"], 0);
    })
    .await;
}

#[tokio::test]
async fn without_credentials_nothing_is_forwarded() {
    limited(async {
        let site = Site::open().await;
        let upstream = format!("{}/execute-api", site.emulator.url());
        let keys =
            "sigv4 = { credentials = \"credentials.orders\", service = \"execute-api\", region = \"eu-west-1\" }\n";
        let denied = ROLE.replace("\"optional\"", "\"wrong\"");
        let forward = Forward::of(site, &upstream, keys, &format!("{denied}{}", caller(&["credentials.orders"]))).await;
        let answer = forward.ask(Ask::get("/")).await;
        assert_eq!(
            (answer.status, answer.header("credbroker-error")),
            (502, Some("UpstreamDenied")),
            "{}",
            answer.text
        );
        assert!(answer.complaint().contains("credentials.orders"), "{}", answer.text);
        assert_eq!(forward.site.asked("execute-api").len(), 0);
    })
    .await;
}
