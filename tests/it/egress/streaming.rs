//! A large body there and back in little memory, with curl.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use ring::digest::{Context, SHA256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Child;

use super::Forward;
use super::service::listener;
use crate::client::Ask;
use crate::process::{self, variable};
use crate::site::Site;
use crate::waiting::{Stopwatch, limited_to};

/// So many MiB are sent if nobody says more: many times what may be held.
const MIB: u64 = 128;
/// The daemon needs no more than this for it, in KiB.
const GROWTH: u64 = 16 * 1024;
const PIECE: usize = 64 * 1024;

/// Writes `mib` MiB that repeat in no piece, and says what they hash to.
async fn write(into: &mut (impl tokio::io::AsyncWrite + Unpin), mib: u64) -> String {
    let mut hash = Context::new(&SHA256);
    let mut piece: Vec<u8> = (0..PIECE).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect();
    for count in 0..mib * 1024 * 1024 / PIECE as u64 {
        piece[..8].copy_from_slice(&count.to_be_bytes());
        hash.update(&piece);
        into.write_all(&piece).await.unwrap();
    }
    hex(hash)
}

/// Reads to the end: how much it was, and what it hashes to.
async fn read(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> (u64, String) {
    let (mut hash, mut length, mut piece) = (Context::new(&SHA256), 0, vec![0; PIECE]);
    while let count @ 1.. = from.read(&mut piece).await.unwrap() {
        hash.update(&piece[..count]);
        length += count as u64;
    }
    (length, hex(hash))
}

fn hex(hash: Context) -> String {
    hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A service that sends back what it is sent, piece by piece. Chunks are copied as they are.
async fn echo(listener: TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(String::from_utf8_lossy(&head).contains("transfer-encoding: chunked"));
    stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    let (mut from, mut into) = stream.into_split();
    // Ends when the daemon lets go of the connection.
    let _ = tokio::io::copy(&mut from, &mut into).await;
}

fn curl(port: u16) -> Child {
    let environment = [("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
    let mut command = process::command("curl", Path::new("/"), &environment);
    let url = format!("http://127.0.0.1:{port}/echo");
    command.args([
        "--silent",
        "--show-error",
        "--no-progress-meter",
        "--fail",
        "--no-buffer",
        "--upload-file",
        ".",
        &url,
    ]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_goes_there_and_back_in_little_memory() {
    let mib = variable("CREDBROKER_STREAM_MIB").map_or(MIB, |mib| mib.parse().unwrap());
    limited_to(Duration::from_secs(300), async {
        let (listener, url) = listener().await;
        let site = Site::open().await;
        let forward = Forward::launched(site, &url, variable("CREDBROKER_BIN")).await;
        let served = forward.daemon.served("/v1/tokens/billing", crate::documents::ORDERS).await;
        assert_eq!(served.status, 200);
        assert_eq!(forward.ask(Ask::get("/").header("origin", "x")).await.status, 403, "it is warm");
        let echoing = tokio::spawn(echo(listener));

        let (before, watch) = (forward.daemon.running.peak(), Stopwatch::start());
        let mut curl = curl(forward.port);
        let (mut to, mut from) = (curl.stdin.take().unwrap(), curl.stdout.take().unwrap());
        let sending = tokio::spawn(async move { write(&mut to, mib).await });
        let (length, received) = read(&mut from).await;
        assert!(curl.wait().await.unwrap().success());
        assert_eq!((length, received), (mib * 1024 * 1024, sending.await.unwrap()));
        let growth = forward.daemon.running.peak() - before;
        println!("{mib} MiB there and back in {:?}, {growth} KiB more than the {before} before", watch.elapsed());
        assert!(growth < GROWTH, "{growth} KiB more");
        echoing.abort();
    })
    .await;
}
