//! More connections and more requests than there is room for, and the good caller among them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::geteuid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::{Ask, Way, read_to_end};
use crate::daemon::Daemon;
use crate::documents::{BILLING, ORDERS, REPORTS, billing_for_orders, caller};
use crate::process::{self, Running, variable};
use crate::site::Site;
use crate::waiting::{Stopwatch, limited, limited_to, until};

/// Where the flood of another process goes.
const TARGET: &str = "CREDBROKER_TEST_FLOOD";
const OTHER_UID: u32 = 4712;
const FLOOD: usize = 2_000;
/// This says what "not stopped" means, not how fast it is: the flood's own connections last five seconds each where nothing moves them,
/// so whoever waits for those to end waits longer. Usually it is a fraction of a second, on a machine with nothing else to do.
const GOOD_ENOUGH: Duration = Duration::from_secs(4);

/// As many descriptors as this process may have: a crowd of clients needs one each.
fn as_many_descriptors_as_may_be() -> u64 {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    hard
}

/// Connects again and again, says nothing or one byte a second, and never reads what comes.
async fn slow_connections(port: u16, is_silent: bool) {
    loop {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else {
            tokio::task::yield_now().await;
            continue;
        };
        if is_silent {
            read_to_end(&mut stream).await;
            continue;
        }
        for byte in b"GET /v1/tokens/billing HTTP/1.1\r\nHost: localhost\r\n" {
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            let closed = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut [0; 64])).await;
            if closed.is_ok() {
                break;
            }
        }
    }
}

fn flood(port: u16) -> JoinSet<()> {
    as_many_descriptors_as_may_be();
    (0..FLOOD).map(|number| slow_connections(port, number % 2 == 0)).collect()
}

/// The flood as another process, which another user may run.
#[tokio::test]
#[ignore = "is run by the test of another user's flood"]
async fn flooding() {
    let Some(port) = variable(TARGET) else { return };
    let _attackers = flood(port.parse().unwrap());
    tokio::time::sleep(Duration::from_secs(30)).await;
}

/// Requests one after the other, each on a connection of its own, while `seconds` go by.
async fn is_served_throughout(daemon: &Daemon, way: &Way, seconds: u64) {
    let whole = Stopwatch::start();
    let mut served = 0;
    while whole.elapsed() < Duration::from_secs(seconds) {
        let watch = Stopwatch::start();
        let answer = Ask::get("/v1/tokens/billing").bearer(ORDERS).over(way).await;
        let answer = answer.unwrap_or_else(|cause| panic!("request {served} failed: {cause}"));
        assert_eq!(answer.status, 200, "request {served}: {}", answer.text);
        assert!(watch.elapsed() < GOOD_ENOUGH, "request {served} took {:?}", watch.elapsed());
        served += 1;
    }
    let status = daemon.get("/v1/status", ORDERS).await.json();
    println!("{served} requests served over {way:?}: {}", status["connections"]);
    assert!(served > 1, "{served}");
}

/// Waits until the flood has taken what it can get.
async fn is_full(daemon: &Daemon) {
    let is_full = async || {
        let answer = Ask::get("/v1/status").bearer(ORDERS).over(&daemon.v4()).await.ok()?;
        let connections = answer.json()["connections"].clone();
        (connections["moved"].as_u64()? > 0).then_some(())
    };
    until("a flood that takes every place", Duration::from_secs(20), is_full).await;
}

/// A process that floods `daemon`; of another user, if these tests run as root.
fn flooding_process(daemon: &Daemon, is_of_another_user: bool) -> (Running, TempDir) {
    // A copy of this program, since its folder may be closed to others.
    let place = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
    let program = place.path().join("flood");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let environment = [(TARGET.to_owned(), daemon.port.to_string())];
    let mut command = process::command(program.to_str().unwrap(), Path::new("/"), &environment);
    command.args(["--exact", "crowding::flooding", "--include-ignored"]).stdout(Stdio::null());
    if is_of_another_user && geteuid().is_root() {
        command.uid(OTHER_UID).gid(OTHER_UID);
    }
    (Running::spawn(command), place)
}

#[tokio::test]
async fn two_thousand_idle_slow_connections_do_not_stop_a_good_caller() {
    limited_to(Duration::from_secs(60), async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        daemon.get("/v1/tokens/billing", ORDERS).await.token();
        let _attackers = flooding_process(&daemon, false);
        is_full(&daemon).await;
        for way in [daemon.v4(), daemon.unix()] {
            is_served_throughout(&daemon, &way, 3).await;
        }
        assert_eq!(site.operations(), ["token"]);
    })
    .await;
}

