//! Nobody else sees into the daemon's memory, and nothing writes it down: no core, and no swap where that can be had.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use nix::unistd::geteuid;

use crate::documents::{ORDERS, billing_for_orders};
use crate::privilege::not_shown;
use crate::process;
use crate::site::{Site, credbroker};
use crate::waiting::limited;

/// What may be read of a process by others of its user, where nothing is done about it.
const OPEN: [&str; 4] = ["mem", "environ", "maps", "auxv"];
const ABORT: i32 = 6;

/// A user without privileges: root keeps none, so that only its uid counts.
fn unprivileged() -> &'static str {
    if geteuid().is_root() { "setpriv --inh-caps=-all --bounding-set=-all" } else { "" }
}

async fn shell(script: &str, dir: &Path) -> ExitStatus {
    let mut command = process::command("/bin/sh", dir, &[("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
    command.args(["-c", script]).status().await.unwrap()
}

#[tokio::test]
async fn a_daemon_that_is_aborted_leaves_no_core() {
    limited(async {
        let site = Site::open().await;
        let launch = site.launch(&billing_for_orders()).through("ulimit -c unlimited && exec \"$@\"");
        let mut daemon = launch.start().await;
        daemon.served("/v1/tokens/billing", ORDERS).await;
        let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.running.pid())).unwrap();
        let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().collect::<Vec<_>>(), ["0", "0", "bytes"]);
        daemon.running.signal("ABRT").await;
        let end = daemon.running.end(Duration::from_secs(10)).await;
        assert_eq!((end.signal(), end.core_dumped()), (Some(ABORT), false));

        let other = shell("ulimit -c unlimited && kill -ABRT $$", site.dir.path()).await;
        assert_eq!(other.signal(), Some(ABORT));
        if !other.core_dumped() {
            not_shown("that no core is dumped", "this machine dumps none of any program, so only the limit is seen");
        }
    })
    .await;
}

#[tokio::test]
async fn another_process_of_the_same_user_reads_nothing_of_the_daemon() {
    limited(async {
        let site = Site::open().await;
        let through = format!("exec {} \"$@\"", unprivileged());
        let daemon = site.launch(&billing_for_orders()).through(&through).start().await;
        daemon.served("/v1/tokens/billing", ORDERS).await;
        for what in OPEN {
            // A shell that is as much the same user as the daemon is, and can read that of its own kind.
            let look = |pid: &str| format!("exec {} /bin/sh -c ': < /proc/{pid}/{what}'", unprivileged());
            let (own, daemons) = (look("$$"), look(&daemon.running.pid().to_string()));
            assert!(
                shell(&own, site.dir.path()).await.success(),
                "{what} is closed for others too: this shows nothing"
            );
            assert!(!shell(&daemons, site.dir.path()).await.success(), "{what} of the daemon can be read");
        }
    })
    .await;
}

#[tokio::test]
async fn a_command_that_exec_becomes_is_as_open_as_any_other() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let arguments =
            ["exec", "--token", "T=billing", "--", "/bin/sh", "-c", "ulimit -Hc; : < /proc/$$/environ && echo open"];
        let environment = [("CREDBROKER_URL", &*daemon.url()), ("CREDBROKER_TOKEN", ORDERS), ("PATH", "/usr/bin:/bin")];
        let ended = credbroker(site.dir.path(), &arguments, &environment).await;
        let hard = String::from_utf8(
            std::process::Command::new("/bin/sh").args(["-c", "ulimit -Hc"]).output().unwrap().stdout,
        );
        assert_eq!(ended.stdout, format!("{}open\n", hard.unwrap()), "{}", ended.stderr);
    })
    .await;
}

#[tokio::test]
async fn whether_it_may_be_swapped_is_said_at_the_start() {
    limited(async {
        let site = Site::open().await;
        let limited_to = format!("ulimit -l 64 && exec {} \"$@\"", unprivileged());
        let daemon = site.launch(&billing_for_orders()).through(&limited_to).start().await;
        let said = daemon.logged().await;
        assert!(said.contains("may be swapped out") && said.contains("why=RLIMIT_MEMLOCK is 64 KiB"), "{said}");
        assert!(said.contains("LimitMEMLOCK=infinity"), "{said}");
        let locked = |pid: u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        assert_eq!(locked(daemon.running.pid()), 0);

        let site = Site::open().await;
        let unlimited = "ulimit -l unlimited 2>/dev/null; exec \"$@\"";
        let daemon = site.launch(&billing_for_orders()).through(unlimited).start().await;
        let said = daemon.logged().await;
        if said.contains("may be swapped out") {
            not_shown("that memory is locked", "this user may not have an unlimited RLIMIT_MEMLOCK");
            return;
        }
        assert!(said.contains("closed=true swap=\"locked\""), "{said}");
        assert!(locked(daemon.running.pid()) > 0);
        // Locked only where used: a lock of all that is mapped would have doubled this.
        daemon.served("/v1/tokens/billing", ORDERS).await;
        assert!(daemon.running.resident() < locked(daemon.running.pid()) / 2, "what is not used takes no memory");
    })
    .await;
}
