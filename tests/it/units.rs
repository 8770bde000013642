//! Who is known by a systemd unit, with processes in cgroups that are called as systemd calls those of units. Only root can make
//! them: whoever else runs these tests sees that its own unit is known, where it is in one, and another is not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::unistd::geteuid;

use crate::client::{Ask, Way};
use crate::daemon::{Daemon, free_port};
use crate::documents::{BILLING, ORDERS, caller};
use crate::privilege::{has_mounts, not_shown};
use crate::process::{self, CREDBROKER, Ended, Running};
use crate::site::Site;
use crate::uids::{ASKS, MEANT, process_of, request, status_in, unprivileged};
use crate::waiting::{limited, until};

const HOSTS: [&str; 3] = ["127.0.0.1", "::1", "::ffff:127.0.0.1"];
const PATIENCE: Duration = Duration::from_secs(10);
/// A user that need not exist.
const SOMEBODY: u32 = 4711;

/// Cgroups of a test's own: a slice of a name that nobody else uses, and in it units of such names. They go with it.
struct Slice {
    path: PathBuf,
    number: u32,
}

impl Slice {
    /// `None` where this process may not make cgroups.
    fn make() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mount = mounts.lines().find_map(|line| {
            let (mount, system) = line.split_once(" - ")?;
            let mut fields = mount.split(' ').skip(3);
            (system.starts_with("cgroup2 ") && fields.next() == Some("/")).then(|| fields.next())?
        });
        let number = fastrand::u32(..);
        let path = Path::new(mount?).join(format!("credbrokertest{number}.slice"));
        match fs::create_dir(&path) {
            Ok(()) => Some(Self { path, number }),
            Err(cause) => {
                not_shown("who is known by a unit of another's", format!("cgroups cannot be made: {cause}"));
                None
            }
        }
    }

    /// The name of a unit in it.
    fn name(&self, what: &str) -> String {
        format!("credbroker-test-{}-{what}.service", self.number)
    }

    /// The cgroup of that unit, made if need be.
    fn unit(&self, what: &str) -> PathBuf {
        self.cgroup(&self.name(what))
    }

    fn cgroup(&self, path: &str) -> PathBuf {
        let path = self.path.join(path);
        fs::create_dir_all(&path).unwrap();
        path
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        let _ = fs::write(self.path.join("cgroup.kill"), "1");
        // Killed processes leave their cgroup a moment later.
        let is_gone = (0..200).any(|_| {
            remove(&self.path);
            let is_gone = !self.path.exists();
            if !is_gone {
                std::thread::sleep(Duration::from_millis(10));
            }
            is_gone
        });
        if !is_gone {
            eprintln!("{} could not be removed", self.path.display());
        }
    }
}

/// Removes a cgroup and those below it, as far as that goes.
fn remove(cgroup: &Path) {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir(cgroup);
}

/// A caller that is known by its unit, and by `more`.
fn by_unit(name: &str, unit: &str, more: &str) -> String {
    format!("[callers.{name}]\nallow = [\"tokens.billing\"]\nunit = {unit:?}\n{more}\n")
}

/// Moves the shell into `cgroup`.
fn into(cgroup: &Path) -> String {
    format!("echo $$ > '{}/cgroup.procs'; ", cgroup.display())
}

/// The status that a process in `cgroup` is answered with that sends `fields`.
async fn status(cgroup: &Path, daemon: &Daemon, host: &str, fields: &str) -> u16 {
    let script = into(cgroup) + ASKS;
    status_in(&process_of(geteuid().as_raw(), &script, host, daemon.port, fields).await)
}

/// The command line in `cgroup`, which asks over the unix socket in `dir`.
fn asking(cgroup: &Path, dir: &Path, more: &[(&str, &str)]) -> tokio::process::Command {
    let url = format!("unix:{}", dir.join("api.sock").display());
    let named = [&[("CREDBROKER_URL", &*url)], more].concat();
    let environment: Vec<_> = named.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut command = process::command("/bin/bash", dir, &environment);
    command.args(["-c", &format!("{}exec '{CREDBROKER}' token billing", into(cgroup))]);
    command
}

/// Is it one that is given the token?
fn is_served(ended: &Ended) -> bool {
    let refused = ended.code != Some(0) && ended.stderr.contains("the caller is not known");
    // On a busy machine a first fetch takes longer than callers wait.
    let served = (ended.code == Some(0) && !ended.stdout.is_empty()) || ended.stderr.contains("ask again");
    assert!(refused || served, "{ended:?}");
    !refused
}

