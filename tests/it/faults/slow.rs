//! Upstreams that take their time, or never end. What is measured is what is left behind: connections, descriptors, memory.

use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

use super::upstream::{Does, Upstream, grant, tells_nothing};
use crate::client::Ask;
use crate::daemon::Daemon;
use crate::documents::{ORDERS, caller};
use crate::process::Running;
use crate::site::Site;
use crate::waiting::{limited, limited_to, until};

const MARK: &str = "marker5k2v";
/// An exchange is given up after ten seconds. What is more is for a busy machine.
const GIVEN_UP: Duration = Duration::from_secs(20);
/// So many endpoints go wrong in the same way, all at the same time.
const ROUNDS: usize = 12;

/// How an upstream never comes to an end, and what is said of it.
fn endless() -> Vec<(&'static str, Does, &'static str)> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let body = format!("{{\"access_token\":\"{MARK}");
    let sized = format!("{head}Content-Length: 1073741824\r\n\r\n{body}");
    let small = format!("{head}Content-Length: 1000\r\n\r\n{body}");
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
    // Two deadlines of ten seconds, that of the head and that of the whole: of the whole where the head has come.
    let (head_in_time, whole_in_time) = ("not answer", "did not answer within 10s");
    let piece = vec![b'a'; 64 * 1024];
    let chunk = [b"10000\r\n", &*piece, b"\r\n"].concat();
    vec![
        ("silent", Does::Hangs(vec![]), head_in_time),
        ("stalls", Does::Hangs(small.clone().into()), whole_in_time),
        ("dripshead", Does::Drips(format!("{head}X-Slow: ").into(), b'a'), head_in_time),
        ("dripsbody", Does::Drips(small.into(), b'a'), whole_in_time),
        ("continues", Does::Floods(vec![], b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()), ""),
        ("gigabyte", Does::Floods(sized.into(), piece.clone()), "64 KiB"),
        ("chunks", Does::Floods(chunked.into(), chunk), "64 KiB"),
        ("untilclosed", Does::Floods(format!("{head}\r\n{body}").into(), piece.clone()), "64 KiB"),
        ("fields", Does::Floods(head.into(), b"X-More: and more\r\n".repeat(1_000)), "cannot be reached"),
        ("longfield", Does::Floods(format!("{head}X-Long: ").into(), piece), "cannot be reached"),
    ]
}

fn descriptors(running: &Running) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap().count()
}

fn threads(running: &Running) -> usize {
    std::fs::read_dir(format!("/proc/{}/task", running.pid())).unwrap().count()
}

/// Waits until what was asked for has failed, as the status has it, with `word` in what is said.
async fn fails(daemon: &Daemon, names: &[String], word: &str) {
    until(&format!("{names:?} fail with {word:?}"), GIVEN_UP, async || {
        let status = daemon.get("/v1/status", ORDERS).await;
        tells_nothing(&status.text, MARK, "the status");
        let status = status.json();
        let rows = status["tokens"].as_array().unwrap();
        let has_failed = |name: &String| {
            let row = rows.iter().find(|row| row["name"] == format!("tokens.{name}")).unwrap();
            row["last_error"]["message"].as_str().is_some_and(|said| said.contains(word))
        };
        names.iter().all(has_failed).then_some(())
    })
    .await;
}

