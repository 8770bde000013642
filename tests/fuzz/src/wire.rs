//! A connection: bytes in, bytes out, through the HTTP server that the daemon runs.

use std::time::Duration;

use credbroker::http::intake::{Peer, Transport};
use credbroker::http::serve::Answers;
use credbroker::policy::Process;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Who a peer is, by the first letter of an input.
pub fn peer(letter: u8) -> Peer {
    let process = |uid| Process { uid, gid: uid, ..Process::default() };
    let (transport, process) = match letter % 7 {
        0 | 1 => (Transport::Tcp, process(None)),
        2 => (Transport::Tcp, process(Some(7))),
        3 => (Transport::Unix, process(Some(1000))),
        4 => (Transport::Unix, process(Some(7))),
        5 => (Transport::Admin, process(None)),
        _ => (Transport::Tcp, process(Some(7))),
    };
    Peer { transport, process, at: None }
}

/// What `answers` says to `sent`, up to the end of the connection.
pub async fn converse(answers: &impl Answers, peer: &Peer, sent: &[u8]) -> Vec<u8> {
    let (mut near, far) = tokio::io::duplex(1024 * 1024);
    let service = service_fn(|request: Request<Incoming>| async {
        Ok::<_, std::convert::Infallible>(answers.answer(request, peer, false).await)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(5))
        .max_header_size(16 * 1024)
        .max_buf_size(32 * 1024)
        .max_headers(64)
        .half_close(false)
        .serve_connection(TokioIo::new(far), service);
    let talk = async {
        let mut said = Vec::new();
        // It may have been refused before all of it was read.
        let _ = near.write_all(sent).await;
        let _ = near.read_to_end(&mut said).await;
        said
    };
    let (_, said) = tokio::join!(connection, talk);
    said
}

/// One answer of a conversation.
pub struct Said<'a> {
    /// Its status.
    pub status: u16,
    /// Its head.
    pub head: &'a str,
    /// Its body, as its `Content-Length` says.
    pub body: &'a [u8],
}

/// The answers in `said`. `heads` says which of them belong to a HEAD request and so have no body.
pub fn answers(said: &[u8]) -> Vec<Said<'_>> {
    let mut all = Vec::new();
    let mut rest = said;
    while let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = std::str::from_utf8(&rest[..end]).expect("a head is text");
        let status = head.get(9..12).and_then(|status| status.parse().ok()).expect("a status line");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
        let body = &rest[end + 4..];
        // The answer to HEAD has a length and no body; then the next one, or nothing, follows.
        let is_bodiless = body.is_empty() || body.starts_with(b"HTTP/1.");
        let length = if is_bodiless { 0 } else { length };
        assert!(length <= body.len(), "an answer is whole: {head}");
        all.push(Said { status, head, body: &body[..length] });
        rest = &body[length..];
    }
    assert!(rest.is_empty(), "nothing but answers: {}", String::from_utf8_lossy(rest));
    all
}
