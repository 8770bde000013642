//! What the daemon does not take from a client.

use std::path::Path;
use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use crate::client::{Ask, Way, raw, read_to_end};
use crate::daemon::free_port;
use crate::documents::{ORDERS, billing_for_orders, token_called};
use crate::process::{self, CREDBROKER, Running};
use crate::site::Site;
use crate::waiting::{Stopwatch, limited, until};

fn at_most(connections: u32, listen: &str) -> String {
    format!("[server]\nlisten = [{listen}]\nmax_connections = {connections}\n{}", billing_for_orders())
}

#[tokio::test]
async fn a_head_of_17_kib_is_refused_and_the_connection_closed() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let request =
            |size: usize| format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "a".repeat(size));
        let refused = raw(daemon.port, &request(17 * 1024)).await;
        assert!(refused.starts_with("HTTP/1.1 431") || refused.starts_with("HTTP/1.1 400"), "{refused}");
        let many = "X: y\r\n".repeat(200);
        let refused = raw(daemon.port, &format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{many}\r\n")).await;
        assert!(refused.starts_with("HTTP/1.1 431") || refused.starts_with("HTTP/1.1 400"), "{refused}");
        let fits = request(8 * 1024).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        assert!(raw(daemon.port, &fits).await.starts_with("HTTP/1.1 200"), "8 KiB are a large cookie, and are taken");
    })
    .await;
}

#[tokio::test]
async fn a_body_of_70_kb_is_refused_before_it_is_sent() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let head = format!("POST /v1/tokens/billing HTTP/1.1\r\nHost: localhost\r\nAuthorization: {ORDERS}\r\nContent-Length: 70000\r\n\r\n");
        let watch = Stopwatch::start();
        let refused = raw(daemon.port, &head).await;
        assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
        assert!(watch.elapsed() < Duration::from_secs(5), "it waited {:?} for the body", watch.elapsed());
    })
    .await;
}

/// Waits until the daemon holds no connection over 127.0.0.1: those that asked whether it is up are closed a moment after that.
async fn nobody_is_connected(port: u16) {
    let own = format!("0100007F:{port:04X}");
    let is_open = |row: &str| {
        let fields: Vec<_> = row.split_whitespace().collect();
        // Established, or closed by the peer only.
        fields.get(1) == Some(&&*own) && matches!(fields.get(3), Some(&"01" | &"08"))
    };
    until("the end of all connections", Duration::from_secs(5), async || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        (!table.lines().any(is_open)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_third_connection_takes_the_place_of_the_one_that_was_silent_longest() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&at_most(2, "\"127.0.0.1:PORT\"")).await;
        nobody_is_connected(daemon.port).await;
        // The backlog is first come, first served, so both are accepted before any that come later.
        let silent = async || TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
        let (mut one, mut other) = (silent().await, silent().await);
        // Well before the silent ones are closed for being silent.
        let third = async { Ask::get("/healthz").over(&daemon.v4()).await };
        let answer = tokio::time::timeout(Duration::from_secs(3), third).await.unwrap().unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(read_to_end(&mut one).await, "", "it made room");
        other.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        assert!(read_to_end(&mut other).await.starts_with("HTTP/1.1 200"), "it did not have to");
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_being_answered_keeps_its_place() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&at_most(2, "\"127.0.0.1:PORT\"")).await;
        site.control().fault(Fault::once("token", FaultKind::Delay { milliseconds: 700 }));
        let slow = tokio::spawn({
            let (ask, way) = (Ask::get("/v1/tokens/billing").bearer(ORDERS), daemon.v4());
            async move { ask.over(&way).await.unwrap() }
        });
        site.asked_times("token", 1).await;
        let mut others = Vec::new();
        while !slow.is_finished() {
            others.push(TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let answer = slow.await.unwrap();
        assert!(answer.status == 200 || answer.is_pending(), "{}", answer.text);
        assert!(others.len() > 5, "it was over too soon to be in anybody's way");
    })
    .await;
}

/// Contract, section 2: `max_connections` counts connections; every listener is served whatever it is.
#[tokio::test]
async fn few_connections_are_still_served_on_every_listener() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&at_most(1, "\"127.0.0.1:PORT\", \"unix:DIR/api.sock\"")).await;
        for way in [daemon.v4(), daemon.unix(), Way::V4(daemon.port), daemon.unix()] {
            let served = async || Ask::get("/healthz").over(&way).await.ok().filter(|answer| answer.status == 200);
            until(&format!("an answer over {way:?}"), Duration::from_secs(5), served).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_head_that_is_never_finished_is_closed() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let mut half = TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
        half.write_all(b"GET /v1/tokens/billing HTTP/1.1\r\nHost: local").await.unwrap();
        let closed = tokio::time::timeout(Duration::from_secs(15), read_to_end(&mut half)).await;
        assert!(closed.is_ok(), "it is held open for ever");
        assert_eq!(daemon.get("/v1/tokens/billing", ORDERS).await.status, 200, "others are served");
    })
    .await;
}

