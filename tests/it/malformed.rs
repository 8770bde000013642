//! Requests that are nearly right, from a raw socket: whatever is answered is no failure of the daemon, which neither panics nor
//! keeps anything of them.
//!
//! CREDBROKER_MALFORMED says how many (`make malformed`: a hundred thousand), CREDBROKER_SEED which, and CREDBROKER_BIN names
//! another build of the daemon.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fastrand::Rng;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

use crate::client::Way;
use crate::documents::{BILLING, ORDERS, ROLES, caller};
use crate::process::variable;
use crate::site::Site;
use crate::users::USERS;
use crate::waiting::limited_to;

/// So many connections are open at a time.
const CONNECTIONS: usize = 64;
/// Requests written at once on one connection.
const AT_ONCE: std::ops::RangeInclusive<usize> = 1..=12;
/// What follows them, so that the daemon waits for the rest of none: neither head, nor size of a chunk, nor more than a small body.
const END: &str = "\0\r\n\r\n\0\r\n\r\n";
/// Whoever is silent for so long waits for the rest of a body, and gets as much as any may have.
const QUIET: Duration = Duration::from_millis(300);
static REST: [u8; 72 * 1024] = [0; 72 * 1024];
/// A connection is closed within this: the daemon waits for nothing longer.
const CLOSED: Duration = Duration::from_secs(20);
/// What makes a request another one.
const PIECES: [&str; 30] = [
    "\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "\t",
    ":",
    ";",
    ",",
    "/",
    "//",
    "/../",
    "%2e",
    "%00",
    "%",
    "?",
    "#",
    "\\",
    "\u{ff}",
    "\u{1b}[2J",
    "Host: evil.example\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: +1\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: \x0bchunked\r\n",
    "Expect: 100-continue\r\n",
    "Upgrade: websocket\r\n",
    "Authorization: x\r\n",
    " HTTP/1.0",
    "99999999999999999999",
];

fn number(name: &str, default: u64) -> u64 {
    variable(name).map_or(default, |text| text.parse().unwrap())
}

/// Requests that are as they should be, one for each door.
fn good() -> Vec<String> {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ORDERS}\r\n\r\n");
    let post = |path: &str, kind: &str, body: &str| {
        let length = body.len();
        let known =
            format!("Host: localhost\r\nAuthorization: {ORDERS}\r\nContent-Type: {kind}\r\nContent-Length: {length}");
        format!("POST {path} HTTP/1.1\r\n{known}\r\n\r\n{body}")
    };
    let form = "application/x-www-form-urlencoded";
    let chunked = "Transfer-Encoding: chunked\r\n\r\n10\r\ngrant_type=client\r\n0\r\n\r\n";
    vec![
        get("/v1/tokens/billing"),
        get("/v1/tokens/billing?scope=billing%2Fread"),
        get("/v1/credentials/hub"),
        get("/v1/status"),
        get("/healthz"),
        get("/v1/authorize/users?scope=a%20b"),
        get("/"),
        post("/oauth2/token", form, "grant_type=client_credentials&client_id=billing"),
        post("/oauth2/introspect", "application/json", "{\"token\":\"a.b.c\"}"),
        post(
            "/v1/authorize/users/policy",
            "application/json",
            "{\"type\":\"TOKEN\",\"methodArn\":\"x\",\"authorizationToken\":\"Bearer a.b.c\"}",
        ),
        post("/v1/credentials/hub", form, "subject_token=a.b.c"),
        format!(
            "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nAuthorization: {ORDERS}\r\nContent-Type: {form}\r\n{chunked}"
        ),
    ]
}