#[tokio::test]
async fn nor_do_those_of_another_user() {
    limited_to(Duration::from_secs(60), async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        daemon.get("/v1/tokens/billing", ORDERS).await.token();
        let _attackers = flooding_process(&daemon, true);
        is_full(&daemon).await;
        is_served_throughout(&daemon, &daemon.v4(), 3).await;
    })
    .await;
}

/// How many clients, ten thousand where `CREDBROKER_TEST_CLIENTS` says so.
fn clients() -> usize {
    let wanted = variable("CREDBROKER_TEST_CLIENTS").map_or(2_000, |text| text.parse().unwrap());
    // The daemon's and the emulator's are this process' too, or are not many.
    wanted.min(usize::try_from(as_many_descriptors_as_may_be() / 2).unwrap())
}

/// Asks as soon as it is connected; the status it sees, with whether it was told when to ask again. `starting` keeps it from being
/// late with its request because of so many others in this one process.
async fn client(port: u16, starting: Arc<Semaphore>) -> (String, bool) {
    let turn = starting.acquire().await.unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = format!(
        "GET /v1/tokens/billing HTTP/1.1\r\nHost: localhost\r\nAuthorization: {ORDERS}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    drop(turn);
    let answer = read_to_end(&mut stream).await;
    (answer.lines().next().unwrap_or("nothing").to_owned(), answer.contains("retry-after: 1\r\n"))
}

#[tokio::test]
async fn a_crowd_of_clients_sees_200_or_503_and_is_one_upstream_request() {
    limited_to(Duration::from_secs(90), async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        site.control().fault(Fault::once("token", FaultKind::Delay { milliseconds: 500 }));
        for temperature in ["cold", "warm"] {
            let watch = Stopwatch::start();
            let starting = Arc::new(Semaphore::new(16));
            let crowd: JoinSet<_> = (0..clients()).map(|_| client(daemon.port, Arc::clone(&starting))).collect();
            let answers = crowd.join_all().await;
            let count =
                |status: &str, again| answers.iter().filter(|(line, when)| line == status && *when == again).count();
            let (served, shed) = (count("HTTP/1.1 200 OK", false), count("HTTP/1.1 503 Service Unavailable", true));
            println!("{temperature}: {served} served, {shed} shed in {:?}", watch.elapsed());
            let other = answers.iter().find(|(line, _)| !line.ends_with("200 OK") && !line.contains(" 503 "));
            assert_eq!(served + shed, clients(), "{temperature}: {other:?}");
            assert!(served > 0, "{temperature}");
        }
        daemon.get("/v1/tokens/billing", ORDERS).await.token();
        assert_eq!(site.operations(), ["token"]);
    })
    .await;
}

fn two_callers(connections: u32, more: &str) -> String {
    let callers = format!("{}{more}{}", caller("orders", &["tokens.billing"]), caller("reports", &["tokens.billing"]));
    format!("[server]\nlisten = [\"127.0.0.1:PORT\"]\nmax_connections = {connections}\n{BILLING}{callers}")
}

/// A request whose body never comes, and so is being answered for some seconds.
async fn half_asked(daemon: &Daemon) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
    let head = format!(
        "POST /v1/tokens/billing HTTP/1.1\r\nHost: localhost\r\nAuthorization: {ORDERS}\r\nContent-Length: 9\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// What the status says of the caller `name`; asked as `reports`.
async fn load_of(daemon: &Daemon, name: &str) -> Value {
    let status = daemon.get("/v1/status", REPORTS).await.json();
    let callers = status["load"]["callers"].as_array().unwrap();
    callers.iter().find(|row| row["name"] == name).unwrap().clone()
}

#[tokio::test]
async fn one_caller_s_requests_leave_room_for_another_s() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&two_callers(64, "")).await;
        daemon.get("/v1/tokens/billing", ORDERS).await.token();
        // Of 64 connections 56 may be answered at a time, and three quarters of these are 42.
        let mut held = Vec::new();
        for _ in 0..42 {
            held.push(half_asked(&daemon).await);
        }
        let all = async || (load_of(&daemon, "orders").await["in_flight"] == 42).then_some(());
        until("as many requests as may be answered for one caller", Duration::from_secs(4), all).await;
        let refused = daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!((refused.status, refused.retry_after()), (429, 1), "{}", refused.text);
        assert_eq!(refused.json()["error"], "slow_down");
        daemon.get("/v1/tokens/billing", REPORTS).await.token();
        assert_eq!(load_of(&daemon, "orders").await["limited"], 1);
        assert_eq!(load_of(&daemon, "reports").await["limited"], 0);
        drop(held);
        daemon.served("/v1/tokens/billing", ORDERS).await;
    })
    .await;
}

