//! Who is known by a uid over TCP, with processes of several users. Only root can start those: whoever else runs these tests
//! sees that its own uid is known and another's is not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::unistd::geteuid;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::client::{Ask, Way, read_to_end};
use crate::daemon::{Daemon, free_port, holds};
use crate::documents::{BILLING, LEDGER, ORDERS, caller};
use crate::privilege::not_shown;
use crate::process::{self, CREDBROKER, Running};
use crate::site::{Site, credbroker};
use crate::waiting::{limited, until};

const PATH: &str = "/v1/tokens/billing";
pub const MEANT: &str = "Credbroker-Request: true\r\n";
/// Who asks, and who asks without being allowed to. They need not exist.
const ORDERS_UID: u32 = 4711;
const OTHER_UID: u32 = 4712;
/// Whoever cannot be named.
const OVERFLOW_UID: u32 = 65_534;
/// Connects, sends what it is given, and shows what comes back.
pub const ASKS: &str = r#"exec 3<>"/dev/tcp/$0/$1"; printf %s "$2" >&3; cat <&3"#;
/// Connects, sends, and does not wait.
const LEAVES: &str = r#"exec 3<>"/dev/tcp/$0/$1"; printf %s "$2" >&3"#;

/// The uid that these tests have a process of beside their own.
fn user() -> u32 {
    if geteuid().is_root() { ORDERS_UID } else { geteuid().as_raw() }
}

fn by_uid(name: &str, uid: u32) -> String {
    format!("[callers.{name}]\nallow = [\"tokens.billing\"]\nuid = {uid}\n")
}

pub fn request(fields: &str) -> String {
    format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\n{fields}Connection: close\r\n\r\n")
}

/// What a process of the user `uid` prints that runs `script` against `host` with a request that has `fields`.
pub async fn process_of(uid: u32, script: &str, host: &str, port: u16, fields: &str) -> String {
    let mut command = process::command("/bin/bash", Path::new("/"), &[("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
    command.args(["-c", script, host, &port.to_string(), &request(fields)]);
    if uid != geteuid().as_raw() {
        command.uid(uid).gid(uid);
    }
    let ended = process::finish(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout
}

/// The status that such a process is answered with.
async fn status(uid: u32, daemon: &Daemon, host: &str, fields: &str) -> u16 {
    status_in(&process_of(uid, ASKS, host, daemon.port, fields).await)
}

/// The status in an answer as it came.
pub fn status_in(answer: &str) -> u16 {
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|digits| digits.parse().ok());
    status.unwrap_or_else(|| panic!("no status: {answer}"))
}

/// A daemon that answers at `port`, without privileges where it may be given up. `around` is a command that runs another one.
pub async fn unprivileged(site: &Site, document: &str, port: u16, around: &str) -> Running {
    let file = site.launch(document).configure(port);
    for entry in fs::read_dir(site.dir.path()).unwrap() {
        fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(0o644)).unwrap();
    }
    fs::set_permissions(site.dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    // Where the build is may be closed to that user, so the shell opens the binary before it changes its user.
    let launch = site.launch("");
    let mut command = process::command("/bin/sh", Path::new("/"), launch.environment());
    let drop_to = if geteuid().is_root() {
        format!("setpriv --reuid={OTHER_UID} --regid={OTHER_UID} --clear-groups --bounding-set=-all --no-new-privs")
    } else {
        String::new()
    };
    let script =
        format!("exec 3<'{CREDBROKER}'; exec {around} {drop_to} /proc/self/fd/3 run --config '{}'", file.display());
    command.args(["-c", &script]).stdout(Stdio::piped());
    let mut running = Running::spawn(command);
    let up = async || {
        assert_eq!(running.ended().await, None, "{}", running.printed.text());
        Ask::get("/healthz").over(&Way::V4(port)).await.ok()
    };
    until("the start", Duration::from_secs(10), up).await;
    running
}

#[tokio::test]
async fn a_process_is_known_by_its_uid_over_every_loopback_address() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&format!("{BILLING}{}", by_uid("orders", user()))).await;
        let others = if geteuid().is_root() { vec![0, OTHER_UID, OVERFLOW_UID] } else { vec![] };
        for host in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            for other in &others {
                assert_eq!(status(*other, &daemon, host, MEANT).await, 401, "{other} over {host}");
            }
            assert_eq!(status(user(), &daemon, host, "").await, 403, "{host}: it does not show that it means it");
        }
        assert_eq!(site.operations(), [""; 0]);
        for host in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(status(user(), &daemon, host, MEANT).await, 200, "{host}");
        }

        let tcp_only = "[server]\nlisten = [\"loopback:PORT\"]\n";
        let daemon = site.daemon(&format!("{tcp_only}{BILLING}{}", by_uid("other", user() + 1))).await;
        assert_eq!(status(user(), &daemon, "127.0.0.1", MEANT).await, 401);
    })
    .await;
}

