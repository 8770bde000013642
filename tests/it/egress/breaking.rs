//! What breaks on one side breaks on the other: nothing is made up, and nothing is held for ever.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::Forward;
use super::service::{Service, listener, ok};
use crate::client::{Ask, read_to_end};
use crate::daemon::free_port;
use crate::site::Site;
use crate::waiting::{limited, until};

const KEYS: &str = "bearer = \"tokens.billing\"\nidle_timeout = \"2s\"\n";
const HEAD: &str = "POST /up HTTP/1.1\r\nHost: localhost\r\n";

/// The head of a request that a test's own service is sent.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn begin(forward: &Forward, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", forward.port)).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

/// The next connection to a scripted upstream, when the head of a request has come by it.
async fn asked(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    read_head(&mut stream).await;
    stream
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_502_that_says_so() {
    limited(async {
        let nowhere = format!("http://127.0.0.1:{}", free_port());
        let forward = Forward::with(Site::open().await, &nowhere, KEYS).await;
        let answer = forward.ask(Ask::get("/x?secret=query")).await;
        assert_eq!((answer.status, answer.header("credbroker-error")), (502, Some("BadGateway")), "{}", answer.text);
        let complaint = answer.complaint();
        assert!(complaint.contains(&nowhere) && complaint.contains("Connection refused"), "{complaint}");
        assert!(!answer.text.contains("secret"), "{}", answer.text);
        let row = forward.row().await;
        assert_eq!((&row["requests"], &row["failures"], &row["in_flight"]), (&1.into(), &1.into(), &0.into()), "{row}");
        assert!(row["last_error"]["message"].as_str().unwrap().contains("Connection refused"), "{row}");
    })
    .await;
}

#[tokio::test]
async fn an_upstream_that_answers_nothing_or_nonsense_is_a_502() {
    limited(async {
        let service = Service::answering(|seen| match seen.path() {
            "/closes" => String::new(),
            "/nonsense" => "SMTP 220 hello\r\n\r\n".to_owned(),
            "/both" => "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned(),
            _ => "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n".to_owned(),
        })
        .await;
        let forward = Forward::to(&service).await;
        for path in ["/closes", "/nonsense", "/both", "/switches"] {
            let answer = forward.ask(Ask::get(path)).await;
            assert_eq!((answer.status, answer.header("credbroker-error")), (502, Some("BadGateway")), "{path}");
        }
        assert_eq!(service.seen().len(), 4, "nothing is sent twice");
    })
    .await;
}

#[tokio::test]
async fn an_upstream_that_promises_an_answer_without_end_is_a_502_and_keeps_nobody_from_the_api() {
    limited(async {
        let (listener, url) = listener().await;
        let forward = Forward::with(Site::open().await, &url, "bearer = \"tokens.billing\"\n").await;
        let playing = tokio::spawn(async move {
            let hints = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000);
            let mut stream = asked(&listener).await;
            while stream.write_all(&hints).await.is_ok() {}
        });
        let answer = forward.ask(Ask::get("/")).await;
        assert_eq!((answer.status, answer.header("credbroker-error")), (502, Some("BadGateway")), "{}", answer.text);
        assert!(answer.complaint().contains("interim answers"), "{}", answer.text);
        playing.await.unwrap();
        assert_eq!(forward.daemon.ask(Ask::get("/healthz")).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_a_504() {
    limited(async {
        let (listener, url) = listener().await;
        let forward = Forward::with(Site::open().await, &url, KEYS).await;
        let answer = forward.ask(Ask::get("/")).await;
        assert_eq!(
            (answer.status, answer.header("credbroker-error")),
            (504, Some("GatewayTimeout")),
            "{}",
            answer.text
        );
        assert!(answer.complaint().contains("no answer within 2s"), "{}", answer.text);
        drop(listener);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_never_looks_whole() {
    limited(async {
        let (listener, url) = listener().await;
        let forward = Forward::with(Site::open().await, &url, KEYS).await;
        for framing in ["Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
            let mut stream = begin(&forward, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
            let (mut upstream, _) = listener.accept().await.unwrap();
            read_head(&mut upstream).await;
            upstream.write_all(format!("HTTP/1.1 200 OK\r\n{framing}").as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"half") {
                answer.push(stream.read_u8().await.unwrap());
            }
            drop(upstream);
            let rest = read_to_end(&mut stream).await;
            assert!(matches!(&*rest, "" | "\r\n"), "nothing ends it: {rest:?}");
        }
        let row = forward.row().await;
        assert_eq!(row["failures"], 2, "{row}");
        assert!(row["last_error"]["message"].as_str().unwrap().contains("broke off"), "{row}");
    })
    .await;
}

/// A client that reads the whole answer notices.
#[tokio::test]
async fn an_answer_that_breaks_off_at_once_is_an_error_to_its_reader() {
    limited(async {
        let service = Service::answering(|seen| {
            let framing = if seen.path() == "/length" {
                "Content-Length: 100\r\n\r\nhalf"
            } else {
                "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
            };
            format!("HTTP/1.1 200 OK\r\nX-Close: yes\r\n{framing}")
        })
        .await;
        let forward = Forward::to(&service).await;
        for path in ["/length", "/chunks"] {
            assert!(Ask::get(path).over(&forward.v4()).await.is_err(), "{path}");
        }
        assert_eq!(service.seen().len(), 2, "and nothing is asked twice");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_stalls_is_cut_off_and_a_slow_one_is_not() {
    limited(async {
        let (listener, url) = listener().await;
        let forward = Forward::with(Site::open().await, &url, KEYS).await;
        let playing = tokio::spawn(async move {
            let mut stream = asked(&listener).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
            // Four seconds in all, which is twice what may pass without a piece.
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                stream.write_all(b"1\r\nx\r\n").await.unwrap();
            }
            stream.read_u8().await.is_err()
        });
        let answer = forward.raw("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert_eq!(answer.matches("1\r\nx\r\n").count(), 4, "{answer}");
        assert!(!answer.contains("0\r\n\r\n"), "{answer}");
        assert!(playing.await.unwrap(), "the connection upstream ends too");
        let row = forward.row().await;
        assert!(row["last_error"]["message"].as_str().unwrap().contains("nothing more"), "{row}");
    })
    .await;
}

#[tokio::test]
async fn a_body_that_breaks_off_never_looks_whole() {
    limited(async {
        let (listener, url) = listener().await;
        let forward = Forward::with(Site::open().await, &url, KEYS).await;
        for framing in ["Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
            let stream = begin(&forward, &format!("{HEAD}{framing}")).await;
            let (mut upstream, _) = listener.accept().await.unwrap();
            let head = read_head(&mut upstream).await.to_ascii_lowercase();
            assert_eq!(head.contains("content-length: 100"), framing.contains("100"), "{head}");
            let mut body = Vec::new();
            while !body.ends_with(b"half") {
                body.push(upstream.read_u8().await.unwrap());
            }
            drop(stream);
            let rest = read_to_end(&mut upstream).await;
            assert!(matches!(&*rest, "" | "\r\n"), "nothing ends it: {rest:?}");
        }
        let quiet = async || Some(forward.row().await).filter(|row| row["in_flight"] == 0);
        until("nothing is left", Duration::from_secs(5), quiet).await;
    })
    .await;
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    limited(async {
        let service = Service::open().await;
        let forward = Forward::to(&service).await;
        let mut stream = begin(&forward, &format!("{HEAD}Content-Length: 100\r\n\r\nhalf")).await;
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("nothing more of"), "{answer}");
        let seen = service.has_seen(1).await.pop().unwrap();
        assert!(!seen.whole, "{seen:?}");
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_request_upstream() {
    limited(async {
        let (listener, url) = listener().await;
        let forward = Forward::with(Site::open().await, &url, "bearer = \"tokens.billing\"\n").await;
        let (arrived, has_arrived) = oneshot::channel();
        let playing = tokio::spawn(async move {
            let mut stream = asked(&listener).await;
            arrived.send(()).unwrap();
            stream.read_u8().await.is_err()
        });
        let stream = begin(&forward, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        has_arrived.await.unwrap();
        drop(stream);
        assert!(playing.await.unwrap(), "the upstream sees the end");
    })
    .await;
}

#[tokio::test]
async fn an_upstream_that_answers_early_is_heard() {
    limited(async {
        let (listener, url) = listener().await;
        let forward = Forward::with(Site::open().await, &url, KEYS).await;
        let playing = tokio::spawn(async move {
            let mut stream = asked(&listener).await;
            let refusal = b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge";
            stream.write_all(refusal).await.unwrap();
            let _ = read_to_end(&mut stream).await;
        });
        let mut stream = begin(&forward, &format!("{HEAD}Content-Length: 1000000\r\n\r\nhalf")).await;
        let mut answer = Vec::new();
        while !answer.ends_with(b"large") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 413") && !answer.contains("credbroker-error"), "{answer}");
        drop(stream);
        playing.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_drain_finishes_what_is_on_its_way() {
    limited(async {
        let (listener, url) = listener().await;
        let mut forward = Forward::with(Site::open().await, &url, "bearer = \"tokens.billing\"\n").await;
        let (go_on, may_go_on) = oneshot::channel();
        let playing = tokio::spawn(async move {
            let mut stream = asked(&listener).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await.unwrap();
            may_go_on.await.unwrap();
            stream.write_all(b"+last").await.unwrap();
        });
        let mut stream = begin(&forward, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let mut answer = Vec::new();
        while !answer.ends_with(b"first") {
            answer.push(stream.read_u8().await.unwrap());
        }
        forward.daemon.running.signal("TERM").await;
        let ready = async || Some(forward.daemon.ask(Ask::get("/readyz")).await).filter(|answer| answer.status == 503);
        until("the drain begins", Duration::from_secs(5), ready).await;
        go_on.send(()).unwrap();
        assert_eq!(read_to_end(&mut stream).await, "+last");
        playing.await.unwrap();
        assert_eq!(forward.daemon.running.wait(Duration::from_secs(10)).await, 0);
    })
    .await;
}

#[tokio::test]
async fn long_connections_keep_nobody_from_the_api() {
    limited(async {
        let service = Service::answering(|_| ok("ok")).await;
        let forward = Forward::to(&service).await;
        let mut held = Vec::new();
        for _ in 0..128 {
            held.push(begin(&forward, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Unfinished:").await);
        }
        assert_eq!(forward.daemon.ask(Ask::get("/healthz")).await.status, 200);
        drop(held);
        assert_eq!(forward.ask(Ask::get("/")).await.status, 200);
    })
    .await;
}