#[tokio::test]
async fn a_user_with_all_its_places_being_answered_is_told_so() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&two_callers(8, "")).await;
        // Three quarters of the connections, six, are as many as one user may hold. One of an earlier request may still be open.
        let mut held = Vec::new();
        let refused = async || {
            held.push(half_asked(&daemon).await);
            let answer = daemon.ask(Ask::get("/v1/tokens/billing").bearer(REPORTS)).await;
            (answer.status == 503).then_some(answer)
        };
        let refused = until("a refusal for want of a place", Duration::from_secs(4), refused).await;
        assert_eq!((refused.retry_after(), refused.header("connection")), (1, Some("close")), "{}", refused.text);
        assert!(refused.complaint().contains("max_connections"), "{}", refused.text);
        drop(held);
        daemon.served("/v1/tokens/billing", REPORTS).await;
        let status = daemon.get("/v1/status", REPORTS).await.json();
        assert!(status["connections"]["turned_away"].as_u64().unwrap() > 0, "{status}");
    })
    .await;
}

#[tokio::test]
async fn forms_of_unknown_callers_that_do_not_come_keep_nobody_out() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&two_callers(8, "")).await;
        daemon.get("/v1/tokens/billing", ORDERS).await.token();
        let head = "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n";
        let mut held = Vec::new();
        // Of the same user as the good caller, and as many as he may hold.
        for _ in 0..6 {
            let mut stream = TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            held.push(stream);
        }
        for _ in 0..3 {
            daemon.get("/v1/tokens/billing", ORDERS).await.token();
        }
        let status = daemon.get("/v1/status", REPORTS).await.json();
        assert_eq!(status["load"]["in_flight"], 1, "none of the forms counts as being answered: {status}");
        assert!(status["connections"]["moved"].as_u64() > Some(0), "the forms held no places: {status}");
        drop(held);
    })
    .await;
}

#[tokio::test]
async fn a_caller_asks_no_more_often_than_it_may() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&two_callers(64, "requests_per_second = 1\n")).await;
        let refused =
            async || Some(daemon.get("/v1/tokens/billing", ORDERS).await).filter(|answer| answer.status == 429);
        let refused = until("a request too many", Duration::from_secs(10), refused).await;
        assert_eq!((refused.retry_after(), refused.json()["error"].as_str()), (1, Some("slow_down")));
        assert!(refused.complaint().contains("requests_per_second"), "{}", refused.text);
        // Neither health nor others are concerned.
        for _ in 0..5 {
            assert_eq!(daemon.ask(Ask::get("/healthz")).await.status, 200);
            daemon.get("/v1/tokens/billing", REPORTS).await.token();
        }
        daemon.served("/v1/tokens/billing", ORDERS).await;
        let load = load_of(&daemon, "orders").await;
        assert!(load["limited"].as_u64().unwrap() > 0 && load["requests_per_second"] == 1, "{load}");
        assert_eq!(site.operations(), ["token"]);
    })
    .await;
}

#[tokio::test]
async fn out_of_descriptors_it_waits_without_spinning_and_recovers_at_once() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let before = daemon.running.descriptors(4).await;
        let waiting = tokio::spawn({
            let way = daemon.v4();
            async move { Ask::get("/healthz").over(&way).await.unwrap() }
        });
        let complaints = || daemon.running.printed.text().matches("cannot be accepted").count();
        until("a complaint", Duration::from_secs(10), async || (complaints() > 0).then_some(())).await;
        let used = daemon.running.processor_time();
        // Two seconds of it: one that spins would use most of them, and write a million lines.
        let spun = async || Some(()).filter(|()| daemon.running.processor_time() > used + Duration::from_millis(500));
        let spins = tokio::time::timeout(Duration::from_secs(2), until("a spin", Duration::from_secs(9), spun)).await;
        assert!(spins.is_err(), "it spins");
        assert_eq!(complaints(), 1);
        assert!(!waiting.is_finished());
        daemon.running.descriptors(before).await;
        let answer = tokio::time::timeout(Duration::from_secs(2), waiting).await.unwrap().unwrap();
        assert_eq!(answer.status, 200);
    })
    .await;
}