/// The client of the command line shows by itself that it means it, so a uid is all that it needs.
#[tokio::test]
async fn the_command_line_needs_no_token_over_tcp() {
    limited(async {
        let site = Site::open().await;
        let own = geteuid().as_raw();
        let daemon = site.daemon(&format!("{BILLING}{}", by_uid("me", own))).await;
        let ended = credbroker(&daemon.dir, &["token", "billing"], &[("CREDBROKER_URL", &daemon.url())]).await;
        assert_eq!((ended.code, ended.stdout.is_empty()), (Some(0), false), "{}", ended.stderr);
    })
    .await;
}

#[tokio::test]
async fn a_stolen_token_is_of_no_use_to_another_user() {
    limited(async {
        let site = Site::open().await;
        let uid = user();
        let both = format!("{}uid = {uid}\n", caller("orders", &["tokens.billing"]));
        let bystanders = format!("{}{}", by_uid("root", 0), by_uid("orders-by-uid", OTHER_UID))
            .replace("tokens.billing", "tokens.ledger");
        let bystanders = if geteuid().is_root() { bystanders } else { String::new() };
        let daemon = site.daemon(&format!("{BILLING}{LEDGER}{both}{bystanders}")).await;
        let token = format!("Authorization: Bearer {ORDERS}\r\n");
        for host in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            if geteuid().is_root() {
                assert_eq!(status(OTHER_UID + 1, &daemon, host, &token).await, 401, "over {host}");
                // Callers of their own, they are not taken for the one whose token it is either.
                assert_eq!(status(OTHER_UID, &daemon, host, &token).await, 403, "over {host}");
                assert_eq!(status(0, &daemon, host, &token).await, 403, "over {host}");
            }
            assert_eq!(status(uid, &daemon, host, "Authorization: Bearer guessed\r\n").await, 401, "over {host}");
            assert_eq!(status(uid, &daemon, host, MEANT).await, 401, "its uid alone is not enough");
        }
        assert_eq!(site.operations(), [""; 0]);
        for host in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(status(uid, &daemon, host, &token).await, 200, "over {host}");
        }
    })
    .await;
}

/// `Some` when the other end of a connection to `port` has closed it and the kernel has forgotten who that was: FIN_WAIT2.
fn is_closed(port: u16) -> Option<()> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    tables.concat().contains(&format!(":{port:04X} 05 ")).then_some(())
}