/// A hundred and twenty exchanges that would never end, and then none of them is left.
#[tokio::test]
async fn an_upstream_without_end_is_given_up_and_leaves_nothing_behind() {
    limited_to(Duration::from_secs(60), async {
        let kinds = endless();
        let of = |kind: &str| -> Vec<String> { (0..ROUNDS).map(|round| format!("{kind}-{round}")).collect() };
        let names: Vec<String> = kinds.iter().flat_map(|(kind, ..)| of(kind)).collect();
        let scripted: Vec<_> = kinds.iter().map(|(kind, does, _)| (format!("/{kind}-"), does.clone())).collect();
        let upstream = Upstream::of(move |seen, _| {
            let mended = Does::Says(grant("good", 600));
            scripted.iter().find(|(own, _)| seen.path().starts_with(own)).map_or(mended, |(_, does)| does.clone())
        })
        .await;
        let tokens: String = names.iter().map(|name| upstream.token(name)).collect();
        let allow: Vec<String> =
            names.iter().chain([&"well".to_owned()]).map(|name| format!("tokens.{name}")).collect();
        let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
        let site = Site::open().await;
        let document = format!("{tokens}{}{}", upstream.token("well"), caller("orders", &allow));
        let daemon = site.launch(&document).env("CREDBROKER_LOG", "info").start().await;
        daemon.served("/v1/tokens/well", ORDERS).await;
        daemon.get("/v1/status", ORDERS).await;
        let (files, memory, before) =
            (descriptors(&daemon.running), daemon.running.resident(), threads(&daemon.running));

        let asked: Vec<_> = names
            .iter()
            .map(|name| {
                let (ask, way) = (Ask::get(&format!("/v1/tokens/{name}")).bearer(ORDERS), daemon.v4());
                tokio::spawn(async move { ask.over(&way).await.unwrap() })
            })
            .collect();
        for asked in asked {
            let answer = asked.await.unwrap();
            assert!(matches!(answer.status, 503 | 504) && answer.retry_after() >= 1, "{}", answer.text);
            tells_nothing(&answer.text, MARK, "an answer");
        }
        for (kind, _, word) in &kinds {
            fails(&daemon, &of(kind), word).await;
        }
        until("the end of every connection", GIVEN_UP, async || (upstream.open() == 0).then_some(())).await;
        until("as few descriptors as before", GIVEN_UP, async || (descriptors(&daemon.running) <= files).then_some(()))
            .await;
        assert!(threads(&daemon.running) <= before + 1, "{} threads, {before} before", threads(&daemon.running));
        // Each may have had its 64 KiB, and a buffer as large; not what was sent.
        let most = memory + 2 * 128 * u64::try_from(names.len()).unwrap();
        assert!(daemon.running.peak() < most, "{} KiB, {memory} KiB before", daemon.running.peak());
        assert!(daemon.row("tokens.well", "").await.get("last_error").is_none());
    })
    .await;
}

/// A listener that takes no more connections: what comes next is not even refused.
async fn full() -> (tokio::net::TcpListener, Vec<TcpStream>, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut waiting = Vec::new();
    while let Ok(stream) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(("127.0.0.1", port))).await
    {
        waiting.push(stream.unwrap());
        assert!(waiting.len() < 100, "the backlog never fills");
    }
    (listener, waiting, port)
}

#[tokio::test]
async fn an_address_that_does_not_take_connections_is_given_up_and_found_again() {
    limited(async {
        let (listener, waiting, port) = full().await;
        let upstream = Upstream::of(|_, _| Does::Says(grant("good", 600))).await;
        let token = upstream.token("dropped").replace(&upstream.url, &format!("http://127.0.0.1:{port}"));
        let site = Site::open().await;
        let daemon = site.daemon(&format!("{token}{}", caller("orders", &["tokens.dropped"]))).await;
        assert_eq!(daemon.get("/v1/tokens/dropped", ORDERS).await.status, 504);
        fails(&daemon, &["dropped".to_owned()], "does not answer in time").await;

        drop(waiting);
        let accepting = tokio::spawn(async move {
            let to = upstream.url.trim_start_matches("http://").to_owned();
            while let Ok((mut stream, _)) = listener.accept().await {
                let to = to.clone();
                tokio::spawn(async move {
                    let mut behind = TcpStream::connect(to).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
                });
            }
        });
        assert_eq!(daemon.served("/v1/tokens/dropped", ORDERS).await.token(), "good");
        accepting.abort();
    })
    .await;
}
