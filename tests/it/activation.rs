//! What the daemon and systemd say to each other: readiness, and sockets that were open before the daemon was.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::net::UnixDatagram;

use crate::client::{Ask, Way};
use crate::daemon::{Launch, free_port, holds};
use crate::documents::{ORDERS, billing_for_orders};
use crate::process::{self, CREDBROKER, Running};
use crate::site::Site;
use crate::waiting::{limited, until};

/// The next thing that systemd is told.
pub async fn told(socket: &UnixDatagram) -> String {
    let mut message = [0; 1024];
    let received = tokio::time::timeout(Duration::from_secs(10), socket.recv(&mut message)).await;
    String::from_utf8_lossy(&message[..received.unwrap().unwrap()]).into_owned()
}

#[tokio::test]
async fn systemd_hears_ready_when_requests_are_answered_and_stopping_at_the_drain() {
    limited(async {
        let site = Site::open().await;
        // Started means here that READY came; nobody has asked it anything yet.
        let daemon = site.launch(&billing_for_orders()).notified().start().await;
        assert_eq!(daemon.get("/v1/tokens/billing", ORDERS).await.status, 200);
        assert_eq!(daemon.ask_over(&daemon.unix(), Ask::get("/healthz")).await.status, 200);
        daemon.running.signal("TERM").await;
        let stopping = told(daemon.notifications.as_ref().unwrap()).await;
        assert!(stopping.contains("STOPPING=1"), "{stopping}");
    })
    .await;
}

/// Fills the queue of whoever listens there.
fn keep_busy(path: &Path) {
    let others = std::os::unix::net::UnixDatagram::unbound().unwrap();
    others.connect(path).unwrap();
    others.set_nonblocking(true).unwrap();
    while others.send(b"STATUS=nobody reads this").is_ok() {}
}

#[tokio::test]
async fn a_systemd_that_was_busy_hears_ready_as_soon_as_it_listens_again() {
    limited(async {
        let site = Site::open().await;
        let path = site.dir.path().join("busy");
        let systemd = UnixDatagram::bind(&path).unwrap();
        keep_busy(&path);
        let daemon = site.launch(&billing_for_orders()).env("NOTIFY_SOCKET", path.to_str().unwrap()).start().await;
        let is_missed = || daemon.running.printed.text().contains("systemd could not be notified");
        until("the message that is not taken", Duration::from_secs(10), async || is_missed().then_some(())).await;
        while !told(&systemd).await.contains("READY=1") {}
    })
    .await;
}

#[tokio::test]
async fn that_systemd_is_not_there_is_said_once() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.launch(&billing_for_orders()).env("NOTIFY_SOCKET", "/nowhere/notify").start().await;
        for _ in 0..3 {
            daemon.logged().await;
        }
        let said = daemon.logged().await;
        assert_eq!(said.matches("systemd could not be notified").count(), 1, "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_systemd_that_hangs_holds_up_neither_a_reload_nor_the_end() {
    limited(async {
        let site = Site::open().await;
        let mut daemon = site.launch(&billing_for_orders()).notified().start().await;
        keep_busy(&daemon.dir.join("notify"));
        for _ in 0..2 {
            daemon.logged().await;
        }
        assert_eq!(daemon.get("/v1/tokens/billing", ORDERS).await.status, 200);
        daemon.running.signal("TERM").await;
        assert_eq!(daemon.running.wait(Duration::from_secs(15)).await, 0);
    })
    .await;
}

/// Starts a daemon as systemd does: with `tcp` and `unix` as the descriptors 3 and 4, called `names`.
fn activated(launch: &Launch, names: &str, tcp: impl Into<OwnedFd>, unix: impl Into<OwnedFd>) -> Running {
    let file = launch.configure(0);
    // The shell moves what it got as its input and output, and becomes the daemon: LISTEN_PID is then the daemon's own.
    let script = format!(
        "exec 3<&0 4<&1 0</dev/null 1>&2; LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES={names} exec '{CREDBROKER}' run --config '{}'",
        file.display()
    );
    let mut command = process::command("/bin/sh", Path::new("/"), launch.environment());
    command.args(["-c", &script]).stdin(Stdio::from(tcp.into())).stdout(Stdio::from(unix.into()));
    Running::spawn(command)
}

#[tokio::test]
async fn sockets_of_systemd_are_served_and_connections_from_before_the_start_too() {
    limited(async {
        let site = Site::open().await;
        let port = free_port();
        let tcp = holds("127.0.0.1", port).unwrap();
        let path = site.dir.path().join("held.sock");
        let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let early =
            tokio::spawn(
                async move { Ask::get("/v1/tokens/billing").bearer(ORDERS).over(&Way::V4(port)).await.unwrap() },
            );

        let launch = site.launch(&format!("[server]\nlisten = [\"systemd:api\"]\n{}", billing_for_orders()));
        let mut running = activated(&launch, "api:api", tcp, unix);
        assert_eq!(early.await.unwrap().status, 200, "it waited in the backlog");
        let over_unix = Ask::get("/v1/tokens/billing").bearer(ORDERS).over(&Way::Unix(path.clone())).await.unwrap();
        assert_eq!((over_unix.status, over_unix.cache()), (200, "hit"));

        running.signal("TERM").await;
        running.signal("TERM").await;
        assert_eq!(running.wait(Duration::from_secs(6)).await, 0);
        assert!(path.exists(), "the socket is systemd's, not the daemon's to remove");
    })
    .await;
}