async fn served_on_unix(cgroup: &Path, daemon: &Daemon, more: &[(&str, &str)]) -> bool {
    is_served(&process::finish(asking(cgroup, &daemon.dir, more)).await)
}

/// Waits until somebody has connected to the unix socket of a daemon that is stopped.
async fn knocked(daemon: &Daemon) {
    let path = format!(" {}", daemon.dir.join("api.sock").display());
    until("the connection", PATIENCE, async || {
        let sockets = fs::read_to_string("/proc/net/unix").unwrap();
        (sockets.lines().filter(|line| line.ends_with(&path)).count() > 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_process_is_known_by_its_unit_at_every_listener() {
    limited(async {
        let Some(slice) = Slice::make() else { return };
        let site = Site::open().await;
        let daemon = site.daemon(&format!("{BILLING}{}", by_unit("orders", &slice.name("orders"), ""))).await;
        // Started after the daemon, as services are.
        let orders = slice.unit("orders");
        let others = [
            slice.unit("other"),
            slice.path.clone(),
            slice.cgroup(&format!("container/system.slice/{}", slice.name("orders"))),
            slice.cgroup(&format!("{}/{}", slice.name("other"), slice.name("orders"))),
        ];
        for host in HOSTS {
            for other in &others {
                assert_eq!(status(other, &daemon, host, MEANT).await, 401, "{} over {host}", other.display());
            }
        }
        for other in &others {
            assert!(!served_on_unix(other, &daemon, &[]).await, "{}", other.display());
        }
        assert_eq!(site.operations(), [""; 0]);
        let payload = slice.cgroup(&format!("{}/payload/inner", slice.name("orders")));
        for own in [&orders, &payload] {
            for host in HOSTS {
                assert_eq!(status(own, &daemon, host, "").await, 403, "{host}: it does not show that it means it");
                assert_eq!(status(own, &daemon, host, MEANT).await, 200, "{} over {host}", own.display());
            }
            assert!(served_on_unix(own, &daemon, &[]).await, "{}", own.display());
        }
        assert!(!daemon.logged().await.contains("will be refused"), "no warning where all is well");
    })
    .await;
}

/// Row 55 of the fault matrix, for units: all that is configured has to match.
#[tokio::test]
async fn the_right_unit_is_not_enough_where_more_is_asked_for() {
    limited(async {
        let Some(slice) = Slice::make() else { return };
        let site = Site::open().await;
        let with_token = by_unit("orders", &slice.name("orders"), "token = { file = \"DIR/orders.token\" }");
        let with_uid = by_unit("ledger", &slice.name("ledger"), &format!("uid = {SOMEBODY}"));
        let daemon = site.daemon(&format!("{BILLING}{with_token}{with_uid}")).await;
        let (orders, ledger) = (slice.unit("orders"), slice.unit("ledger"));
        let token = format!("Authorization: Bearer {ORDERS}\r\n");
        for host in HOSTS {
            assert_eq!(status(&orders, &daemon, host, MEANT).await, 401, "no token");
            assert_eq!(status(&orders, &daemon, host, "Authorization: Bearer guessed\r\n").await, 401);
            assert_eq!(status(&ledger, &daemon, host, &token).await, 401, "a stolen token in another unit");
            assert_eq!(status(&ledger, &daemon, host, MEANT).await, 401, "another user in the right unit");
        }
        assert!(!served_on_unix(&orders, &daemon, &[]).await);
        assert!(!served_on_unix(&orders, &daemon, &[("CREDBROKER_TOKEN", "guessed")]).await);
        assert!(!served_on_unix(&ledger, &daemon, &[("CREDBROKER_TOKEN", ORDERS)]).await);
        assert_eq!(site.operations(), [""; 0]);
        for host in HOSTS {
            assert_eq!(status(&orders, &daemon, host, &token).await, 200);
        }
        assert!(served_on_unix(&orders, &daemon, &[("CREDBROKER_TOKEN", ORDERS)]).await);
    })
    .await;
}

/// A user to whom root has delegated what lies below his own manager, makes a cgroup there that is called like the unit of another.
#[tokio::test]
async fn a_user_who_calls_his_own_cgroup_like_a_unit_is_not_in_it() {
    limited(async {
        let Some(slice) = Slice::make() else { return };
        let site = Site::open().await;
        let unit = slice.name("orders");
        let daemon = site.daemon(&format!("{BILLING}{}", by_unit("orders", &unit, ""))).await;
        let manager = slice.cgroup(&format!("user-{SOMEBODY}.slice/user@{SOMEBODY}.service"));
        for file in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
            std::os::unix::fs::chown(manager.join(file), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        }
        for path in [unit.clone(), format!("app.slice/{unit}"), format!("system.slice/_{unit}")] {
            let forged = manager.join(path);
            let as_user = format!("mkdir -p '{0}' && echo $$ > '{0}/cgroup.procs' && {ASKS}", forged.display());
            fs::write(site.dir.path().join("forge"), as_user).unwrap();
            let script = format!(
                "{}exec setpriv --reuid={SOMEBODY} --regid={SOMEBODY} --clear-groups bash -c \"$(cat '{}')\" \"$0\" \"$@\"",
                into(&manager),
                site.dir.path().join("forge").display()
            );
            for host in HOSTS {
                let answer = process_of(geteuid().as_raw(), &script, host, daemon.port, MEANT).await;
                assert_eq!(status_in(&answer), 401, "{} over {host}", forged.display());
            }
            assert!(forged.is_dir(), "he could make it");
            assert!(!served_on_unix(&forged, &daemon, &[]).await, "{}", forged.display());
        }
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

/// Over TCP the cgroup stays with the socket.
#[tokio::test]
async fn over_tcp_it_is_the_unit_in_which_the_socket_was_made() {
    limited(async {
        let Some(slice) = Slice::make() else { return };
        let site = Site::open().await;
        let daemon = site.daemon(&format!("{BILLING}{}", by_unit("orders", &slice.name("orders"), ""))).await;
        let (orders, other) = (slice.unit("orders"), slice.unit("other"));
        for (from, to, expected) in [(&orders, &other, 200), (&other, &orders, 401)] {
            let connected = ASKS.replace("printf", &format!("{}printf", into(to)));
            for host in HOSTS {
                let script = into(from) + &connected;
                let answer = process_of(geteuid().as_raw(), &script, host, daemon.port, MEANT).await;
                assert_eq!(status_in(&answer), expected, "from {} over {host}", from.display());
            }
        }
    })
    .await;
}

/// On a unix socket it is where the process is when its connection is accepted.
#[tokio::test]
async fn on_a_unix_socket_it_is_the_unit_in_which_the_process_is() {
    limited(async {
        let Some(slice) = Slice::make() else { return };
        let site = Site::open().await;
        let daemon = site.daemon(&format!("{BILLING}{}", by_unit("orders", &slice.name("orders"), ""))).await;
        let (orders, other) = (slice.unit("orders"), slice.unit("other"));
        for (from, to, expected) in [(&orders, &other, false), (&other, &orders, true)] {
            daemon.running.freeze().await;
            let child = asking(from, &daemon.dir, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            knocked(&daemon).await;
            fs::write(to.join("cgroup.procs"), child.id().unwrap().to_string()).unwrap();
            daemon.running.signal("CONT").await;
            let output = child.wait_with_output().await.unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let ended =
                Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) };
            assert_eq!(is_served(&ended), expected, "from {}", from.display());
        }
    })
    .await;
}

/// Its number may be another process' by then, in whatever unit that is. Row T6 of the threat model.
#[tokio::test]
async fn a_process_that_ends_before_it_is_accepted_is_in_no_unit() {
    limited(async {
        let site = Site::open().await;
        let slice = Slice::make();
        let (unit, cgroup) = match &slice {
            Some(slice) => (slice.name("orders"), slice.unit("orders")),
            // Wherever it is: writing there fails, and it asks all the same.
            None => ("orders.service".to_owned(), site.dir.path().join("nowhere")),
        };
        let daemon = site.daemon(&format!("{BILLING}{}", by_unit("orders", &unit, ""))).await;
        daemon.running.freeze().await;
        let mut child = asking(&cgroup, &daemon.dir, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        knocked(&daemon).await;
        child.kill().await.unwrap();
        daemon.running.signal("CONT").await;
        until("the doubt", PATIENCE, async || {
            daemon.running.printed.text().contains("the unit of a caller on a unix socket is not known").then_some(())
        })
        .await;
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

/// Row 58 of the fault matrix: the cgroup of a unit is another one after each restart, with another id.
#[tokio::test]
async fn a_unit_that_was_started_again_is_known_and_what_is_left_of_the_old_one_is_not() {
    limited(async {
        let Some(slice) = Slice::make() else { return };
        let site = Site::open().await;
        let (orders, other) = (slice.unit("orders"), slice.unit("other"));
        let daemon = site.daemon(&format!("{BILLING}{}", by_unit("orders", &slice.name("orders"), ""))).await;
        for _ in 0..3 {
            assert_eq!(status(&orders, &daemon, "127.0.0.1", MEANT).await, 200);
            assert!(served_on_unix(&orders, &daemon, &[]).await);
            fs::remove_dir(&orders).unwrap();
            slice.unit("orders");
        }

        assert_eq!(status(&orders, &daemon, "127.0.0.1", MEANT).await, 200, "the daemon knows this one");
        // Its socket is made in the same cgroup, which is gone when the daemon looks.
        daemon.running.freeze().await;
        let script = into(&orders) + &ASKS.replace("printf", &format!("{}printf", into(&other)));
        let mut command =
            process::command("/bin/bash", Path::new("/"), &[("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        command.args(["-c", &script, "127.0.0.1", &daemon.port.to_string(), &request(MEANT)]).stdout(Stdio::piped());
        let child = command.spawn().unwrap();
        let pid = child.id().unwrap().to_string();
        until("the move", PATIENCE, async || {
            let there = fs::read_to_string(other.join("cgroup.procs")).unwrap();
            there.lines().any(|line| line == pid).then_some(())
        })
        .await;
        fs::remove_dir(&orders).unwrap();
        slice.unit("orders");
        daemon.running.signal("CONT").await;
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(status_in(&String::from_utf8_lossy(&output.stdout)), 401);
        assert_eq!(status(&orders, &daemon, "127.0.0.1", MEANT).await, 200, "the new one is it");
    })
    .await;
}

/// Whoever runs these tests is in a unit of its own or in none, and needs no privilege to be known by it.
#[tokio::test]
async fn the_own_unit_is_known_and_another_is_not() {
    limited(async {
        let list = fs::read_to_string("/proc/self/cgroup").unwrap();
        let path = list.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
        let own = path.split('/').skip(1).find(|part| !part.ends_with(".slice"));
        let own = own.filter(|part| part.ends_with(".service") || part.ends_with(".scope"));
        let site = Site::open().await;
        let daemon = site.daemon(&format!("{BILLING}{}", by_unit("me", own.unwrap_or("orders.service"), ""))).await;
        let expected = if own.is_some() { 200 } else { 401 };
        for way in [daemon.v4(), daemon.v6(), daemon.unix()] {
            let answer =
                daemon.ask_over(&way, Ask::get("/v1/tokens/billing").header("credbroker-request", "true")).await;
            assert_eq!(answer.status, expected, "{way:?}");
        }
        drop(daemon);
        let others = site.daemon(&format!("{BILLING}{}", by_unit("other", "credbroker-test-none.service", ""))).await;
        for way in [others.v4(), others.v6(), others.unix()] {
            let answer =
                others.ask_over(&way, Ask::get("/v1/tokens/billing").header("credbroker-request", "true")).await;
            assert_eq!(answer.status, 401, "{way:?}");
        }
    })
    .await;
}

/// Row 74 of the fault matrix, by the sandbox that is at hand: `/proc` as `ProtectProc=invisible` and `ProcSubset=pid` leave it. Over
/// TCP nothing is lost by that.
#[tokio::test]
async fn where_processes_are_hidden_the_start_says_so_and_units_are_unknown() {
    limited(async {
        let Some(slice) = Slice::make() else { return };
        let site = Site::open().await;
        let hidden = "mount -t proc -o hidepid=invisible,subset=pid proc /proc";
        if !has_mounts("units where processes are hidden", hidden) {
            return;
        }
        let around = format!("unshare --mount sh -c '{hidden}; exec \"$@\"' sh");
        let (port, orders) = (free_port(), slice.unit("orders"));
        let callers = format!("{}{}", by_unit("orders", &slice.name("orders"), ""), caller("reports", &[]));
        let running: Running = unprivileged(&site, &format!("{BILLING}{callers}"), port, &around).await;
        let said = running.printed.text();
        assert!(said.contains("callers known by unit will be refused at this listener"), "{said}");
        assert!(said.contains("ProtectProc=default") && said.contains("callers=\"orders\""), "{said}");
        assert_eq!(said.matches("will be refused").count(), 1, "the unix socket is the only one: {said}");

        let ended = process::finish(asking(&orders, site.dir.path(), &[])).await;
        assert!(!is_served(&ended), "{ended:?}");
        let script = into(&orders) + ASKS;
        let answer = process_of(geteuid().as_raw(), &script, "127.0.0.1", port, MEANT).await;
        assert_eq!(status_in(&answer), 200);
        let by_token = Ask::get("/v1/status").bearer(crate::documents::REPORTS).over(&Way::V4(port)).await.unwrap();
        assert_eq!(by_token.status, 200, "a token is as good as ever");
    })
    .await;
}