/// The deadline is that of the whole head: a byte that comes does not put it off.
#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_closed() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let mut slow = TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
        let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: {}\r\n\r\n", "a".repeat(1_000));
        let mut sent = 0;
        for byte in head.as_bytes() {
            let closed = tokio::time::timeout(Duration::from_millis(250), slow.read(&mut [0; 64])).await;
            if closed.is_ok() || slow.write_all(&[*byte]).await.is_err() {
                break;
            }
            sent += 1;
        }
        assert!(sent < 100, "after {sent} bytes it was still open");
    })
    .await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_refused_and_the_connection_closed() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let head = format!("POST /v1/tokens/billing HTTP/1.1\r\nHost: localhost\r\nAuthorization: {ORDERS}\r\nContent-Length: 9\r\n\r\nhalf");
        let refused = tokio::time::timeout(Duration::from_secs(9), raw(daemon.port, &head)).await;
        let refused = refused.unwrap_or_else(|_| panic!("it is held open"));
        assert!(refused.starts_with("HTTP/1.1 400") && refused.contains("did not arrive in time"), "{refused}");
    })
    .await;
}

/// A thousand at once: the first hundred are answered, in their order, and then the place is for others.
#[tokio::test]
async fn of_a_thousand_pipelined_requests_a_hundred_are_answered_in_order() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let requests: Vec<_> = (0..1_000)
            .map(|number| {
                let path = if number % 3 == 0 { "/healthz" } else { "/readyz" };
                let method = if number % 2 == 0 { "GET" } else { "DELETE" };
                format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
            })
            .collect();
        let answers = raw(daemon.port, &requests.concat()).await;
        let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
        // The end of what was answered may be lost in the reset, since the rest of the thousand is never read.
        assert!((1..=100).contains(&statuses.len()), "{}", statuses.len());
        let expected: Vec<_> = (0..statuses.len()).map(|number| if number % 2 == 0 { "200" } else { "405" }).collect();
        assert_eq!(statuses, expected);
    })
    .await;
}

#[tokio::test]
async fn a_connection_ends_after_100_answers() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let watch = Stopwatch::start();
        let answers = raw(daemon.port, &"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100)).await;
        assert!(watch.elapsed() < Duration::from_secs(5), "it was closed for being idle, after {:?}", watch.elapsed());
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 100);
        let (_, last) = answers.rsplit_once("HTTP/1.1").unwrap();
        assert!(last.contains("connection: close"), "{last}");
        assert_eq!(answers.matches("connection: close").count(), 1, "the others may go on");
    })
    .await;
}

/// Asks more than fits into the socket, and reads nothing. It has a place when the first answer is there.
async fn never_reads(socket: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let request = format!("GET /v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: {ORDERS}\r\n\r\n");
    stream.write_all(request.repeat(100).as_bytes()).await.unwrap();
    stream.readable().await.unwrap();
    stream
}

#[tokio::test]
async fn clients_that_never_read_do_not_shut_others_out() {
    limited(async {
        let site = Site::open().await;
        let admin = free_port();
        // 100 answers about so many tokens are some megabytes.
        let tokens: String = (0..100).map(|number| token_called(&format!("t{number}"), "")).collect();
        let document = at_most(2, "\"127.0.0.1:PORT\", \"unix:DIR/api.sock\"");
        let document = document.replace("[server]", &format!("[server]\nadmin_listen = \"127.0.0.1:{admin}\""));
        let daemon = site.daemon(&format!("{document}{tokens}")).await;
        let socket = daemon.dir.join("api.sock");
        let _silent = (never_reads(&socket).await, never_reads(&socket).await);

        let health = Ask::get("/healthz");
        let served = async || health.over(&daemon.v4()).await.ok().filter(|answer| answer.status == 200);
        let watched = async {
            loop {
                assert_eq!(health.over(&Way::V4(admin)).await.unwrap().status, 200, "the admin listener");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            _ = until("an answer to a third client", Duration::from_secs(15), served) => {},
            () = watched => {},
        }
        let status = daemon.get("/v1/status", ORDERS).await.json();
        assert!(status["connections"]["moved"].as_u64() > Some(0), "the places were not taken: {status}");
    })
    .await;
}

#[tokio::test]
async fn no_more_connections_than_descriptors() {
    limited(async {
        let site = Site::open().await;
        let launch = site.launch(&billing_for_orders());
        let port = free_port();
        let file = launch.configure(port);
        let script = format!("ulimit -n 70; exec '{CREDBROKER}' run --config '{}'", file.display());
        let mut command = process::command("/bin/sh", Path::new("/"), launch.environment());
        command.args(["-c", &script]);
        let running = Running::spawn(command);

        let served =
            async || Ask::get("/healthz").over(&Way::V4(port)).await.ok().filter(|answer| answer.status == 200);
        until("the daemon's start", Duration::from_secs(10), served).await;
        let mut crowd = Vec::new();
        for _ in 0..80 {
            crowd.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
        }
        // There are six places. The first ones are answered, whoever is silent behind them.
        for stream in &mut crowd[..6] {
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0, "a place was not given");
        }
        drop(crowd);
        until("an answer after the crowd", Duration::from_secs(5), served).await;
        let log = running.printed.text();
        assert!(log.contains("fewer connections") && log.contains("served=6"), "{log}");
        assert!(!log.contains("cannot be accepted"), "{log}");
    })
    .await;
}