/// The kernel says uid 0 of a connection whose process is gone. Here that is a caller, and whoever leaves early is not it.
#[tokio::test]
async fn whoever_closes_before_it_is_accepted_is_nobody_and_not_root() {
    limited(async {
        let site = Site::open().await;
        let callers = format!("{}{}", by_uid("root", 0), by_uid("orders", ORDERS_UID));
        let daemon = site.daemon(&format!("{BILLING}{callers}")).await;
        // Whether what was sent is answered at all is for the HTTP library to decide.
        let unknown = || daemon.running.printed.text().matches("the uid of a caller over TCP is not known").count();
        for host in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let before = unknown();
            daemon.running.freeze().await;
            process_of(user(), LEAVES, host, daemon.port, MEANT).await;
            until("the end of the connection", Duration::from_secs(10), async || is_closed(daemon.port)).await;
            daemon.running.signal("CONT").await;
            until("the doubt", Duration::from_secs(10), async || (unknown() > before).then_some(())).await;
        }
        assert!(
            daemon.running.printed.text().contains("doubt=the socket is in state 5"),
            "it was the kernel that was asked"
        );

        // Half-closed, by a process that is root where the tests are, and can read what it is answered.
        daemon.running.freeze().await;
        let mut half = TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
        half.write_all(request(MEANT).as_bytes()).await.unwrap();
        half.shutdown().await.unwrap();
        daemon.running.signal("CONT").await;
        let answer = read_to_end(&mut half).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 401"), "{answer}");
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

/// A daemon with no privileges at all knows them as well.
#[tokio::test]
async fn no_privilege_is_needed_to_know_others() {
    limited(async {
        let site = Site::open().await;
        let port = free_port();
        let listen = "[server]\nlisten = [\"loopback:PORT\"]\n";
        let running = unprivileged(&site, &format!("{listen}{BILLING}{}", by_uid("orders", user())), port, "").await;
        let asks = async |uid: u32| process_of(uid, ASKS, "::ffff:127.0.0.1", port, MEANT).await;
        if geteuid().is_root() {
            for other in [0, OTHER_UID] {
                assert!(asks(other).await.starts_with("HTTP/1.1 401"), "{other}");
            }
        }
        let answer = asks(user()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(!running.printed.text().contains("will be refused"), "no warning where all is well");
    })
    .await;
}

/// A listener of one network namespace in the hands of a daemon in another, where the table is another one.
#[tokio::test]
async fn where_the_table_cannot_be_used_the_start_says_so_and_uids_are_unknown() {
    limited(async {
        let site = Site::open().await;
        let port = free_port();
        let tcp = holds("127.0.0.1", port).unwrap();
        let by_unit = "[callers.ledger]\nallow = []\nunit = \"ledger.service\"\n";
        let callers = format!("{}{by_unit}{}", by_uid("me", geteuid().as_raw()), caller("orders", &["tokens.billing"]));
        let document = format!("[server]\nlisten = [\"systemd:api\"]\n{BILLING}{callers}");
        let file = site.launch(&document).configure(port);
        let may = std::process::Command::new("unshare").args(["--net", "true"]).status();
        let other_namespace = may.is_ok_and(|status| status.success());
        if !other_namespace {
            not_shown("a table that cannot be used", "no network namespace can be made");
        }
        let launch = site.launch("");
        let script = format!(
            "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=api exec {} '{CREDBROKER}' run --config '{}'",
            if other_namespace { "unshare --net" } else { "" },
            file.display()
        );
        let mut command = process::command("/bin/sh", Path::new("/"), launch.environment());
        command.args(["-c", &script]).stdin(Stdio::from(std::os::fd::OwnedFd::from(tcp))).stdout(Stdio::piped());
        let running = Running::spawn(command);
        let way = Way::V4(port);
        let known = Ask::get(PATH).header("credbroker-request", "true").over(&way).await.unwrap();
        let said = running.printed.text();
        let warned = said.contains("callers known by uid or unit will be refused") && said.contains("callers=\"ledger, me\"");
        // Who may not make a namespace has the listener in the same one, and nothing to be warned of.
        assert_eq!((known.status, warned), if other_namespace { (401, true) } else { (200, false) }, "{said}");
        let by_token = Ask::get("/v1/status").bearer(ORDERS).over(&way).await.unwrap();
        assert_eq!(by_token.status, 200, "a token is as good as ever");
    })
    .await;
}