/// One of `good` with up to four things wrong with it.
fn malformed(rng: &mut Rng, good: &[String]) -> Vec<u8> {
    let mut bytes = rng.choice(good).unwrap().clone().into_bytes();
    for _ in 0..rng.usize(1..=4) {
        let at = rng.usize(0..bytes.len().max(1));
        match rng.u8(0..8) {
            0 if at < bytes.len() => bytes[at] = rng.u8(..),
            1 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(0..8),
            2 => bytes.truncate(at.max(1)),
            3 => bytes = [&bytes[..at], &bytes[at.min(bytes.len())..], &bytes[at..]].concat(),
            4 => {
                let long = [rng.u8(..)].repeat(rng.usize(1..3_000));
                bytes.splice(at..at, long);
            }
            _ => {
                let piece = rng.choice(PIECES).unwrap().as_bytes();
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}

/// What has come of them.
#[derive(Default)]
struct Tally {
    statuses: BTreeMap<u16, usize>,
    /// Connections that ended, or stayed silent, without any answer.
    silent: usize,
}

impl Tally {
    fn seen(&self) -> usize {
        self.statuses.values().sum::<usize>() + self.silent
    }

    fn add(&mut self, other: Self) {
        other.statuses.into_iter().for_each(|(status, count)| *self.statuses.entry(status).or_default() += count);
        self.silent += other.silent;
    }

    /// Notes the status of each answer in what one connection said.
    fn note(&mut self, said: &[u8]) {
        let mut answers = 0;
        for (at, _) in said.windows(7).enumerate().filter(|(_, begin)| begin == b"HTTP/1.") {
            let status = said.get(at + 9..at + 12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            if let Some(status) = status.filter(|status| *status != 100) {
                *self.statuses.entry(status).or_default() += 1;
                answers += 1;
            }
        }
        self.silent += usize::from(answers == 0);
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, requests: &[Vec<u8>]) -> Vec<u8> {
    let (mut said, mut piece) = (Vec::new(), [0; 16 * 1024]);
    // It may be refused and closed before all is sent.
    let _ = stream.write_all(&[&requests.concat(), END.as_bytes()].concat()).await;
    loop {
        match tokio::time::timeout(QUIET, stream.read(&mut piece)).await {
            Ok(Ok(count @ 1..)) => said.extend_from_slice(&piece[..count]),
            Ok(_) => return said,
            Err(_) => drop(stream.write_all(&REST).await),
        }
    }
}

async fn over(way: &Way, requests: &[Vec<u8>]) -> std::io::Result<Vec<u8>> {
    Ok(match way {
        Way::V4(port) => exchange(TcpStream::connect(("127.0.0.1", *port)).await?, requests).await,
        Way::V6(port) => exchange(TcpStream::connect(("::1", *port)).await?, requests).await,
        Way::Unix(path) => exchange(UnixStream::connect(path).await?, requests).await,
    })
}

/// Sends until `left` is used up.
async fn attack(ways: Vec<Way>, left: Arc<AtomicUsize>, mut rng: Rng) -> Tally {
    let (good, mut tally) = (good(), Tally::default());
    while left.load(Ordering::Relaxed) > 0 {
        let requests: Vec<_> = (0..rng.usize(AT_ONCE)).map(|_| malformed(&mut rng, &good)).collect();
        // Whoever finds the backlog full comes again.
        let exchange = over(rng.choice(&ways).unwrap(), &requests);
        let Ok(said) = tokio::time::timeout(CLOSED, exchange).await.expect("the daemon closes") else {
            tokio::task::yield_now().await;
            continue;
        };
        let mut here = Tally::default();
        here.note(&said);
        // One answer is for what ends them.
        let seen = here.seen().min(requests.len());
        let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(seen)));
        tally.add(here);
    }
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_requests_leave_it_as_it_was() {
    limited_to(Duration::from_secs(300), async {
        let (count, seed) = (number("CREDBROKER_MALFORMED", 20_000), number("CREDBROKER_SEED", 2_778));
        let site = Site::open().await;
        let orders = caller("orders", &["tokens.billing", "credentials.hub", "issuers.users"]);
        let mut launch = site.launch(&format!("{BILLING}{ROLES}{USERS}{orders}")).env("CREDBROKER_LOG", "info");
        if let Some(binary) = variable("CREDBROKER_BIN") {
            launch = launch.binary(&binary);
        }
        let daemon = launch.start().await;
        for path in ["/v1/tokens/billing", "/v1/tokens/billing?scope=billing/read", "/v1/credentials/hub"] {
            daemon.served(path, ORDERS).await;
        }
        let before = daemon.running.resident();

        let left = Arc::new(AtomicUsize::new(usize::try_from(count).unwrap()));
        let mut attackers = JoinSet::new();
        for number in 0..CONNECTIONS {
            let ways = vec![daemon.v4(), daemon.v6(), daemon.unix()];
            let rng = Rng::with_seed(seed.wrapping_mul(1_000) + number as u64);
            attackers.spawn(attack(ways, Arc::clone(&left), rng));
        }
        let mut tally = Tally::default();
        while let Some(one) = attackers.join_next().await {
            tally.add(one.unwrap());
        }

        let after = daemon.running.resident();
        println!(
            "{} looked at: {:?}, {} without an answer; {before} KiB before, {after} KiB after",
            tally.seen(),
            tally.statuses,
            tally.silent
        );
        let failures: Vec<_> = tally.statuses.iter().filter(|(status, _)| **status >= 500).collect();
        let printed = daemon.running.printed.text();
        assert_eq!(failures, [], "{printed}");
        assert!(!printed.contains("panicked"), "{printed}");
        assert!(
            tally.statuses.len() > 5 && tally.statuses[&400] > 1_000,
            "they are of many kinds: {:?}",
            tally.statuses
        );
        assert!(after * 2 <= before * 3, "{before} KiB before, {after} KiB after");
        assert_eq!(daemon.get("/v1/tokens/billing", ORDERS).await.status, 200, "it serves as ever");
    })
    .await;
}