#[tokio::test]
async fn a_socket_of_another_name_is_not_taken() {
    limited(async {
        let site = Site::open().await;
        let tcp = holds("127.0.0.1", free_port()).unwrap();
        let unix = std::os::unix::net::UnixListener::bind(site.dir.path().join("held.sock")).unwrap();
        let launch = site.launch(&format!("[server]\nlisten = [\"systemd:api\"]\n{}", billing_for_orders()));
        let mut running = activated(&launch, "other:other", tcp, unix);
        assert_eq!(running.wait(Duration::from_secs(6)).await, 1);
        let said = running.printed.text();
        assert!(
            said.contains("systemd:api") && said.contains("other") && said.contains("FileDescriptorName=api"),
            "{said}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_socket_that_other_machines_reach_refuses_the_start() {
    limited(async {
        let site = Site::open().await;
        let tcp = holds("0.0.0.0", free_port()).unwrap();
        let unix = std::os::unix::net::UnixListener::bind(site.dir.path().join("held.sock")).unwrap();
        let launch = site.launch(&format!("[server]\nlisten = [\"systemd:api\"]\n{}", billing_for_orders()));
        let mut running = activated(&launch, "api:api", tcp, unix);
        assert_eq!(running.wait(Duration::from_secs(6)).await, 1);
        let said = running.printed.text();
        assert!(said.contains("0.0.0.0:") && said.contains("which other machines can reach"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_socket_that_no_line_takes_refuses_the_start() {
    limited(async {
        let site = Site::open().await;
        let tcp = holds("127.0.0.1", free_port()).unwrap();
        let unix = std::os::unix::net::UnixListener::bind(site.dir.path().join("held.sock")).unwrap();
        let launch = site.launch(&format!("[server]\nlisten = [\"systemd:api\"]\n{}", billing_for_orders()));
        let mut running = activated(&launch, "api:spare", tcp, unix);
        assert_eq!(running.wait(Duration::from_secs(6)).await, 1);
        let said = running.printed.text();
        assert!(said.contains("systemd:spare") && !said.contains("systemd:api"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn an_address_that_systemd_holds_is_found_under_its_name() {
    limited(async {
        let site = Site::open().await;
        let port = free_port();
        let tcp = holds("127.0.0.1", port).unwrap();
        let path = site.dir.path().join("held.sock");
        let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
        for listen in [format!("127.0.0.1:{port}"), format!("unix:{}", path.display())] {
            let launch = site.launch(&format!("[server]\nlisten = [{listen:?}]\n{}", billing_for_orders()));
            let (tcp, unix) = (tcp.try_clone().unwrap(), unix.try_clone().unwrap());
            let mut running = activated(&launch, "api:api", tcp, unix);
            assert_eq!(running.wait(Duration::from_secs(6)).await, 1);
            let said = running.printed.text();
            assert!(said.contains(&listen) && said.contains("[\"systemd:api\"]"), "{said}");
        }
    })
    .await;
}

#[tokio::test]
async fn sockets_of_systemd_outlast_a_reload_and_cannot_be_left_without_a_line() {
    limited(async {
        let site = Site::open().await;
        let (port, other) = (free_port(), free_port());
        let tcp = holds("127.0.0.1", port).unwrap();
        let path = site.dir.path().join("held.sock");
        let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let listening = |lines: &str| site.launch(&format!("[server]\nlisten = [{lines}]\n{}", billing_for_orders()));
        let running = activated(&listening("\"systemd:api\""), "api:api", tcp, unix);
        let says = async |words: &str| {
            until(words, Duration::from_secs(10), async || running.printed.text().contains(words).then_some(())).await;
        };
        says("serving").await;
        listening(&format!("\"systemd:api\", \"loopback:{other}\"")).configure(0);
        running.signal("HUP").await;
        says("is in effect").await;
        for way in [Way::V4(port), Way::Unix(path.clone()), Way::V4(other)] {
            let answer = Ask::get("/v1/tokens/billing").bearer(ORDERS).over(&way).await.unwrap();
            assert_eq!(answer.status, 200, "{way:?}");
        }
        listening(&format!("\"loopback:{other}\"")).configure(0);
        running.signal("HUP").await;
        says("was refused").await;
        assert!(running.printed.text().contains("whoever connects to them would wait for ever"));
        assert_eq!(Ask::get("/healthz").over(&Way::V4(port)).await.unwrap().status, 200);
    })
    .await;
}
